"""The latest audio of a stream, in memory that never exceeds its capacity."""

from __future__ import annotations

import numpy as np


class RingBuffer:
    """The last `capacity` samples written, float32, or as many of them as hold() requests."""

    def __init__(self, capacity: int):
        if capacity < 1:
            raise ValueError(f"capacity is {capacity} samples; expected at least 1")
        self.capacity = self._most = capacity
        self._buffer = np.zeros(1, np.float32)  # grows with what is written, up to _most
        self.total = 0
        """samples written since the start or the last reset()"""
        self._kept = 0

    def __len__(self) -> int:
        """Samples that last() can return now, 0 to capacity."""
        return self._kept

    def write(self, samples: np.ndarray) -> None:
        """Append float32 (n,), n >= 0; the oldest samples are overwritten."""
        needed = min(self._kept + len(samples), self._most)
        if needed > len(self._buffer):
            self._resize(min(max(needed, 2 * len(self._buffer)), self._most))
        self._put(samples)

    def last(self, n: int) -> np.ndarray:
        """A copy of the last n samples, oldest first, float32 (min(n, len(self)),).

        Raises ValueError for n outside 0 to capacity.
        """
        if not 0 <= n <= self.capacity:
            raise ValueError(f"last({n}) of a ring buffer of {self.capacity} samples")
        n, size = min(n, self._kept), len(self._buffer)
        start = (self.total - n) % size
        return np.concatenate(
            (self._buffer[start : start + n], self._buffer[: max(0, start + n - size)])
        )

    def hold(self, n: int) -> None:
        """From now on keep at least the last n samples, at most `capacity`, and few more."""
        n = min(max(n, 1), self.capacity)
        if n <= self._most <= 2 * n:
            return
        self._most = min(n + n // 2, self.capacity)
        if len(self._buffer) > self._most:
            self._resize(self._most)

    def reset(self) -> None:
        """Forget everything."""
        self.total = self._kept = 0

    def _put(self, samples: np.ndarray) -> None:
        self.total += len(samples)
        size = len(self._buffer)
        kept = samples[-size:]
        start = (self.total - len(kept)) % size
        head = min(len(kept), size - start)
        self._buffer[start : start + head] = kept[:head]
        self._buffer[: len(kept) - head] = kept[head:]
        self._kept = min(self._kept + len(samples), size)

    def _resize(self, size: int) -> None:
        """Change the memory in use; the latest samples stay."""
        kept = self.last(min(size, self._kept))
        self._buffer = np.zeros(size, np.float32)
        self.total, self._kept = self.total - len(kept), 0
        self._put(kept)
