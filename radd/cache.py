"""The retrieval cache: what a block of sound gave, kept under its exact bytes."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")


class RetrievalCache(Generic[T]):
    """Least-recently-used results by block. The key is the sound itself, so a hit never changes a score.

    It lives as long as the index that it was filled from.
    """

    def __init__(self, capacity: int) -> None:
        """Keeps the results of at most `capacity` blocks; 0 keeps none."""
        self._capacity = capacity
        self._kept: OrderedDict[bytes, T] = OrderedDict()
        self.hits = self.misses = 0

    def get(self, block: np.ndarray, compute: Callable[[np.ndarray], T]) -> T:
        """The result for this very block, computed where it is not known."""
        key = hashlib.blake2b(block.tobytes(), digest_size=16).digest()
        if key in self._kept:
            self.hits += 1
            self._kept.move_to_end(key)
            return self._kept[key]
        self.misses += 1
        result = self._kept[key] = compute(block)
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        return result
