"""Converts audio of any rate and channel count to numbered chunks of mono 16 kHz. The only module
that imports soxr.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import soxr

from radd.channel_likeness import are_alike
from radd.errors import AudioError
from radd.types import SAMPLE_RATE_HZ, AudioChunk

LOWEST_RATE_HZ, HIGHEST_RATE_HZ, MOST_CHANNELS = 1_000, 1_536_000, 1_024
LOUDEST = (
    1e6  # a float file may contain 16-bit values, but 120 dB over full scale is always an error
)
# a mean this much quieter than its channels for this long has cancelled
CANCELLED_DB, CANCELLED_S = 20.0, 5.0
AUDIBLE = 1e-6  # mean square, -60 dBFS

log = logging.getLogger(__name__)


class Piece(NamedTuple):
    """Sound as a file holds it; its format may differ from that of the piece before."""

    frames: np.ndarray
    """float32 (n, channels), full scale +-1"""
    rate_hz: int
    lost_s: float = 0.0
    """seconds of sound that are missing before it"""
    cause: str | None = None
    """why they are; None where none is missing"""


class Converter:
    """State of one conversion: blocks of native frames in, AudioChunks out.

    Channels are averaged, or one is selected; the log says if they cancel each other. After n
    frames and a flush, exactly floor(n * 16000 / rate + 1/2) samples have been returned,
    independent of how the frames were grouped; mono 16 kHz passes bit for bit. Sample i is the
    sound i / 16000 s after the first frame: the filter delays when a sample is returned, but not
    its number.

    Raises AudioError for an impossible rate or channel count.
    """

    def __init__(
        self,
        rate_hz: int,
        channels: int,
        start: int = 0,
        cause: str | None = None,
        channel: int | None = None,
    ):
        """`cause` says why audio was lost before `start`; it is attached to the first chunk with
        samples.

        `channel` counts from 0; None averages all.
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
        self._channel = 0 if channels == 1 else channel
        self._mix = MixLevels(rate_hz)
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
        if self._channel is not None:
            mono = frames[:, self._channel]
        else:
            mono = frames.mean(axis=1)
            self._mix.heard(frames, mono)
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


class MixLevels:
    """Whether the mean of some channels may hide what is in one of them: they cancel each other, or
    they differ, as two speakers do, or a clean channel and a noisy one. Said once.
    """

    def __init__(self, rate_hz: int):
        self._wait, self._said = round(CANCELLED_S * rate_hz), False
        self._frames, self._mixed, self._apart = 0, 0.0, 0.0
        self._product: np.ndarray | None = None

    def heard(self, frames: np.ndarray, mono: np.ndarray) -> None:
        """Frames (n, channels) and their mean (n,)."""
        if self._said:
            return
        wide = frames.astype(np.float64)
        product = wide.T @ wide
        self._product = product if self._product is None else self._product + product
        self._frames += len(frames)
        self._apart += float(product.trace() / len(product))
        self._mixed += float(np.square(mono, dtype=np.float64).sum())
        if self._frames < self._wait:
            return
        is_audible = self._apart > AUDIBLE * self._frames
        cancels = self._mixed * 10 ** (CANCELLED_DB / 10) < self._apart
        self._frames, self._mixed, self._apart = 0, 0.0, 0.0
        if is_audible:
            self._tell(cancels)

    def _tell(self, cancels: bool) -> None:
        assert self._product is not None
        if cancels:
            log.warning(
                "the channels cancel each other: their mean is at least %.0f dB fainter than they "
                "are; judge one of them with --use-channel left",
                CANCELLED_DB,
            )
        elif not are_alike(self._product):
            log.warning(
                "the channels differ, and their mean is judged: what one of them holds may be "
                "hidden by the others; judge them apart with --use-channel split, or one with left "
                "or right"
            )
        self._said = cancels or not are_alike(self._product)


class SplitConverter:
    """A Converter that keeps the channels apart: the samples of its chunks are float32
    (n, channels).
    """

    def __init__(self, rate_hz: int, channels: int, start: int = 0, cause: str | None = None):
        self._each = [Converter(rate_hz, 1, start, cause) for _ in range(channels)]

    @property
    def end(self) -> int:
        """As Converter has it."""
        return self._each[0].end

    def push(self, frames: np.ndarray, arrived: float | None = None) -> AudioChunk:
        """As Converter has it, for every channel."""
        return _side_by_side(
            [one.push(frames[:, k : k + 1], arrived) for k, one in enumerate(self._each)]
        )

    def flush(self, arrived: float | None = None) -> AudioChunk:
        """As Converter has it, for every channel."""
        return _side_by_side([one.flush(arrived) for one in self._each])


def _side_by_side(chunks: list[AudioChunk]) -> AudioChunk:
    samples = np.stack([chunk.samples for chunk in chunks], axis=1)
    return replace(chunks[0], samples=samples, damaged=max(chunk.damaged for chunk in chunks))


class PieceConverter:
    """Pieces of any format in, AudioChunks out: one Converter for each format and each part between
    two losses.
    """

    def __init__(self, channel: int | None = None):
        """`channel` counts from 0; None averages all; a piece of one channel has only that."""
        self._channel, self._format = channel, (0, 0)
        self._converter: Converter | None = None
        self.end = 0
        """samples, where the next chunk starts"""

    def push(self, piece: Piece, arrived: float | None = None) -> list[AudioChunk]:
        """The chunks that a piece brings, those with samples."""
        chunks: list[AudioChunk] = []
        form, converter = (piece.rate_hz, piece.frames.shape[1]), self._converter
        if converter is None or piece.lost_s or form != self._format:
            chunks += self.flush(arrived)
            start = self.end + round(piece.lost_s * SAMPLE_RATE_HZ)
            channel = None if self._channel is None else min(self._channel, form[1] - 1)
            self._converter = converter = Converter(*form, start, piece.cause, channel)
            self._format = form
        return chunks + self._kept(converter.push(piece.frames, arrived))

    def flush(self, arrived: float | None = None) -> list[AudioChunk]:
        """What the filter still holds; a piece that follows begins a new conversion."""
        if self._converter is None:
            return []
        last, self._converter = self._converter.flush(arrived), None
        return self._kept(last)

    def _kept(self, chunk: AudioChunk) -> list[AudioChunk]:
        self.end = max(self.end, chunk.end) if len(chunk.samples) else self.end
        return [chunk] if len(chunk.samples) else []


def convert(pieces: Iterable[Piece], channel: int | None = None) -> Iterator[AudioChunk]:
    """All chunks of the pieces of one track; `channel` as PieceConverter has it."""
    converter = PieceConverter(channel)
    for piece in pieces:
        yield from converter.push(piece)
    yield from converter.flush()


def resample(samples: np.ndarray, from_hz: int, to_hz: int, quality: str = "HQ") -> np.ndarray:
    """Resample a whole recording float32 (n,); quality LQ, MQ or HQ, as a poor or a good converter
    would.
    """
    return soxr.resample(samples, from_hz, to_hz, quality)
