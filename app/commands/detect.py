"""detect.py: from the command line to running streams."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import platform
import sys
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from app.installation import Installation, installation
from app.settings import Settings
from app.shadow import shadow_of
from radd.channels import ChannelChoice
from radd.errors import AudioError, ConfigError
from radd.hot_swap import HotSwapDetector
from radd.types import SAMPLE_RATE_HZ, Source
from storage.journal import Journal, StreamInfo
from stream.capture.microphone import MicrophoneSource
from stream.capture.portaudio import list_devices
from stream.capture.sources import SourceOptions, open_sources
from stream.console_lines import ConsoleLines
from stream.drift import DriftWatch
from stream.ending import Ending
from stream.event_journal import EventJournal, NoJournal
from stream.failures import Failures
from stream.hot_reload import HotReload, follow
from stream.json_lines import JsonLines
from stream.live_view import LiveView
from stream.monitor import Monitor
from stream.run_events import Display
from stream.run_stream import Stream
from stream.runtime import Run, RunSettings
from stream.sampling import Sampler
from stream.shadow import ShadowTap
from stream.tap import Tap

log = logging.getLogger(__name__)
Observer = Callable[[str], list[Tap]]
"""the taps of the stream with an id"""


def detect(arguments: argparse.Namespace, ending: Ending) -> None:
    """Process the sources until their audio ends or `ending` is set."""
    here = installation(arguments.config, arguments.bundle)
    settings = here.settings
    sources = all_sources(arguments, settings)
    bundle = here.bundle()
    detector = HotSwapDetector(here.load(bundle))
    observers = observers_of(here, detector, stored=not arguments.no_store)
    streams = [stream_of(source, detector, settings, observers) for source in sources]
    with choose_display(arguments.json, streams) as display:
        listen(streams, detector, here, bundle, display, ending, arguments)


def all_sources(arguments: argparse.Namespace, settings: Settings) -> list[Source]:
    """One or more sources per --source. Raises ConfigError if two would read the same stdin, and
    AudioError if one cannot be read.
    """
    specs = arguments.source or ["auto"]
    if specs.count("-") > 1:
        raise ConfigError(
            "--source - was given more than once, but there is only one stdin; pass the others as "
            "files"
        )
    options = source_options(arguments, specs)
    sources, failures = [], Failures()
    for spec in specs:
        try:
            sources += open_sources(spec, settings.capture, options)
        except AudioError as error:
            failures.add(spec, error)
    failures.raise_gravest()
    return sources


def source_options(arguments: argparse.Namespace, specs: list[str]) -> SourceOptions:
    """How the sources are read; options without effect are reported."""
    raw = {
        "rate_hz": arguments.rate,
        "channels": arguments.channels,
        "pcm_format": arguments.format,
    }
    given = {name: value for name, value in raw.items() if value is not None}
    if given and "-" not in specs:
        log.warning(
            "--rate, --channels and --format apply to raw PCM on stdin (--source -) and have "
            "no effect here"
        )
    choice = ChannelChoice(arguments.use_channel, arguments.track)
    return SourceOptions(arguments.realtime, choice=choice, **given)


def stream_of(
    source: Source, detector: HotSwapDetector, settings: Settings, observers: list[Observer]
) -> Stream:
    """A stream of one source with a monitor and its observers."""
    stream_id = str(uuid.uuid4())
    monitor = Monitor(detector, settings.decision, settings.alerts, stream_id)
    return Stream(stream_id, source, monitor, [tap for of in observers for tap in of(stream_id)])


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


def listen(
    streams: list[Stream],
    detector: HotSwapDetector,
    here: Installation,
    bundle: Path,
    display: Display,
    ending: Ending,
    arguments: argparse.Namespace,
) -> None:
    """Run the streams until they end, with journal, display and hot reload."""
    duration_samples = arguments.duration and max(1, round(arguments.duration * SAMPLE_RATE_HZ))

    def open_journal() -> EventJournal:
        return NoJournal() if arguments.no_store else journal_of(streams, detector, here.settings)

    reload = None if arguments.no_store else hot_reload(detector, bundle, here)
    Run(
        streams,
        detector,
        open_journal,
        display,
        ending,
        RunSettings(here.settings.engine, duration_samples),
        reload,
    ).listen()


def hot_reload(detector: HotSwapDetector, bundle: Path, here: Installation) -> HotReload | None:
    """Applies confirmed references and bundle changes to the detector; None if this is off."""
    if not here.settings.model.overlay_s:
        return None
    newest = follow(here.bundle, here.load, bundle)
    return HotReload(detector, here.overlays, here.settings.model.overlay_s, newest)


def journal_of(streams: list[Stream], detector: HotSwapDetector, settings: Settings) -> Journal:
    """The journal of streams whose sources are open."""
    aside = ("storage", "review", "serve", "retrain", "training")
    judging = {name: section for name, section in asdict(settings).items() if name not in aside}
    config_hash = hashlib.sha256(json.dumps(judging, sort_keys=True).encode()).hexdigest()
    infos = [
        StreamInfo(
            id=stream.id,
            source=stream.source.name,
            device=stream.source.name if isinstance(stream.source, MicrophoneSource) else None,
            native_rate_hz=stream.source.native_rate_hz,
            host=platform.node(),
            bundle=detector.name,
            config_hash=config_hash,
            started=datetime.now(UTC),
        )
        for stream in streams
    ]
    return Journal(settings.storage, *infos)


def choose_display(as_json: bool, streams: list[Stream]) -> Display:
    """JSON lines, the live view on a terminal, or plain lines elsewhere."""
    if as_json:
        return JsonLines(sys.stdout)
    if not sys.stdout.isatty():
        return ConsoleLines(sys.stdout)

    sources: dict[str | None, Source] = {stream.id: stream.source for stream in streams}
    return LiveView(lambda stream: sources[stream].stats())


def show_devices(arguments: argparse.Namespace) -> None:
    """Print the microphones."""
    settings = installation(arguments.config, arguments.bundle).settings

    devices = list_devices(settings.capture.backend)
    if arguments.json:
        print(json.dumps([asdict(device) for device in devices]))
        return
    for device in devices:
        default = "  default" if device.default else ""
        print(
            f"{device.index:3d}  {device.name}  {device.rate_hz} Hz, {device.channels} "
            f"channels{default}"
        )
    if not devices:
        print("no microphone was found; connect one, or pass a file: --source PATH")
