"""Detects lost audio by comparing the received frames with the clock, because drivers lose frames
silently.
"""

from __future__ import annotations

from typing import Generic, TypeVar

Block = TypeVar("Block")

DRIFT = 1e-3  # crystals differ by up to 2e-4; a difference that grows faster is a loss
CONFIRM_S = 0.5  # late callbacks catch up within this time; lost frames never do


class FrameClock(Generic[Block]):
    """Determines how many frames were lost before a block, from the arrival times of a stream's
    blocks.

    A block that is late compared with the earliest ones is jitter if later blocks catch up, and a
    loss if none does within CONFIRM_S. Until that is decided, late blocks are held back. Lateness
    up to the tolerance holds nothing back, and clocks that drift apart by up to DRIFT never cause a
    loss.
    """

    def __init__(self, rate_hz: int, tolerance_s: float):
        self.rate_hz, self.tolerance_s = rate_hz, tolerance_s
        self._lost = 0
        self._previous: float | None = None
        self._earliest = 0.0
        self._held: list[Block] = []
        self._held_since = self._least_late = 0.0

    def push(self, block: Block, received: int, arrived: float) -> list[tuple[Block, int]]:
        """Add the next block; `received` is the number of frames so far, including it, and
        `arrived` is in seconds.

        Returns the blocks that may pass, in order, each with the number of frames lost before it.
        """
        late_s = self._late(received + self._lost, arrived)
        if late_s <= self.tolerance_s:
            return [*self.release(), (block, 0)]
        if not self._held:
            self._held_since, self._least_late = arrived, late_s
        self._held.append(block)
        self._least_late = min(self._least_late, late_s)
        if arrived - self._held_since < CONFIRM_S:
            return []
        lost = round(self._least_late * self.rate_hz)
        self._lost += lost
        (first, _), *others = self.release()
        return [(first, lost), *others]

    def release(self) -> list[tuple[Block, int]]:
        """The blocks held back, without a confirmed loss; for the end of a stream."""
        held, self._held = self._held, []
        return [(block, 0) for block in held]

    def _late(self, frames: int, arrived: float) -> float:
        """Seconds by which a block is later than the earliest ones, a reference that follows the
        drift.
        """
        offset_s = arrived - frames / self.rate_hz
        if self._previous is None:
            self._previous, self._earliest = arrived, offset_s
        self._earliest = min(self._earliest + DRIFT * (arrived - self._previous), offset_s)
        self._previous = arrived
        return offset_s - self._earliest
