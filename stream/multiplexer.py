"""Merges many sources, each read by its own thread, into one flow of chunks for the detector
thread.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from radd.types import HOP_SAMPLES, AudioChunk, Shed, Source, seconds

log = logging.getLogger(__name__)

AHEAD_SAMPLES = 8 * HOP_SAMPLES  # per source, buffered here
IDLE_S = 1.0  # signals and the watchdog are served this often while all sources are silent
LEAVE_S = 5.0  # a source that was stopped has so long; then the end goes on without it
MUCH = 2  # times `late_s`: from this delay on even more work is shed
WAITED_S = 0.005  # above this, the reader of a source has waited for its audio


class Arrival(NamedTuple):
    """The next item of one source."""

    stream: int
    """its number, in the order in which the sources were added, from 0"""
    chunk: AudioChunk | None
    """None at the end of the source"""
    shed: Shed = Shed.NOTHING
    error: Exception | None = None
    """why it ended early"""


class _Reader:
    """One source, the thread that reads it, and what waits of it."""

    def __init__(self, source: Source, lock: threading.Lock, thread: threading.Thread):
        self.source, self.thread = source, thread
        self.room = threading.Condition(lock)
        self.waiting: deque[Arrival] = deque()
        self.origin = 0.0
        """when, at its own pace, the stream began"""
        self.closed = False


class Multiplexer:
    """Bounded and fair: buffers at most AHEAD_SAMPLES or one chunk per source, and serves the
    longest-waiting source first.

    Sources may be added and removed while it is open. A source that is not read keeps its own
    behaviour: a microphone buffers in its queue and counts drops, a file or pipe blocks. A stream
    with a clock is late by how far it lags behind its own pace since its source was last waited
    for. A recording that arrives through a pipe all at once is therefore not late until it is
    slower than its audio. A stream that is late by more than `late_s` is returned in one larger
    part, whose work may be shed in part.
    """

    def __init__(
        self, sources: Sequence[Source], late_s: float, clock: Callable[[], float] = time.monotonic
    ):
        """With `late_s` 0 nothing is ever late. `clock` returns seconds on the time scale of
        AudioChunk.arrived.
        """
        self._late_s, self._clock = late_s, clock
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._readers: dict[int, _Reader] = {}
        self._turn: deque[int] = deque()
        self._next_number = 0
        self._woken = False
        self._sources = sources

    def __enter__(self) -> Multiplexer:
        for source in self._sources:
            self.add(source)
        return self

    def __exit__(self, *exc) -> None:
        """End all sources and discard buffered chunks."""
        for reader in self._readers.values():
            reader.source.stop()
        for reader in self._readers.values():
            self._close(reader)
        for reader in self._readers.values():
            reader.thread.join(LEAVE_S)
            if reader.thread.is_alive():
                log.warning("%s does not end and is left behind", reader.source.name)

    def add(self, source: Source) -> int:
        """Read one more source, which is open; returns its number."""
        number, self._next_number = self._next_number, self._next_number + 1
        thread = threading.Thread(
            target=self._read, args=(number,), name=f"source {number}", daemon=True
        )
        self._readers[number] = _Reader(source, self._lock, thread)
        thread.start()
        return number

    def remove(self, number: int) -> None:
        """Stop a source and discard what waits of it; its thread ends by itself."""
        reader = self._readers.pop(number)
        reader.source.stop()
        self._close(reader)
        with self._lock:
            self._turn = deque(each for each in self._turn if each != number)

    def wake(self) -> None:
        """Let take() return, if need be with nothing; may be called from another thread."""
        with self._arrived:
            self._woken = True
            self._arrived.notify()

    def take(self, most: int) -> list[Arrival]:
        """Available items of at most `most` sources, one Arrival each; waits up to IDLE_S for the
        first, or until wake() is called.
        """
        with self._arrived:
            self._arrived.wait_for(lambda: self._turn or self._woken, IDLE_S)
            self._woken = False
            chosen = [self._turn.popleft() for _ in range(min(most, len(self._turn)))]
            taken = [self._next(number) for number in chosen]
            self._turn.extend(number for number in chosen if self._readers[number].waiting)
            for number in chosen:
                self._readers[number].room.notify()
        return taken

    def _next(self, number: int) -> Arrival:
        reader = self._readers[number]
        waiting = reader.waiting
        first = waiting.popleft()
        if first.chunk is None or first.chunk.arrived is None or not self._late_s:
            return first
        late = (self._clock() - reader.origin - seconds(first.chunk.end)) / self._late_s
        if late <= 1:
            return first
        chunks = [first.chunk]
        while waiting and (chunk := waiting[0].chunk) and _follows(chunks[-1], chunk):
            chunks.append(chunk)
            waiting.popleft()
        joined = replace(
            first.chunk,
            samples=np.concatenate([c.samples for c in chunks]),
            arrived=chunks[-1].arrived,
        )
        return Arrival(number, joined, Shed.HOPS if late <= MUCH else Shed.BLOCKS)

    def _close(self, reader: _Reader) -> None:
        with self._lock:
            reader.closed = True
            reader.room.notify()

    def _read(self, number: int) -> None:
        reader = self._readers[number]
        error, asked = None, -math.inf
        try:
            for chunk in reader.source:
                waited = self._clock() - asked > WAITED_S
                if not self._put(reader, Arrival(number, chunk), waited):
                    return
                asked = self._clock()
        except Exception as problem:  # of any type: it is raised again where the run ends
            error = problem
        self._put(reader, Arrival(number, None, error=error), waited=False)

    def _put(self, reader: _Reader, arrival: Arrival, waited: bool) -> bool:
        """Enqueue once there is room; False if nobody reads any more. `waited`: the reader waited
        for its source.
        """
        waiting, chunk = reader.waiting, arrival.chunk
        length = 0 if chunk is None else len(chunk.samples)
        with self._arrived:
            reader.room.wait_for(
                lambda: reader.closed or not waiting or _samples(waiting) + length <= AHEAD_SAMPLES
            )
            if reader.closed:
                return False
            if not waiting:
                if waited and chunk is not None and chunk.arrived is not None:
                    reader.origin = chunk.arrived - seconds(chunk.end)
                self._turn.append(arrival.stream)
                self._arrived.notify()
            waiting.append(arrival)
            return True


def _samples(waiting: deque[Arrival]) -> int:
    return sum(len(each.chunk.samples) for each in waiting if each.chunk is not None)


def _follows(before: AudioChunk, chunk: AudioChunk) -> bool:
    """Whether both can be merged into one chunk."""
    return chunk.start == before.end and not (chunk.damaged or before.damaged)
