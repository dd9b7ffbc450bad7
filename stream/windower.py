"""Regroups chunks of any size into whole hops, counted from the start of the stream or from its
last gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radd.types import HOP_SAMPLES, AudioChunk, Gap


@dataclass(frozen=True, slots=True)
class Hops:
    """What one chunk completed: possibly a gap, then n hops."""

    gap: Gap | None
    """audio lost before these hops; None if nothing was lost"""
    unjudged: int
    """samples before the gap that were too few for a hop and are dropped, 0 to HOP_SAMPLES - 1"""
    start: int
    """samples, start of the first hop"""
    samples: np.ndarray
    """float32 (n, HOP_SAMPLES), n >= 0"""
    damaged: int
    """how many of the hops, from the first one, may contain samples that were NaN or Inf"""


class Windower:
    """Regroups the chunks of one stream. No hop straddles a gap, and hops do not depend on chunk
    sizes.
    """

    def __init__(self, start: int = 0):
        """`start` is the sample at which the first chunk is expected."""
        self._pending = np.empty(HOP_SAMPLES, np.float32)
        self.pending = 0
        """samples of the incomplete hop, 0 to HOP_SAMPLES - 1"""
        self.end = start
        """samples since the source opened, received or lost"""
        self._damaged_until = 0

    def push(self, chunk: AudioChunk) -> Hops:
        """The hops that `chunk` completes, and the gap before it.

        A damaged chunk does not say which samples were damaged, so every hop that it touches counts
        as damaged. Raises ValueError for a chunk that begins before the end of the previous one,
        because sources number audio once.
        """
        if chunk.start < self.end:
            raise ValueError(f"chunk starts at sample {chunk.start}; expected {self.end} or later")
        gap, unjudged = None, 0
        if chunk.start > self.end:
            gap = Gap(self.end, chunk.start, chunk.cause or "unknown cause")
            unjudged, self.pending = self.pending, 0
        start = chunk.start - self.pending
        self.end = chunk.end
        if chunk.damaged:
            self._damaged_until = chunk.end
        samples = self._regroup(chunk.samples)
        damaged = -(-max(0, self._damaged_until - start) // HOP_SAMPLES)
        return Hops(gap, unjudged, start, samples, min(damaged, len(samples)))

    def _regroup(self, samples: np.ndarray) -> np.ndarray:
        available = self.pending + len(samples)
        whole = available - available % HOP_SAMPLES
        if not whole:
            self._pending[self.pending : available] = samples
            self.pending = available
            return np.empty((0, HOP_SAMPLES), np.float32)
        taken = whole - self.pending
        hops = np.concatenate((self._pending[: self.pending], samples[:taken])).reshape(
            -1, HOP_SAMPLES
        )
        self.pending = available - whole
        self._pending[: self.pending] = samples[taken:]
        return hops
