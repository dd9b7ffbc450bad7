"""Channel conditions: lines, codecs, noise and rooms, each fixed so that results are comparable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from evaluation.telephone import a_law, mu_law, telephone
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ, AudioChunk

NOISE_SNR_DB = 10.0
NOISE_CORNER_HZ = 500.0
ROOM_T60_S = 0.5
ROOM_DELAY_S = 0.005
QUIETER_DB = 30.0
# levels of libsndfile: 6 to 256 kbit/s for Opus, 8 to 160 for MP3 at 16 kHz, 1 being the least
OPUS_16_KBPS = 0.96
MP3_40_KBPS = 120 / 152  # with less, a frame has no room for the encoder's delay

Effect = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def through(condition: str, sound: np.ndarray, name: str) -> np.ndarray:
    """Audio float32 (n,) at 16 kHz after one of CONDITIONS, float32 (n,), aligned with its input.

    Random parts are derived from the name of the clip: the same clip always sounds the same.
    """
    return CONDITIONS[condition](sound, np.random.default_rng(list(name.encode()))).astype(
        np.float32
    )


@dataclass(frozen=True, slots=True)
class ChannelCondition:
    """The part of a clip that is used, and its condition."""

    condition: str = "clean"
    """one of CONDITIONS"""
    seconds: float | None = None
    """length of the beginning that is used, cut before the condition; None for all"""

    def of(self, blocks: Iterator[np.ndarray], name: str) -> Iterator[np.ndarray]:
        """The audio of a clip in blocks float32 (n,) at 16 kHz; it passes a condition in one
        piece.
        """
        if self.seconds is not None:
            blocks = _first(blocks, max(1, round(self.seconds * SAMPLE_RATE_HZ)))
        if self.condition == "clean":
            return blocks
        sound = through(self.condition, np.concatenate([*blocks]), name)
        return iter(np.split(sound, range(HOP_SAMPLES, len(sound), HOP_SAMPLES)))

    def parts(self, chunks: Iterable[AudioChunk], name: str) -> Iterator[Iterator[np.ndarray]]:
        """The audio of a clip as in of(), split where the file has losses. Under a condition, or
        with only the beginning, the parts are joined.

        Each part must be read before the next is requested.
        """
        if self == ChannelCondition():
            return (map(_samples, part) for _, part in groupby(chunks, _PartNumber()))
        return iter([self.of(map(_samples, chunks), name)])

    def __str__(self) -> str:
        return f"condition {self.condition}" + (
            "" if self.seconds is None else f", first {self.seconds:g} s"
        )


class _PartNumber:
    """Counts the losses before the chunks passed in order."""

    def __init__(self) -> None:
        self._number, self._end = 0, 0

    def __call__(self, chunk: AudioChunk) -> int:
        self._number += chunk.start > self._end
        self._end = chunk.end
        return self._number


def _samples(chunk: AudioChunk) -> np.ndarray:
    return chunk.samples


def _first(blocks: Iterator[np.ndarray], n: int) -> Iterator[np.ndarray]:
    for block in blocks:
        yield block[:n]
        n -= len(block)
        if n <= 0:
            return


def gsm(narrow: np.ndarray) -> np.ndarray:
    """Samples at 8 kHz after GSM full rate (ETSI 06.10)."""
    return _coded(narrow, 8000, "WAV", "GSM610")


def noise(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Steady noise with the long-term spectrum of speech, 10 dB below the clip's mean power.

    Flat to 500 Hz and falling by 9 dB per octave, close to the average of twelve languages (Byrne
    et al. 1994).
    """
    n = len(sound)
    shape = (1 + (np.fft.rfftfreq(n, 1 / SAMPLE_RATE_HZ) / NOISE_CORNER_HZ) ** 2) ** -0.75
    hum = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * shape, n)
    return sound + hum * (_rms(sound) / _rms(hum) * 10 ** (-NOISE_SNR_DB / 20))


def room(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A room with 0.5 s reverberation time whose tail, decaying noise (Moorer 1979), is as strong
    as the direct sound.

    The clip keeps its mean power.
    """
    t = np.arange(round(ROOM_T60_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    response = rng.standard_normal(len(t)) * 10 ** (-3 * t / ROOM_T60_S) * (t >= ROOM_DELAY_S)
    response /= np.sqrt(np.sum(response**2))
    response[0] = 1.0
    size = len(sound) + len(t)
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size)[: len(sound)]
    return wet * (_rms(sound) / (_rms(wet) or 1.0))


def quieter(sound: np.ndarray) -> np.ndarray:
    """30 dB quieter, in 16-bit steps."""
    return np.round(sound * (32768 * 10 ** (-QUIETER_DB / 20))) / 32768


def _rms(sound: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


def _coded(
    sound: np.ndarray,
    rate_hz: int,
    form: str,
    subtype: str,
    level: float | None = None,
    constant: bool = False,
) -> np.ndarray:
    """Audio (n,) within +-1 after a codec; the last frame is truncated or padded to n."""
    from radd.files import (
        decoded,
        encoded,
    )  # metrics must not need an audio library

    pcm = np.clip(sound, -1, 1).astype(np.float32)
    coded = decoded(encoded(pcm, rate_hz, form, subtype, level, constant), "float32")[0][
        : len(sound), 0
    ]
    return np.pad(coded, (0, len(sound) - len(coded)))


CONDITIONS: dict[str, Effect] = {
    "clean": lambda sound, _: sound,
    "telephone-mulaw": lambda sound, _: telephone(sound, mu_law),
    "telephone-alaw": lambda sound, _: telephone(sound, a_law),
    "gsm": lambda sound, _: telephone(sound, gsm),
    "opus16": lambda sound, _: _coded(sound, SAMPLE_RATE_HZ, "OGG", "OPUS", OPUS_16_KBPS),
    "mp3-40": lambda sound, _: _coded(
        sound, SAMPLE_RATE_HZ, "MP3", "MPEG_LAYER_III", MP3_40_KBPS, constant=True
    ),
    "noise10": noise,
    "room": room,
    "level-30": lambda sound, _: quieter(sound),
}
# The gates of retraining use these conditions.
PROVED = {name: CONDITIONS[name] for name in ("telephone-mulaw", "noise10")}
