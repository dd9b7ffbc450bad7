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
    """its index among the sources"""
    chunk: AudioChunk | None
    """None at the end of the source"""
    shed: Shed = Shed.NOTHING
    error: Exception | None = None
    """why it ended early"""


class Multiplexer:
    """Bounded and fair: buffers at most AHEAD_SAMPLES or one chunk per source, and serves the
    longest-waiting source first.

    A source that is not read keeps its own behaviour: a microphone buffers in its queue and counts
    drops, a file or pipe blocks. A stream with a clock is late by how far it lags behind its own
    pace since its source was last waited for. A recording that arrives through a pipe all at once
    is therefore not late until it is slower than its audio. A stream that is late by more than
    `late_s` is returned in one larger part, whose work may be shed in part.
    """

    def __init__(
        self, sources: Sequence[Source], late_s: float, clock: Callable[[], float] = time.monotonic
    ):
        """With `late_s` 0 nothing is ever late. `clock` returns seconds on the time scale of
        AudioChunk.arrived.
        """
        self._sources, self._late_s, self._clock = sources, late_s, clock
        lock = threading.Lock()
        self._arrived = threading.Condition(lock)
        self._room = [threading.Condition(lock) for _ in sources]
        self._waiting: list[deque[Arrival]] = [deque() for _ in sources]
        self._turn: deque[int] = deque()
        self._origin = [0.0] * len(sources)  # when, at that pace, each stream began
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
        """End all sources and discard buffered chunks."""
        for source in self._sources:
            source.stop()
        with self._arrived:
            self._closed = True
            for room in self._room:
                room.notify()
        for thread, source in zip(self._threads, self._sources, strict=True):
            thread.join(LEAVE_S)
            if thread.is_alive():
                log.warning("%s does not end and is left behind", source.name)

    def take(self, most: int) -> list[Arrival]:
        """Available items of at most `most` sources, one Arrival each; waits up to IDLE_S for the
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
            chunks.append(chunk)
            waiting.popleft()
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
        except Exception as problem:  # of any type: it is raised again where the run ends
            error = problem
        self._put(Arrival(stream, None, error=error), waited=False)

    def _put(self, arrival: Arrival, waited: bool) -> bool:
        """Enqueue once there is room; False if nobody reads any more. `waited`: the reader waited
        for its source.
        """
        waiting, chunk = self._waiting[arrival.stream], arrival.chunk
        length = 0 if chunk is None else len(chunk.samples)
        with self._arrived:
            self._room[arrival.stream].wait_for(
                lambda: self._closed or not waiting or _samples(waiting) + length <= AHEAD_SAMPLES
            )
            if not waiting:
                if waited and chunk is not None and chunk.arrived is not None:
                    self._origin[arrival.stream] = chunk.arrived - seconds(chunk.end)
                self._turn.append(arrival.stream)
                self._arrived.notify()
            waiting.append(arrival)
            return not self._closed


def _samples(waiting: deque[Arrival]) -> int:
    return sum(len(each.chunk.samples) for each in waiting if each.chunk is not None)


def _follows(before: AudioChunk, chunk: AudioChunk) -> bool:
    """Whether both can be merged into one chunk."""
    return chunk.start == before.end and not (chunk.damaged or before.damaged)
