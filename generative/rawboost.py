"""RawBoost (Tak et al. 2022, arXiv:2111.04433): disturbances of a raw waveform that need no
recorded noise.

Each takes samples float32 (n,) at 16 kHz and a Generator, and returns float32 (n,), aligned with
its input. A louder input gives the same output, louder: the paper's powers are computed at full
scale, so that the level of a recording does not affect its distortion. The ranges are the paper's.
"""

from __future__ import annotations

import numpy as np

from radd.types import SAMPLE_RATE_HZ

ORDERS = 5  # powers of the sound; the first is the linear part
NOTCHES = 5


def convolutive(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Linear and non-linear convolutive noise at the power of the input: sum over j of g_j (b_j *
    x^j).

    Each power of the signal passes its own multi-band filter, those from the second on 5 to 20 dB
    lower.
    """
    loudest = float(np.abs(samples).max(initial=0.0))
    if loudest == 0.0:
        return samples
    full_scale = samples / np.float32(loudest)
    out, power = multi_band(full_scale, rng), full_scale
    for _ in range(1, ORDERS):
        power = power * full_scale
        out = out + multi_band(power, rng) * np.float32(10 ** (-rng.uniform(5, 20) / 20))
    out -= out.mean()
    return (out * (np.linalg.norm(samples) / (np.linalg.norm(out) + 1e-12))).astype(np.float32)


def impulsive(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Impulsive signal-dependent noise: up to a tenth of the samples deviate by at most twice their
    own value.
    """
    out = samples.copy()
    where = rng.permutation(len(out))[: int(len(out) * rng.uniform(0, 0.1))]
    out[where] *= 1 + 2 * (rng.uniform(-1, 1, len(where)) * rng.uniform(-1, 1, len(where))).astype(
        np.float32
    )
    return out


def stationary(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stationary signal-independent noise through a multi-band filter, at 10 to 40 dB SNR."""
    noise = multi_band(rng.standard_normal(len(samples), np.float32), rng)
    snr_db = rng.uniform(10, 40)
    level = np.linalg.norm(samples) / (np.linalg.norm(noise) + 1e-12) / 10 ** (snr_db / 20)
    return (samples + level * noise).astype(np.float32)


def series(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Convolutive, then impulsive noise: the paper's best choice for telephone lines and codecs."""
    return impulsive(convolutive(samples, rng), rng)


def multi_band(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`samples` (n,) through NOTCHES band-stop filters in a row, without delay; the highest gain is
    1.
    """
    taps = np.ones(1)
    for _ in range(NOTCHES):
        centre_hz, width_hz, half = (
            rng.uniform(20, 8000),
            rng.uniform(100, 1000),
            int(rng.integers(5, 50)),
        )
        taps = np.convolve(
            taps, band_stop(centre_hz - width_hz / 2, centre_hz + width_hz / 2, half)
        )
    taps /= np.abs(np.fft.rfft(taps, 4096)).max()
    size = 1 << (len(samples) + len(taps)).bit_length()
    filtered = np.fft.irfft(
        np.fft.rfft(samples, size) * np.fft.rfft(taps.astype(np.float32), size), size
    )
    return filtered[len(taps) // 2 :][: len(samples)]


def band_stop(low_hz: float, high_hz: float, half: int) -> np.ndarray:
    """The taps (2 * half + 1,) of a band-stop filter by the window method, Hamming."""
    low, high = (np.clip(f, 0, SAMPLE_RATE_HZ / 2) * 2 / SAMPLE_RATE_HZ for f in (low_hz, high_hz))
    k = np.arange(-half, half + 1)
    return ((k == 0) - high * np.sinc(high * k) + low * np.sinc(low * k)) * np.hamming(len(k))
