"""The loop that carries sound from a source through the monitor to the sinks, and ends in order."""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from radd.errors import RaddError
from radd.types import SAMPLE_RATE_HZ, Alert, AudioChunk, Event, Sink, Source, seconds
from stream.living_index import BundledIndex, LivingIndex
from stream.notices import Display, IndexChanged, ModelChanged, Started, Stats, Stopped
from stream.service import Service
from stream.sinks import Fanout, Totals

STATS_EVERY_SAMPLES = 60 * SAMPLE_RATE_HZ

log = logging.getLogger(__name__)


class Listener(Protocol):
    """What turns chunks into events; stream/monitor.py has the one that ships."""

    def feed(self, chunk: AudioChunk) -> Iterable[Event]: ...
    def flush(self) -> Iterable[Event]: ...


class Journal(Sink, Protocol):
    """The sink that keeps what happens; storage/journal.py has the one that ships."""

    recovered: Iterable[Alert]
    """alerts that a run which broke off has left open, known once entered"""
    problem: str | None
    """what keeps events from being stored, in words for the user; None if nothing does"""

    def judged_by(self, bundle: str) -> None:
        """Alerts and samples from now on are of this bundle."""
        ...

    def stats(self) -> dict[str, int]:
        """Counts so far; `spool_entries` is how many wait to be stored."""
        ...


class NoJournal:
    """Keeps nothing."""

    recovered = ()
    problem = None

    def __enter__(self) -> NoJournal:
        return self

    def __exit__(self, *exc) -> None:
        pass

    def write(self, event: Event) -> None:
        pass

    def judged_by(self, bundle: str) -> None:
        pass

    def stats(self) -> dict[str, int]:
        return {}


class Ending:
    """Turns the first SIGINT or SIGTERM into an orderly end; a second one breaks off at once."""

    def __init__(self):
        self.reason: str | None = None
        self.source: Source | None = None

    def __enter__(self) -> Ending:
        self.before = {number: signal.signal(number, self._heard) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *exc) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def ask(self, reason: str) -> None:
        """End the run soon; the first reason counts. May be called from a signal handler."""
        self.reason = self.reason or reason
        if self.source is not None:
            self.source.stop()

    def _heard(self, number: int, frame) -> None:
        signal.signal(number, signal.SIG_DFL)
        self.ask(signal.Signals(number).name.lower())


class Run:
    """One run over one source, until the sound ends, `duration_samples` are over or `ending` is asked for.

    `open_journal` is called when the source is open. Every event reaches the journal before the display.
    """

    def __init__(self, source: Source, monitor: Listener, open_journal: Callable[[], Journal], display: Display,
                 ending: Ending, bundle: str, duration_samples: int | None = None,
                 index: BundledIndex | LivingIndex | None = None):
        self.source, self.monitor, self.open_journal, self.display = source, monitor, open_journal, display
        self.ending, self.bundle, self.duration_samples = ending, bundle, duration_samples
        self.index = index or BundledIndex()
        self.totals = Totals()
        self.service = Service()
        self.journal: Journal | None = None
        self.problem: str | None = None
        self.end = 0
        self.busy_s = 0.0
        self.stats_end, self.stats_busy_s = 0, 0.0

    def listen(self) -> None:
        """Carry the sound to the sinks; then close the last alert, flush the journal and tell the totals.

        Raises what source, journal and output raise, after everything that can still end in order has ended.
        """
        with self._telling(), self.source, self.open_journal() as self.journal, self.index:
            sinks = Fanout(self.journal, self.totals, self.display)
            with self._flushing(sinks):
                self._start()
                for chunk in self._chunks():
                    for event in self.monitor.feed(chunk):
                        sinks.write(event)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.ending.ask("error")
            raise
        finally:
            if self.ending.source is not None:
                self.display.write(Stopped(self.end, self.ending.reason or "end", self._totals()))

    @contextmanager
    def _flushing(self, sinks: Fanout) -> Iterator[None]:
        try:
            yield
        finally:
            self.service.stopping()
            for event in self.monitor.flush():
                sinks.write(event)

    def _start(self) -> None:
        self.ending.source = self.source
        length_samples = getattr(self.source, "length_samples", None)
        self.display.write(Started(self.source.name, self.bundle, self.source.native_rate_hz, length_samples))
        for alert in self.journal.recovered:
            self.display.write(alert)
        self.service.ready(f"listening to {self.source.name}")

    def _chunks(self) -> Iterator[AudioChunk]:
        for chunk in () if self.ending.reason else self.source:
            if model := self.index.take_model():
                self.journal.judged_by(model)
                self.display.write(ModelChanged(self.end, model))
            if changed := self.index.take():
                self.display.write(IndexChanged(self.end, *changed))
            chunk = self._within_duration(chunk)
            began = time.perf_counter()
            yield chunk
            self.busy_s += time.perf_counter() - began
            self.end = chunk.end
            self.service.alive()
            self._warn(self.journal.problem)
            if self.end - self.stats_end >= STATS_EVERY_SAMPLES:
                self.display.write(self._stats())
            if self.display.closed:
                self.ending.ask("output_closed")
                return
            if self.end == self.duration_samples:
                self.ending.ask("duration")
                return

    def _warn(self, problem: str | None) -> None:
        if problem != self.problem:
            log.warning("storage: %s", problem or "all is well again")
            self.problem = problem

    def _within_duration(self, chunk: AudioChunk) -> AudioChunk:
        if self.duration_samples is None or chunk.end < self.duration_samples:
            return chunk
        start = min(chunk.start, self.duration_samples)
        return replace(chunk, start=start, samples=chunk.samples[: self.duration_samples - start])

    def _stats(self) -> Stats:
        counts = self.source.stats()
        queues = {"capture": counts.get("queue_depth", 0), "spool": self.journal.stats().get("spool_entries", 0)}
        factor = (self.busy_s - self.stats_busy_s) / seconds(self.end - self.stats_end)
        self.stats_end, self.stats_busy_s = self.end, self.busy_s
        return Stats(self.end, counts["chunks"], counts.get("drops", 0), counts.get("overruns", 0), queues,
                     round(factor, 4), round(resident_mb(), 1))

    def _totals(self) -> dict[str, int | float | dict[str, int]]:
        counts, totals = self.source.stats(), self.totals
        return {"sound_s": seconds(self.end), "chunks": counts["chunks"], "scores": totals.scores,
                "measured": totals.measured, "alerts": totals.alerts, "gaps": totals.gaps,
                "lost_s": seconds(totals.lost_samples), "drops": counts.get("drops", 0),
                "overruns": counts.get("overruns", 0), "storage": self.journal.stats()}


def resident_mb() -> float:
    """Resident memory of this process in MB: now on Linux, the highest so far elsewhere."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def exit_code(run: Callable[[], None]) -> int:
    """Run the program and say how it ended: 0, the code of a RaddError, or 1 for a bug."""
    try:
        run()
    except RaddError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except Exception:
        traceback.print_exc()
        print("\nThis is a bug in RADD, no mistake of yours. Please report it with the lines above.", file=sys.stderr)
        return 1
    return 0
