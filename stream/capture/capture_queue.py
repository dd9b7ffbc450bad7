"""The queue between the sound card's callback and the reading thread."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Block:
    """The audio of one callback."""

    data: bytes
    """float32 frames, channels interleaved"""
    frames: int
    first: int
    """frames received before this block"""
    arrived: float
    """time.monotonic() in seconds"""


class CaptureQueue(Generic[Item]):
    """A queue of at most `length` items, such as Blocks: when it is full, the oldest is dropped
    and counted.

    put() is for one callback thread at a time, take() for one other thread, wake() also for a
    signal handler: a SimpleQueue has no lock that a handler could find taken.
    """

    def __init__(self, length: int):
        self.length, self.drops = length, 0
        self._queue: SimpleQueue[Item | None] = SimpleQueue()

    def __len__(self) -> int:
        return self._queue.qsize()

    def put(self, block: Item) -> None:
        """Add a block; drops the oldest one if the queue is full."""
        while len(self) >= self.length:
            self._drop()
        self._queue.put(block)

    def take(self, timeout_s: float) -> Item | None:
        """The oldest block; None if none arrived in time or wake() was called."""
        try:
            return self._queue.get(timeout=timeout_s)
        except Empty:
            return None

    def wake(self) -> None:
        """Make a waiting take() return."""
        self._queue.put(None)

    def clear(self) -> None:
        """Discard all blocks."""
        while len(self):
            self.take(0)

    def _drop(self) -> None:
        with contextlib.suppress(Empty):  # taken in the meantime
            self.drops += self._queue.get_nowait() is not None
