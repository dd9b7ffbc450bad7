"""A paused stream: its audio is dropped unheard, and reported as a gap."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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


class Pauses:
    """The pauses of one stream, one at a time."""

    def __init__(self) -> None:
        self._pause: Pause | None = None

    def begin(self, by: str) -> None:
        """Pause from the next chunk on; `by` names who wants it. A pause that lasts goes on."""
        self._pause = self._pause or Pause(f"paused by {by}")

    def end(self) -> None:
        """Go on with the next chunk."""
        if self._pause is not None:
            self._pause.over = True

    def applied(self, chunk: AudioChunk) -> AudioChunk | None:
        """What may be judged of a chunk; None if there is nothing to report of it."""
        if self._pause is None:
            return chunk
        pause = self._pause
        self._pause = None if pause.over else pause
        return pause.applied(chunk)

    def snapshot(self) -> dict[str, Any] | None:
        """The pause that lasts, for restore() in another process; JSON can hold it."""
        if self._pause is None:
            return None
        return {"cause": self._pause.cause, "over": self._pause.over}

    def restore(self, snapshot: dict[str, Any] | None) -> None:
        """Go on from a snapshot."""
        if snapshot is not None:
            self._pause = Pause(snapshot["cause"])
            self._pause.over = snapshot["over"]
