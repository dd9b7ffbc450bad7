"""A paused stream: its audio is dropped unheard, and reported as a gap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from radd.types import SAMPLE_RATE_HZ, AudioChunk

TOLD_EVERY_SAMPLES = SAMPLE_RATE_HZ  # so that whoever watches sees that the pause goes on


class Pause:
    """The pause of one stream, from the next chunk until `over` is set."""

    def __init__(self, cause: str):
        self.cause, self.over = cause, False
        self._told: int | None = None

    def applied(self, chunk: AudioChunk) -> AudioChunk | None:
        """What is heard of a chunk: all of it once the pause is over, until then no samples: an
        empty chunk that reports the loss, at most every second, or None.
        """
        if self.over:
            return replace(chunk, cause=self.cause)
        if self._told is not None and chunk.end - self._told < TOLD_EVERY_SAMPLES:
            return None
        self._told = chunk.end
        return AudioChunk(np.zeros(0, np.float32), chunk.end, self.cause, 0, chunk.arrived)
