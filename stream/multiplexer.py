"""Many sources, each read by a thread of its own, as one flow of chunks for the thread that
judges.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from radd.types import HOP_SAMPLES, AudioChunk, Shed, Source, seconds

AHEAD_SAMPLES = 8 * HOP_SAMPLES  # of one source that wait here
IDLE_S = 1.0
MUCH = 2  # times as late as `late_s`: then even more is shed
WAITED_S = 0.005  # from here on the reader of a source has waited for its sound


class Arrival(NamedTuple):
    """What one source has to say next."""

    stream: int
    """its place among the sources"""
    chunk: AudioChunk | None
    """None at its end"""
    shed: Shed = Shed.NOTHING
    error: Exception | None = None
    """why it has ended before its end"""


class Multiplexer:
    """Bounded and fair: at most AHEAD_SAMPLES or one chunk of each source wait, and who waits
    longest comes first.

    A source that is not asked for more does what its kind does then: a microphone keeps what comes
    in its own queue and counts what that drops, a file or pipe waits. A stream with a clock is late
    by how far it is behind its own pace since its source was last waited for, so a recording that
    comes through a pipe at once is not late before it is slower than its sound. One that is late by
    more than `late_s` is taken in one larger part, of which something may be shed.
    """

    def __init__(
        self, sources: Sequence[Source], late_s: float, clock: Callable[[], float] = time.monotonic
    ):
        """`late_s` 0: nothing is ever late. `clock` tells the seconds that AudioChunk.arrived is
        told in.
        """
        self._sources, self._late_s, self._clock = sources, late_s, clock
        lock = threading.Lock()
        self._arrived = threading.Condition(lock)
        self._room = [threading.Condition(lock) for _ in sources]
        self._waiting: list[deque[Arrival]] = [deque() for _ in sources]
        self._turn: deque[int] = deque()
        self._origin = [0.0] * len(sources)  # when, by that pace, each stream began
        self._closed = False
        self._threads = [
            threading.Thread(target=self._read, args=(k,), name=f"source {k}", daemon=True)
            for k in range(len(sources))
        ]

    def __enter__(self) -> Multiplexer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc) -> None:
        """End all sources; what waits is forgotten."""
        for source in self._sources:
            source.stop()
        with self._arrived:
            self._closed = True
            for room in self._room:
                room.notify()
        for thread in self._threads:
            thread.join()

    def take(self, most: int) -> list[Arrival]:
        """What is there of at most so many sources, one Arrival each; waits up to IDLE_S for the
        first.
        """
        with self._arrived:
            self._arrived.wait_for(lambda: self._turn, IDLE_S)
            chosen = [self._turn.popleft() for _ in range(min(most, len(self._turn)))]
            taken = [self._next(stream) for stream in chosen]
            self._turn.extend(stream for stream in chosen if self._waiting[stream])
            for stream in chosen:
                self._room[stream].notify()
        return taken

    def _next(self, stream: int) -> Arrival:
        waiting = self._waiting[stream]
        first = waiting.popleft()
        if first.chunk is None or first.chunk.arrived is None or not self._late_s:
            return first
        late = (self._clock() - self._origin[stream] - seconds(first.chunk.end)) / self._late_s
        if late <= 1:
            return first
        chunks = [first.chunk]
        while waiting and (chunk := waiting[0].chunk) and _follows(chunks[-1], chunk):
            chunks.append(waiting.popleft().chunk)
        joined = replace(
            first.chunk,
            samples=np.concatenate([c.samples for c in chunks]),
            arrived=chunks[-1].arrived,
        )
        return Arrival(stream, joined, Shed.HOPS if late <= MUCH else Shed.BLOCKS)

    def _read(self, stream: int) -> None:
        error, asked = None, -math.inf
        try:
            for chunk in self._sources[stream]:
                if not self._put(Arrival(stream, chunk), self._clock() - asked > WAITED_S):
                    return
                asked = self._clock()
        except Exception as problem:  # of whatever kind: it is raised where the run ends
            error = problem
        self._put(Arrival(stream, None, error=error), waited=False)

    def _put(self, arrival: Arrival, waited: bool) -> bool:
        """Have it wait, once there is room; False where nobody takes any more. `waited`: its source
        was waited for.
        """
        waiting, chunk = self._waiting[arrival.stream], arrival.chunk
        length = 0 if chunk is None else len(chunk.samples)
        with self._arrived:
            self._room[arrival.stream].wait_for(
                lambda: self._closed or not waiting or _samples(waiting) + length <= AHEAD_SAMPLES
            )
            if not waiting:
                if waited and chunk.arrived is not None:
                    self._origin[arrival.stream] = chunk.arrived - seconds(chunk.end)
                self._turn.append(arrival.stream)
                self._arrived.notify()
            waiting.append(arrival)
            return not self._closed


def _samples(waiting: deque[Arrival]) -> int:
    return sum(len(arrival.chunk.samples) for arrival in waiting)


def _follows(before: AudioChunk, chunk: AudioChunk) -> bool:
    """Whether both can be one chunk."""
    return chunk.start == before.end and not (chunk.damaged or before.damaged)
