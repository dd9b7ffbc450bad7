"""Converts audio of any rate and channel count to numbered chunks of mono 16 kHz. The only module
that imports soxr.
"""

from __future__ import annotations

import numpy as np
import soxr

from radd.errors import AudioError
from radd.types import SAMPLE_RATE_HZ, AudioChunk

LOWEST_RATE_HZ, HIGHEST_RATE_HZ, MOST_CHANNELS = 1_000, 1_536_000, 1_024
LOUDEST = (
    1e6  # a float file may contain 16-bit values, but 120 dB over full scale is always an error
)


class Converter:
    """State of one conversion: blocks of native frames in, AudioChunks out.

    Channels are averaged. After n frames and a flush, exactly floor(n * 16000 / rate + 1/2) samples
    have been returned, independent of how the frames were grouped; mono 16 kHz passes bit for bit.
    Sample i is the sound i / 16000 s after the first frame: the filter delays when a sample is
    returned, but not its number.

    Raises AudioError for an impossible rate or channel count.
    """

    def __init__(self, rate_hz: int, channels: int, start: int = 0, cause: str | None = None):
        """`cause` says why audio was lost before `start`; it is attached to the first chunk with
        samples.
        """
        if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ or not 1 <= channels <= MOST_CHANNELS:
            raise AudioError(
                f"audio with {rate_hz} Hz and {channels} channels: expected {LOWEST_RATE_HZ} to "
                f"{HIGHEST_RATE_HZ} Hz and 1 to {MOST_CHANNELS} channels; convert it first"
            )
        self.rate_hz, self.channels = rate_hz, channels
        self.end = start
        """in samples, start of the next chunk"""
        self._cause, self._damaged = cause, 0
        same = rate_hz == SAMPLE_RATE_HZ
        self._stream = (
            None if same else soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32")
        )

    def push(self, frames: np.ndarray, arrived: float | None = None) -> AudioChunk:
        """Convert float32 (n, channels); the chunk may still be empty.

        A frame with NaN, Inf or a value beyond 1e6 is set to zero and counts as damaged, at the
        native rate.
        """
        bad = ~(np.abs(frames) < LOUDEST)
        if bad.any():
            self._damaged += int(bad.any(axis=1).sum())
            frames = np.where(bad, np.float32(0), frames)
        mono = frames[:, 0] if self.channels == 1 else frames.mean(axis=1)
        return self._chunk(np.ascontiguousarray(mono, np.float32), False, arrived)

    def flush(self, arrived: float | None = None) -> AudioChunk:
        """What the filter still holds; nothing may be pushed afterwards."""
        return self._chunk(np.zeros(0, np.float32), True, arrived)

    def _chunk(self, mono: np.ndarray, last: bool, arrived: float | None) -> AudioChunk:
        samples = mono if self._stream is None else self._stream.resample_chunk(mono, last)
        if not len(samples):
            return AudioChunk(samples, self.end, None, 0, arrived)
        chunk = AudioChunk(samples, self.end, self._cause, self._damaged, arrived)
        self._cause, self._damaged, self.end = None, 0, chunk.end
        return chunk


def resample(samples: np.ndarray, from_hz: int, to_hz: int, quality: str = "HQ") -> np.ndarray:
    """Resample a whole recording float32 (n,); quality LQ, MQ or HQ, as a poor or a good converter
    would.
    """
    return soxr.resample(samples, from_hz, to_hz, quality)
