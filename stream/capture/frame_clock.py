"""Finds lost sound by comparing the frames received with the clock, since drivers lose frames
without a word.
"""

from __future__ import annotations

from typing import Generic, TypeVar

Block = TypeVar("Block")

DRIFT = 1e-3  # crystals differ by up to 2e-4; what grows faster is a loss
CONFIRM_S = 0.5


class FrameClock(Generic[Block]):
    """Tells how many frames were lost before a block, from the times at which the blocks of a
    stream arrived.

    How late a block is, compared with the earliest ones, is jitter where later blocks catch up, and
    a loss where none does for CONFIRM_S. Until that is known, late blocks are held back. Lateness
    up to the tolerance holds nothing, and clocks that drift apart by up to DRIFT never make a loss.
    """

    def __init__(self, rate_hz: int, tolerance_s: float):
        self.rate_hz, self.tolerance_s = rate_hz, tolerance_s
        self._lost = 0
        self._previous: float | None = None
        self._earliest = 0.0
        self._held: list[Block] = []
        self._held_since = self._least_late = 0.0

    def push(self, block: Block, received: int, arrived: float) -> list[tuple[Block, int]]:
        """Take the next block, with the frames received so far, it included, and the second in
        which it arrived.

        Returns the blocks that may go on, in order, each with the frames that were lost before it.
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
        """The blocks held back, of which no loss is known; for the end of a stream."""
        held, self._held = self._held, []
        return [(block, 0) for block in held]

    def _late(self, frames: int, arrived: float) -> float:
        """Seconds by which a block is later than the earliest ones, a mark that follows the
        drift.
        """
        offset_s = arrived - frames / self.rate_hz
        if self._previous is None:
            self._previous, self._earliest = arrived, offset_s
        self._earliest = min(self._earliest + DRIFT * (arrived - self._previous), offset_s)
        self._previous = arrived
        return offset_s - self._earliest
