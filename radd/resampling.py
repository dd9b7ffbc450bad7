"""Sound of any rate and channel count -> numbered chunks of mono 16 kHz; the one door of soxr."""

from __future__ import annotations

import numpy as np
import soxr

from radd.errors import AudioError
from radd.types import SAMPLE_RATE_HZ, AudioChunk

LOWEST_RATE_HZ, HIGHEST_RATE_HZ, MOST_CHANNELS = 1_000, 1_536_000, 1_024
LOUDEST = (
    1e6  # a float file may hold 16-bit values, but nothing in earnest is 120 dB over full scale
)


class Converter:
    """The memory of one conversion: blocks of native frames in, AudioChunks out.

    Channels are averaged. After n frames and a flush, exactly floor(n * 16000 / rate + 1/2) samples
    have come out, the same ones however the frames were grouped; mono 16 kHz passes bit for bit.
    Sample i is the sound i / 16000 s after the first frame: the filter's delay shows in when a
    sample comes out, never in its number.

    Raises AudioError for a rate or channel count that is no sound.
    """

    def __init__(self, rate_hz: int, channels: int, start: int = 0, cause: str | None = None):
        """`cause` says why sound was lost before `start`; the first chunk with samples bears it."""
        if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ or not 1 <= channels <= MOST_CHANNELS:
            raise AudioError(
                f"sound of {rate_hz} Hz and {channels} channels: expected {LOWEST_RATE_HZ} to "
                f"{HIGHEST_RATE_HZ} Hz and 1 to {MOST_CHANNELS} channels; convert it first"
            )
        self.rate_hz, self.channels = rate_hz, channels
        self.end = start
        """samples, where the next chunk starts"""
        self._cause, self._damaged = cause, 0
        same = rate_hz == SAMPLE_RATE_HZ
        self._stream = (
            None if same else soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32")
        )

    def push(self, frames: np.ndarray, arrived: float | None = None) -> AudioChunk:
        """Convert float32 (n, channels); the chunk may hold no samples yet.

        A frame with NaN, Inf or a value beyond 1e6 has zero there and counts as damaged, at the
        native rate.
        """
        bad = ~(np.abs(frames) < LOUDEST)
        if bad.any():
            self._damaged += int(bad.any(axis=1).sum())
            frames = np.where(bad, np.float32(0), frames)
        mono = frames[:, 0] if self.channels == 1 else frames.mean(axis=1)
        return self._chunk(np.ascontiguousarray(mono, np.float32), False, arrived)

    def flush(self, arrived: float | None = None) -> AudioChunk:
        """What the filter still holds; nothing may be pushed after it."""
        return self._chunk(np.zeros(0, np.float32), True, arrived)

    def _chunk(self, mono: np.ndarray, last: bool, arrived: float | None) -> AudioChunk:
        samples = mono if self._stream is None else self._stream.resample_chunk(mono, last)
        if not len(samples):
            return AudioChunk(samples, self.end, None, 0, arrived)
        chunk = AudioChunk(samples, self.end, self._cause, self._damaged, arrived)
        self._cause, self._damaged, self.end = None, 0, chunk.end
        return chunk


def resample(samples: np.ndarray, from_hz: int, to_hz: int, quality: str = "HQ") -> np.ndarray:
    """A whole recording float32 (n,) at another rate; quality LQ, MQ or HQ, as a poor or a good
    converter would.
    """
    return soxr.resample(samples, from_hz, to_hz, quality)
