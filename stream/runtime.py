"""The main loop: carries audio from sources through the detector to the sinks, and shuts down in
order.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from radd.errors import RaddError
from radd.types import SAMPLE_RATE_HZ, AudioChunk, Detector, Event, Shed, Source
from stream.ending import Ending
from stream.engine import EngineSettings, Fed, feed
from stream.event_journal import EventJournal, NoJournal
from stream.failures import Failures, named
from stream.fanout import Fanout
from stream.multiplexer import Arrival, Multiplexer
from stream.run_changes import PAUSE, STOP, Command, RunChanges
from stream.run_counts import stats_of, totals_of
from stream.run_events import Display, IndexChanged, ModelChanged, Started, Stopped
from stream.run_stream import Stream
from stream.service import Service
from stream.shed_report import ShedReport
from stream.storage_report import StorageReport
from stream.tap import ended, observed

STATS_EVERY_SAMPLES = 60 * SAMPLE_RATE_HZ  # often enough for monitoring, rare enough for a log


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How a run scores its streams, and for how long."""

    engine: EngineSettings
    duration_samples: int | None = None
    """None: until the sound ends"""


class Run:
    """One run over its sources and over those that come meanwhile, each until its sound ends or
    `duration_samples` are over, or `ending` is asked for.

    `open_journal` is called when the sources are open. Every event reaches the journal before the
    display. A source that fails ends its own stream; the others go on, and what it raised is raised
    at the end or logged, see Failures; of one that came meanwhile it is only logged. StorageError
    is raised at the end where the journal lost sound or alerts for good.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        detector: Detector,
        open_journal: Callable[[], EventJournal],
        display: Display,
        ending: Ending,
        settings: RunSettings,
        changes: RunChanges | None = None,
    ):
        self.streams, self.detector, self.open_journal, self.display = (
            streams,
            detector,
            open_journal,
            display,
        )
        self.ending, self.engine = ending, settings.engine
        self.duration_samples = settings.duration_samples
        self.changes = changes or RunChanges()
        self.index = self.changes.index
        self.running: dict[int, Stream] = dict(enumerate(streams))
        """streams that go on, by their number in the multiplexer"""
        self.service = Service()
        self.journal: EventJournal = NoJournal()
        self.storage, self.shedding = StorageReport(display), ShedReport()
        self.failures = Failures()
        self.untold: list[Stream] = []

    def listen(self) -> None:
        """Run until the end; then close the last alerts, flush the journal and print the totals.

        Raises what source, journal and output raise, after everything else has been shut down.
        """
        with self._telling(), ExitStack() as sources:
            self._open(sources)
            with (
                self.open_journal() as self.journal,
                self.index,
                self.changes.commands,
                self._flushing(),
            ):
                self._start()
                self._carry()
        self.failures.raise_gravest()
        self.storage.raise_losses()

    def _open(self, sources: ExitStack) -> None:
        """All or none; every one that does not open is told of."""
        for stream in self.streams:
            try:
                sources.enter_context(stream.source)
            except RaddError as error:
                self.failures.add(stream.source.name, error)
        self.failures.raise_gravest()
        sources.enter_context(self.changes.arrivals)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.ending.ask("error")
            raise
        finally:
            self.storage.tell_losses(self.journal)
            for stream in self.untold:
                self._tell_end(stream)

    @contextmanager
    def _flushing(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.service.stopping()
            self.changes.arrivals.close()
            for stream in self.running.values():
                self._flush(stream)

    def _start(self) -> None:
        self.ending.sources = [stream.source for stream in self.streams]
        for stream in self.streams:
            self._tell_start(stream)
        for alert in self.journal.recovered:
            self.display.write(alert)
            self.journal.write(alert)  # only now, so that it is told again if this one is killed
        names = [stream.source.name for stream in self.streams]
        self.service.ready(
            f"listening to {names[0] if len(names) == 1 else f'{len(names)} sources'}"
        )

    def _tell_start(self, stream: Stream) -> None:
        source = stream.source
        length_samples = getattr(source, "length_samples", None)
        self.untold.append(stream)
        self.display.write(
            Started(
                source.name,
                self.detector.name,
                source.native_rate_hz,
                length_samples,
                getattr(source, "call", None),
            ),
            stream.id,
        )

    def _carry(self) -> None:
        if self.ending.reason:
            return
        arrivals = self.changes.arrivals
        with Multiplexer(
            [stream.source for stream in self.streams], self.engine.late_ms / 1000
        ) as self.inlet:
            arrivals.notify(self.inlet.wake)
            while (self.running or arrivals.open) and not self.display.closed:
                if self.ending.reason:
                    arrivals.close()
                self._welcome(arrivals.take())
                self._obey()
                self._follow_index()
                self._feed(self.inlet.take(self.engine.streams_at_once))
                self.service.alive()
                self.storage.look(self.journal)
        if self.display.closed:
            self.ending.ask("output_closed")

    def _welcome(self, sources: Sequence[Source]) -> None:
        """Begin the streams of sources that have come."""
        for source in sources:
            stream = self.changes.newcomer(source, self.journal)
            stream.came = True
            self._tell_start(stream)
            self.ending.sources.append(source)
            if self.ending.reason:
                source.stop()
            self.running[self.inlet.add(source)] = stream

    def _obey(self) -> None:
        """Carry out the commands that operators gave."""
        numbers = {stream.id: number for number, stream in self.running.items()}
        for command in self.changes.commands.take(list(numbers)):
            if command.stream in numbers:
                self._carry_out(command, numbers[command.stream])

    def _carry_out(self, command: Command, number: int) -> None:
        stream = self.running[number]
        log.info("%s: %s by %s", stream.source.name, command.action, command.by)
        if command.action == STOP:
            self._finish(number, "stopped")
        elif command.action == PAUSE:
            stream.pauses.begin(command.by)
        else:
            stream.pauses.end()
        self.changes.commands.done(command)

    def _feed(self, arrivals: Sequence[Arrival]) -> None:
        began = time.perf_counter()
        fed: list[tuple[int, Stream, Fed]] = []
        for number, chunk, shed, error in arrivals:
            stream = self.running.get(number)
            if stream is None:  # its duration has elapsed
                continue
            if chunk is None:
                self._finish(number, self.ending.reason or "end", error)
            elif (heard := stream.pauses.applied(self._within_duration(chunk))) is not None:
                fed.append((number, stream, Fed(stream.monitor, heard, shed)))
        for (number, stream, (_, chunk, shed)), events in zip(
            fed, feed(self.detector, [one for _, _, one in fed]), strict=True
        ):
            if isinstance(events, RaddError):
                self._finish(number, "error", events)
                continue
            hops, shed_hops = stream.totals.scores, stream.totals.shed
            self._write(stream, observed(stream.taps, chunk, events))
            stream.end = chunk.end
            stream.brief_hops += (stream.totals.scores - hops) * (shed is Shed.BLOCKS)
            self.shedding.look(stream.source.name, shed, stream.totals.shed - shed_hops)
        for number, stream, _ in fed:
            stream.busy_s += (time.perf_counter() - began) / len(fed)
            if stream.end - stream.stats_end >= STATS_EVERY_SAMPLES:
                lost = {what: self.storage.lost(what) for what in ("sound", "alert")}
                self.display.write(stats_of(stream, self.journal.stats(), lost), stream.id)
            if stream.reason is None and stream.end == self.duration_samples:
                self._finish(number, "duration")

    def _write(self, stream: Stream, events: Iterable[Event]) -> None:
        sinks = Fanout(self.journal, *stream.counters, self.display)
        for event in events:
            sinks.write(event, stream.id)

    def _flush(self, stream: Stream) -> None:
        self._write(stream, ended(stream.taps, stream.monitor.flush()))

    def _finish(self, number: int, reason: str, error: Exception | None = None) -> None:
        """End a stream. Its end is reported now if others continue, else when the journal is
        closed.
        """
        stream = self.running.pop(number)
        stream.reason = "error" if error else reason
        stream.source.stop()
        self._flush(stream)
        self.journal.end(stream.id, error is not None)
        if stream.came:
            self._part(number, stream, error)
        elif error:
            self.failures.add(stream.source.name, error)
        if not (self.running or self.changes.arrivals.open) or self.ending.reason:
            return
        if error and not stream.came:
            self.failures.say("the other streams continue")
        self.untold.remove(stream)
        self._tell_end(stream)

    def _part(self, number: int, stream: Stream, error: Exception | None) -> None:
        """Keep nothing of a source that came meanwhile and has ended."""
        self.inlet.remove(number)
        self.ending.sources.remove(stream.source)
        stream.source.__exit__(None, None, None)
        if error:
            log.warning("%s", named(stream.source.name, error))

    def _tell_end(self, stream: Stream) -> None:
        reason = stream.reason or self.ending.reason or "end"
        totals = totals_of(stream, self.journal.stats())
        if stream.whole is not None:
            self.display.write(stream.whole.result(stream.end), stream.id)
        self.display.write(Stopped(stream.end, reason, totals), stream.id)
        if stream.came:
            self.journal.forget(stream.id)
            self.changes.parted(stream.id)

    def _follow_index(self) -> None:
        if model := self.index.take_model():
            self.journal.judged_by(model)
            for stream in self.running.values():
                self.display.write(ModelChanged(stream.end, model), stream.id)
        if changed := self.index.take():
            for stream in self.running.values():
                self.display.write(IndexChanged(stream.end, *changed), stream.id)

    def _within_duration(self, chunk: AudioChunk) -> AudioChunk:
        if self.duration_samples is None or chunk.end < self.duration_samples:
            return chunk
        start = min(chunk.start, self.duration_samples)
        return replace(chunk, start=start, samples=chunk.samples[: self.duration_samples - start])
