"""A telephone line: 300-3400 Hz at 8 kHz through a line code."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from radd.types import SAMPLE_RATE_HZ

EDGES_HZ = (200, 300, 3400, 3800)
MU, A = 255.0, 87.6


def telephone(sound: np.ndarray, code: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Audio float32 (n,) at 16 kHz through a band-pass, 8 kHz and `code` of samples within +-1, and
    back to (n,).
    """
    n = len(sound) + len(sound) % 2
    spectrum = np.fft.rfft(sound, n)
    spectrum *= np.interp(np.fft.rfftfreq(n, 1 / SAMPLE_RATE_HZ), EDGES_HZ, (0, 1, 1, 0), 0, 0)
    narrow = np.fft.irfft(spectrum[: n // 4 + 1], n // 2) / 2
    coded = np.fft.rfft(code(np.clip(narrow, -1, 1)))
    wide = np.fft.irfft(np.pad(coded, (0, n // 2 + 1 - len(coded))), n) * 2
    return wide[: len(sound)].astype(np.float32)


def mu_law(samples: np.ndarray) -> np.ndarray:
    """Samples within +-1 after ITU-T G.711 mu-law, by its continuous formula."""
    compressed = np.sign(samples) * np.log1p(MU * np.abs(samples)) / math.log1p(MU)
    coded = np.round(compressed * 127) / 127
    return np.sign(coded) * np.expm1(np.abs(coded) * math.log1p(MU)) / MU


def a_law(samples: np.ndarray) -> np.ndarray:
    """Samples within +-1 after ITU-T G.711 A-law, by its continuous formula."""
    size, bend = np.abs(samples), 1 + math.log(A)
    compressed = np.where(size < 1 / A, A * size, 1 + np.log(np.maximum(A * size, 1))) / bend
    coded = (np.floor(compressed * 127.999) + 0.5) / 128
    expanded = np.where(coded < 1 / bend, coded * bend / A, np.exp(coded * bend - 1) / A)
    return np.sign(samples) * expanded
