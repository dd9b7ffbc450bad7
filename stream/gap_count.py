"""Counts the gaps of a stream."""

from __future__ import annotations

from radd.types import Gap


class GapCount:
    """The number of gaps so far. A loss that is reported in adjoining parts is one gap."""

    def __init__(self) -> None:
        self.gaps = self.lost_samples = 0
        self._end = -1

    def snapshot(self) -> list[int]:
        """The counts, for restore() in another process."""
        return [self.gaps, self.lost_samples, self._end]

    def restore(self, snapshot: list[int]) -> None:
        """Go on from a snapshot."""
        self.gaps, self.lost_samples, self._end = snapshot

    def add(self, gap: Gap) -> None:
        """Count a gap; adjoining parts count as one."""
        self.gaps += gap.start != self._end
        self.lost_samples += gap.end - gap.start
        self._end = gap.end
