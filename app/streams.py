"""The streams of detect.py: what observes them, their rows, and those of calls that come."""

from __future__ import annotations

import hashlib
import json
import platform
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

from app.installation import Installation
from app.settings import Settings
from app.shadow import shadow_of
from notify.watched_journal import WatchedJournal
from radd.hot_swap import HotSwapDetector
from radd.types import Source
from storage.journal import Journal
from storage.records import StreamInfo
from stream.capture.microphone import MicrophoneSource
from stream.decision import Decider
from stream.drift import DriftWatch
from stream.event_journal import EventJournal
from stream.monitor import Monitor
from stream.run_stream import Stream
from stream.sampling import Sampler
from stream.shadow import ShadowTap
from stream.tap import Tap
from stream.whole import Whole

Observer = Callable[[str], list[Tap]]
"""the taps of the stream with an id"""
ASIDE = ("storage", "review", "serve", "notify", "metrics", "retrain", "training", "calls", "fleet")
"""sections of config.toml that do not change a score"""


class Streams:
    """Makes the streams of a run around one detector."""

    def __init__(self, here: Installation, detector: HotSwapDetector, stored: bool):
        """Some taps need `stored` events."""
        self._settings, self._detector = here.settings, detector
        self._observers = observers_of(here, detector, stored)
        self._config_hash = config_hash(here.settings)
        self.sources: dict[str | None, Source] = {}
        """by the id of their stream, for a display"""

    def of(self, source: Source) -> Stream:
        """A stream of one source with a monitor and its observers."""
        stream_id = str(uuid.uuid4())
        settings = self._settings
        monitor = Monitor(self._detector, settings.decision, settings.alerts, stream_id)
        self.sources[stream_id] = source
        taps = [tap for of in self._observers for tap in of(stream_id)]
        whole = Whole(Decider(settings.decision), settings.gate.min_speech_s)
        return Stream(stream_id, source, monitor, taps, whole)

    def newcomer(self, source: Source, journal: EventJournal) -> Stream:
        """The stream of a source that comes while the run goes on, and its row."""
        stream = self.of(source)
        if isinstance(journal, Journal | WatchedJournal):
            journal.begin(self.info(stream))
        return stream

    def forget(self, stream_id: str | None) -> None:
        """A stream has ended."""
        self.sources.pop(stream_id, None)

    def counts(self, stream_id: str | None) -> dict[str, int]:
        """Drops, overruns and queue of a stream's source; none once the stream is forgotten."""
        source = self.sources.get(stream_id)
        return {} if source is None else source.stats()

    def info(self, stream: Stream) -> StreamInfo:
        """The row of a stream whose source is open."""
        source = stream.source
        return StreamInfo(
            id=stream.id,
            source=source.name,
            device=source.name if isinstance(source, MicrophoneSource) else None,
            native_rate_hz=source.native_rate_hz,
            host=platform.node(),
            bundle=self._detector.name,
            config_hash=self._config_hash,
            started=datetime.now(UTC),
            call=getattr(source, "call", None),
        )


def observers_of(here: Installation, detector: HotSwapDetector, stored: bool) -> list[Observer]:
    """What observes every stream; some of it only where events are `stored`."""
    settings = here.settings
    per_hour = settings.storage.sample_per_hour if stored else 0
    shadow = shadow_of(here) if stored else None
    return [
        lambda id: [Sampler(per_hour, id, settings.alerts.neighbours)] if per_hour else [],
        lambda id: [DriftWatch(detector, settings.retrain.drift_factor)],
        lambda id: [ShadowTap(shadow)] if shadow else [],
    ]


def config_hash(settings: Settings) -> str:
    """SHA-256 of the settings that may change a score, hexadecimal."""
    judging = {name: section for name, section in asdict(settings).items() if name not in ASIDE}
    return hashlib.sha256(json.dumps(judging, sort_keys=True).encode()).hexdigest()
