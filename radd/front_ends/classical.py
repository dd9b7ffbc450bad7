"""The classical features: 26 numbers per frame, with mean and deviation over the window, as librosa
computes them.

librosa (McFee et al. 2015) defines them in training, see training/baselines/classical_features.py.
This is the same in numpy, so that detection does not need librosa.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from radd.front_ends.mel import FLOOR, mel_filters, powers
from radd.types import SAMPLE_RATE_HZ

FFT_SAMPLES, STEP_SAMPLES = 2048, 512
MEL_BANDS, CEPSTRA, TONES = 128, 20, 12
TOP_DB = 80.0  # range of the mel spectrum below its peak; lower values are clipped
ROLLOFF = 0.85  # share of the magnitudes below the roll-off frequency
_SILENT = 1e-10  # smaller samples have no sign
FRAME_FEATURES = (
    "chroma",
    "RMS",
    "spectral centroid",
    "spectral bandwidth",
    "spectral roll-off",
    "zero-crossing rate",
    *(f"MFCC {k}" for k in range(1, CEPSTRA + 1)),
)
NAMES = tuple(f"{name}, {of}" for of in ("mean", "deviation") for name in FRAME_FEATURES)


@dataclass(frozen=True, slots=True)
class Classical:
    """Mean and standard deviation over the window of the 26 FRAME_FEATURES: 52 numbers, in the
    order of NAMES.
    """

    def shape(self, samples: int) -> tuple[int, ...]:
        return (len(NAMES),)

    def rows(self, window: np.ndarray) -> np.ndarray:
        frames = frame_features(window)
        return np.concatenate([frames.mean(axis=1), frames.std(axis=1)]).astype(np.float32)[None]


def frame_features(samples: np.ndarray) -> np.ndarray:
    """FRAME_FEATURES, float64 (26, 1 + n / STEP_SAMPLES), of audio float32 (n,); frequencies in Hz,
    MFCC of decibels.
    """
    power = powers(samples, FFT_SAMPLES, STEP_SAMPLES).astype(np.float64)
    magnitude = np.sqrt(power)
    bins_hz = np.arange(FFT_SAMPLES // 2 + 1)[:, None] * SAMPLE_RATE_HZ / FFT_SAMPLES
    share = magnitude / np.maximum(magnitude.sum(axis=0), _tiny())
    centroid_hz = (share * bins_hz).sum(axis=0)
    bandwidth_hz = np.sqrt((share * (bins_hz - centroid_hz) ** 2).sum(axis=0))
    below = np.cumsum(magnitude, axis=0)
    rolloff_hz = bins_hz[np.argmax(below >= ROLLOFF * below[-1], axis=0), 0]
    padded = np.pad(samples, FFT_SAMPLES // 2).astype(np.float64)
    rms = np.sqrt(_frames(padded**2).mean(axis=1))
    return np.vstack(
        [
            _chroma(power),
            rms,
            centroid_hz,
            bandwidth_hz,
            rolloff_hz,
            _crossings(samples),
            _cepstra(power),
        ]
    )


def _tiny() -> float:
    return float(np.finfo(np.float32).tiny)


def _frames(padded: np.ndarray) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::STEP_SAMPLES]


def _crossings(samples: np.ndarray) -> np.ndarray:
    """Share of samples in each frame whose sign differs from the previous one; the edges are
    continued.
    """
    padded = np.pad(samples, FFT_SAMPLES // 2, mode="edge")
    negative = padded < -_SILENT
    changes = np.concatenate([[False], negative[1:] != negative[:-1]])
    return np.concatenate(
        [np.zeros((len(_frames(changes)), 1), bool), _frames(changes)[:, 1:]], axis=1
    ).mean(axis=1)


def _cepstra(power: np.ndarray) -> np.ndarray:
    """Mel-frequency cepstral coefficients (Davis and Mermelstein 1980), (CEPSTRA, time)."""
    decibels = 10 * np.log10(np.maximum(FLOOR, mel_filters(MEL_BANDS, FFT_SAMPLES) @ power))
    return _cosines() @ np.maximum(decibels, decibels.max() - TOP_DB)


@lru_cache
def _cosines() -> np.ndarray:
    """The orthonormal discrete cosine transform of MEL_BANDS numbers, its first CEPSTRA rows."""
    k, n = np.arange(CEPSTRA)[:, None], np.arange(MEL_BANDS)[None]
    rows = np.cos(np.pi * k * (2 * n + 1) / (2 * MEL_BANDS)) * np.sqrt(2 / MEL_BANDS)
    rows[0] /= np.sqrt(2)
    return rows


def _chroma(power: np.ndarray) -> np.ndarray:
    """Mean over the twelve tones relative to the strongest, at concert pitch: a measure of
    noisiness. (time,)
    """
    tones = _tones() @ power
    peak = tones.max(axis=0)
    return (tones / np.where(peak > _tiny(), peak, 1)).mean(axis=0)


@lru_cache
def _tones() -> np.ndarray:
    """Contribution of each bin to each of the twelve tones, (TONES, FFT_SAMPLES / 2 + 1) (Ellis
    2007).
    """
    bins_hz = np.linspace(0, SAMPLE_RATE_HZ, FFT_SAMPLES, endpoint=False)[1:]
    tone = TONES * np.log2(bins_hz / (440.0 / 16))
    tone = np.concatenate([[tone[0] - 1.5 * TONES], tone])
    widths = np.concatenate([np.maximum(np.diff(tone), 1.0), [1]])
    away = (
        np.remainder(tone - np.arange(TONES)[:, None] + TONES / 2 + 10 * TONES, TONES) - TONES / 2
    )
    weights = np.exp(-0.5 * (2 * away / widths) ** 2)
    weights /= np.sqrt((weights**2).sum(axis=0))
    weights *= np.exp(-0.5 * ((tone / TONES - 5) / 2) ** 2)
    return np.roll(weights, -3, axis=0)[:, : FFT_SAMPLES // 2 + 1]
