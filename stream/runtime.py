"""The main loop: carries audio from sources through the detector to the sinks, and shuts down in
order.
"""

from __future__ import annotations

import logging
import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from radd.errors import RaddError, StorageError
from radd.types import SAMPLE_RATE_HZ, AudioChunk, Detector, Event, Shed, seconds
from stream.ending import Ending
from stream.engine import EngineSettings, Fed, feed
from stream.event_journal import EventJournal, NoJournal
from stream.event_text import describe_loss
from stream.failures import Failures
from stream.fanout import Fanout
from stream.hot_reload import HotReload, NoReload
from stream.multiplexer import Arrival, Multiplexer
from stream.run_events import (
    Display,
    IndexChanged,
    ModelChanged,
    RunTotals,
    Started,
    Stats,
    Stopped,
)
from stream.run_stream import Stream
from stream.service import Service
from stream.tap import ended, observed

STATS_EVERY_SAMPLES = 60 * SAMPLE_RATE_HZ  # often enough for monitoring, rare enough for a log


CALM_S = 5.0  # without a late stream, until the machine counts as fast enough again


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How a run scores its streams, and for how long."""

    engine: EngineSettings
    duration_samples: int | None = None
    """None: until the sound ends"""


class Run:
    """One run over one or more sources, each until its sound ends or `duration_samples` are over,
    or `ending` is asked for.

    `open_journal` is called when the sources are open. Every event reaches the journal before the
    display. A source that fails ends its own stream; the others go on, and what it raised is raised
    at the end or logged, see Failures. StorageError is raised at the end where the journal lost
    sound or alerts for good.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        detector: Detector,
        open_journal: Callable[[], EventJournal],
        display: Display,
        ending: Ending,
        settings: RunSettings,
        index: NoReload | HotReload | None = None,
    ):
        self.streams, self.detector, self.open_journal, self.display = (
            streams,
            detector,
            open_journal,
            display,
        )
        self.ending, self.engine = ending, settings.engine
        self.duration_samples = settings.duration_samples
        self.index = index or NoReload()
        self.service = Service()
        self.journal: EventJournal = NoJournal()
        self.problem: str | None = None
        self.failures = Failures()
        self.untold: list[Stream] = []
        self.lost: set[tuple[str, str | None]] = set()
        """what and of which alert"""
        self.shedding, self.shed_until = False, 0.0

    def listen(self) -> None:
        """Run until the end; then close the last alerts, flush the journal and print the totals.

        Raises what source, journal and output raise, after everything else has been shut down.
        """
        with self._telling(), ExitStack() as sources:
            self._open(sources)
            with self.open_journal() as self.journal, self.index, self._flushing():
                self._start()
                self._carry()
        self.failures.raise_gravest()
        alerts, sounds = self._lost("alert"), self._lost("sound")
        if alerts or sounds:
            raise StorageError(
                f"{alerts} alerts and the sound of {sounds} others are lost for good, see above: "
                "free space, and look after the database that did not take them"
            )

    def _open(self, sources: ExitStack) -> None:
        """All or none; every one that does not open is told of."""
        for stream in self.streams:
            try:
                sources.enter_context(stream.source)
            except RaddError as error:
                self.failures.add(stream.source.name, error)
        self.failures.raise_gravest()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.ending.ask("error")
            raise
        finally:
            self._tell_losses()
            for stream in self.untold:
                self._tell_end(stream)

    @contextmanager
    def _flushing(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.service.stopping()
            for stream in self._going_on():
                self._flush(stream)

    def _start(self) -> None:
        self.ending.sources = [stream.source for stream in self.streams]
        for stream in self.streams:
            length_samples = getattr(stream.source, "length_samples", None)
            name, rate_hz = stream.source.name, stream.source.native_rate_hz
            self.untold.append(stream)
            self.display.write(
                Started(name, self.detector.name, rate_hz, length_samples), stream.id
            )
        for alert in self.journal.recovered:
            self.display.write(alert)
            self.journal.write(alert)  # only now, so that it is told again if this one is killed
        names = [stream.source.name for stream in self.streams]
        self.service.ready(
            f"listening to {names[0] if len(names) == 1 else f'{len(names)} sources'}"
        )

    def _carry(self) -> None:
        if self.ending.reason:
            return
        with Multiplexer(
            [stream.source for stream in self.streams], self.engine.late_ms / 1000
        ) as inlet:
            while self._going_on() and not self.display.closed:
                self._follow_index()
                self._feed(inlet.take(self.engine.streams_at_once))
                self.service.alive()
                self._warn(self.journal.problem)
                self._tell_losses()
        if self.display.closed:
            self.ending.ask("output_closed")

    def _feed(self, arrivals: Sequence[Arrival]) -> None:
        began = time.perf_counter()
        fed: list[tuple[Stream, Fed]] = []
        for number, chunk, shed, error in arrivals:
            stream = self.streams[number]
            if stream.reason is not None:  # its duration has elapsed
                continue
            if chunk is None:
                self._finish(stream, self.ending.reason or "end", error)
            else:
                fed.append((stream, Fed(stream.monitor, self._within_duration(chunk), shed)))
        for (stream, (_, chunk, shed)), events in zip(
            fed, feed(self.detector, [one for _, one in fed]), strict=True
        ):
            if isinstance(events, RaddError):
                self._finish(stream, "error", events)
                continue
            hops = stream.totals.scores
            self._write(stream, observed(stream.taps, chunk, events))
            stream.end = chunk.end
            stream.brief_hops += (stream.totals.scores - hops) * (shed is Shed.BLOCKS)
            self._tell_shedding(stream, shed)
        for stream, _ in fed:
            stream.busy_s += (time.perf_counter() - began) / len(fed)
            if stream.end - stream.stats_end >= STATS_EVERY_SAMPLES:
                self.display.write(self._stats(stream), stream.id)
            if stream.reason is None and stream.end == self.duration_samples:
                self._finish(stream, "duration")

    def _write(self, stream: Stream, events: Iterable[Event]) -> None:
        sinks = Fanout(self.journal, stream.totals, self.display)
        for event in events:
            sinks.write(event, stream.id)

    def _flush(self, stream: Stream) -> None:
        self._write(stream, ended(stream.taps, stream.monitor.flush()))

    def _finish(self, stream: Stream, reason: str, error: Exception | None = None) -> None:
        """End a stream. Its end is reported now if others continue, else when the journal is
        closed.
        """
        stream.reason = "error" if error else reason
        stream.source.stop()
        self._flush(stream)
        self.journal.end(stream.id, error is not None)
        if error:
            self.failures.add(stream.source.name, error)
        if not self._going_on() or self.ending.reason:
            return
        if error:
            self.failures.say("the other streams continue")
        self.untold.remove(stream)
        self._tell_end(stream)

    def _tell_end(self, stream: Stream) -> None:
        reason = stream.reason or self.ending.reason or "end"
        self.display.write(Stopped(stream.end, reason, self._totals(stream)), stream.id)

    def _tell_shedding(self, stream: Stream, shed: Shed) -> None:
        """Report once when the machine becomes too slow, and once when it keeps up again."""
        if shed and not self.shedding:
            log.warning(
                "%s is late: this machine is too busy; hops are being shed", stream.source.name
            )
        self.shed_until = time.monotonic() + CALM_S if shed else self.shed_until
        if self.shedding and time.monotonic() > self.shed_until:
            log.warning(
                "no stream is late any more; %d hops have been shed so far",
                sum(s.totals.shed for s in self.streams),
            )
        self.shedding = time.monotonic() <= self.shed_until

    def _going_on(self) -> list[Stream]:
        return [stream for stream in self.streams if stream.reason is None]

    def _follow_index(self) -> None:
        if model := self.index.take_model():
            self.journal.judged_by(model)
            for stream in self._going_on():
                self.display.write(ModelChanged(stream.end, model), stream.id)
        if changed := self.index.take():
            for stream in self._going_on():
                self.display.write(IndexChanged(stream.end, *changed), stream.id)

    def _warn(self, problem: str | None) -> None:
        if problem != self.problem:
            log.warning("storage: %s", problem or "the problem is solved")
            self.problem = problem

    def _tell_losses(self) -> None:
        for stream, lost in self.journal.take_losses():
            if (lost.what, lost.id) not in self.lost:
                self.lost.add((lost.what, lost.id))
                self.display.write(lost, stream)
                log.warning("storage: %s", describe_loss(lost))

    def _lost(self, what: str) -> int:
        return sum(each == what for each, _ in self.lost)

    def _within_duration(self, chunk: AudioChunk) -> AudioChunk:
        if self.duration_samples is None or chunk.end < self.duration_samples:
            return chunk
        start = min(chunk.start, self.duration_samples)
        return replace(chunk, start=start, samples=chunk.samples[: self.duration_samples - start])

    def _stats(self, stream: Stream) -> Stats:
        counts = stream.source.stats()
        queues = {
            "capture": counts.get("queue_depth", 0),
            "spool": self.journal.stats().get("spool_entries", 0),
        }
        factor = (stream.busy_s - stream.stats_busy_s) / seconds(stream.end - stream.stats_end)
        stream.stats_end, stream.stats_busy_s = stream.end, stream.busy_s
        return Stats(
            stream.end,
            counts["chunks"],
            counts.get("drops", 0),
            counts.get("overruns", 0),
            queues,
            round(factor, 4),
            round(resident_mb(), 1),
            stream.totals.shed,
            stream.brief_hops,
            self._lost("sound"),
            self._lost("alert"),
        )

    def _totals(self, stream: Stream) -> RunTotals:
        counts, totals = stream.source.stats(), stream.totals
        return {
            "sound_s": seconds(stream.end),
            "chunks": counts["chunks"],
            "scores": totals.scores,
            "measured": totals.measured,
            "alerts": totals.alerts,
            "gaps": totals.losses.gaps,
            "lost_s": seconds(totals.losses.lost_samples),
            "drops": counts.get("drops", 0),
            "overruns": counts.get("overruns", 0),
            "shed_hops": totals.shed,
            "brief_hops": stream.brief_hops,
            "storage": self.journal.stats(),
        }


def resident_mb() -> float:
    """Resident memory of this process in MB: current on Linux, the maximum so far elsewhere."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
