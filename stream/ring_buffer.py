"""The latest sound of a stream, in memory that never grows."""

from __future__ import annotations

import numpy as np


class RingBuffer:
    """The last `capacity` samples written, float32; memory is allocated once."""

    def __init__(self, capacity: int):
        if capacity < 1:
            raise ValueError(f"capacity is {capacity} samples; expected at least 1")
        self._buffer = np.zeros(capacity, np.float32)
        self.total = 0
        """samples written since the start or the last reset()"""

    @property
    def capacity(self) -> int:
        return len(self._buffer)

    def __len__(self) -> int:
        """Samples that last() can return now, 0 to capacity."""
        return min(self.total, self.capacity)

    def write(self, samples: np.ndarray) -> None:
        """Append float32 (n,), n from 0 to any length; the oldest samples give way."""
        self.total += len(samples)
        kept = samples[-self.capacity :]
        start = (self.total - len(kept)) % self.capacity
        head = min(len(kept), self.capacity - start)
        self._buffer[start : start + head] = kept[:head]
        self._buffer[: len(kept) - head] = kept[head:]

    def last(self, n: int) -> np.ndarray:
        """A copy of the last n samples, oldest first, float32 (min(n, total),).

        Raises ValueError for n outside 0 to capacity: older sound is gone.
        """
        if not 0 <= n <= self.capacity:
            raise ValueError(f"last({n}) of a ring buffer of {self.capacity} samples")
        n = min(n, self.total)
        start = (self.total - n) % self.capacity
        return np.concatenate((self._buffer[start : start + n], self._buffer[: max(0, start + n - self.capacity)]))

    def reset(self) -> None:
        """Forget everything."""
        self.total = 0
