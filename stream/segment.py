"""Splits a stream into segments of equal length for taps that examine some of them."""

from __future__ import annotations

import numpy as np

from radd.types import HOP_SAMPLES, AudioChunk, Score


class CurrentSegment:
    """The current segment of a stream; after a gap a new one begins."""

    def __init__(self, hops: int):
        self.hops = hops
        self._heard = np.zeros(0, np.float32)
        self._begin(0, self._heard)

    def hear(self, chunk: AudioChunk) -> bool:
        """Add audio; returns whether a segment began because of a gap before it."""
        gap = chunk.start > self.start + len(self._heard)
        if gap:
            self._begin(chunk.start, self._heard[:0])
        self._heard = np.concatenate((self._heard, chunk.samples))
        return gap

    def judge(self, score: Score) -> None:
        """Add the score of a hop; scores of audio before the segment are ignored."""
        if score.end > self.start:
            self.scores.append(score)

    @property
    def is_whole(self) -> bool:
        """Whether every hop has its score."""
        return len(self.scores) == self.hops

    @property
    def samples(self) -> np.ndarray:
        """A copy of its audio so far, float32 (at most hops * HOP_SAMPLES,)."""
        return self._heard[: self.hops * HOP_SAMPLES].copy()

    def end(self) -> None:
        """Begin the next segment at the end of this one."""
        length = self.hops * HOP_SAMPLES
        self._begin(self.start + length, self._heard[length:])

    def _begin(self, start: int, heard: np.ndarray) -> None:
        self.start = start
        self._heard = heard
        self.scores: list[Score] = []
