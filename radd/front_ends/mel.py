"""Mel spectra as in librosa (McFee et al. 2015), in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from radd.errors import ModelError
from radd.types import SAMPLE_RATE_HZ

_LINEAR_HZ, _LOG_FROM_HZ, _LOG_STEP = (
    200 / 3,
    1000.0,
    np.log(6.4) / 27,
)  # Slaney's scale: linear below, logarithmic above
FLOOR = 1e-10  # power


def powers(samples: np.ndarray, fft_samples: int, step_samples: int) -> np.ndarray:
    """Power spectra float32 (fft_samples / 2 + 1, 1 + n / step_samples) of float32 (n,), centred
    frames.
    """
    padded = np.pad(samples, fft_samples // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, fft_samples)[::step_samples]
    spectrum = np.fft.rfft(frames * _hann(fft_samples), axis=1).T
    return spectrum.real**2 + spectrum.imag**2


@lru_cache
def _hann(n: int) -> np.ndarray:
    return np.hanning(n + 1)[:-1].astype(np.float32)


@lru_cache
def mel_filters(bands: int, fft_samples: int) -> np.ndarray:
    """Weights float32 (bands, fft_samples / 2 + 1) of triangles of equal area from 0 to 8 kHz
    (Slaney 1998).
    """
    top = _LOG_FROM_HZ / _LINEAR_HZ + np.log(SAMPLE_RATE_HZ / 2 / _LOG_FROM_HZ) / _LOG_STEP
    mels = np.linspace(0, top, bands + 2)
    above = _LOG_FROM_HZ * np.exp(_LOG_STEP * (mels - _LOG_FROM_HZ / _LINEAR_HZ))
    edges_hz = np.where(mels < _LOG_FROM_HZ / _LINEAR_HZ, _LINEAR_HZ * mels, above)
    bins_hz = np.arange(fft_samples // 2 + 1) * SAMPLE_RATE_HZ / fft_samples
    rise = (bins_hz - edges_hz[:-2, None]) / np.diff(edges_hz)[:-1, None]
    fall = (edges_hz[2:, None] - bins_hz) / np.diff(edges_hz)[1:, None]
    area = 2 / (edges_hz[2:] - edges_hz[:-2])
    return (np.maximum(0, np.minimum(rise, fall)) * area[:, None]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class LogMel:
    """Natural-log mel power as a one-channel image (1, bands, time), minus its mean, so that
    loudness has no effect.
    """

    bands: int = 128
    fft_samples: int = 1024
    step_samples: int = 256

    def shape(self, samples: int) -> tuple[int, ...]:
        if min(self.bands, self.step_samples) < 1 or self.fft_samples < 2 * self.bands:
            raise ModelError(
                f"{self.bands} mel bands of {self.fft_samples} samples every {self.step_samples}: "
                "expected at least two samples per band"
            )
        return 1, self.bands, 1 + samples // self.step_samples

    def rows(self, window: np.ndarray) -> np.ndarray:
        mel = mel_filters(self.bands, self.fft_samples) @ powers(
            window, self.fft_samples, self.step_samples
        )
        log = np.log(mel + np.float32(FLOOR))
        return (log - log.mean())[None, None]
