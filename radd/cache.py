"""The retrieval cache: encoder and index results of an audio block, keyed by its exact bytes."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")


class RetrievalCache(Generic[T]):
    """Least-recently-used results by block. The key is the audio itself, so a hit never changes a
    score.

    A cache lives as long as the index that filled it.
    """

    def __init__(self, capacity: int) -> None:
        """Keep the results of at most `capacity` blocks; 0 keeps none."""
        self._capacity = capacity
        self._kept: OrderedDict[bytes, T] = OrderedDict()
        self.hits = self.misses = 0

    def get(
        self, blocks: Sequence[np.ndarray], compute: Callable[[list[np.ndarray]], Sequence[T]]
    ) -> list[T]:
        """Return the results for these blocks; `compute` is called with each unknown block once."""
        keys = [hashlib.blake2b(block.tobytes(), digest_size=16).digest() for block in blocks]
        found = {key: result for key in keys if (result := self._kept.get(key)) is not None}
        missing = {key: block for key, block in zip(keys, blocks, strict=True) if key not in found}
        self.misses += len(missing)
        self.hits += len(keys) - len(missing)
        if missing:
            found |= zip(missing, compute(list(missing.values())), strict=True)
        for key in keys:
            self._kept.pop(key, None)
            self._kept[key] = found[key]
        while len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        return [found[key] for key in keys]
