"""Log-power spectra on a linear frequency axis, and the channel's trailing mean taken out of them.

Both are computed chunk by chunk with a small state, so that a chunk costs a chunk and a stream equals a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ

FFT_SAMPLES = 512
STEP_SAMPLES = 256  # 16 ms between spectra
BINS = FFT_SAMPLES // 2  # 31 Hz to 8 kHz; the constant component is left out
STEPS = HOP_SAMPLES // STEP_SAMPLES  # spectra in one hop
MEAN_S = 3.0  # time constant of the trailing mean
PAUSE_WEIGHT = 0.02  # of a spectrum without speech in that mean: what is heard before any speech needs some mean too
FLOOR = 1e-7  # power added to each bin: about the quantisation noise of 16 bits

_WINDOW = np.hanning(FFT_SAMPLES + 1)[:-1].astype(np.float32)
_DECAY = np.exp(-STEP_SAMPLES / SAMPLE_RATE_HZ / MEAN_S)


def _trailing(decay: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of n new items, (n, n), and of the state before them, (n, 1), in n exponentially decaying sums."""
    age = np.arange(n)[:, None] - np.arange(n)[None, :]
    return np.where(age >= 0, decay ** np.maximum(age, 0), 0.0), decay ** np.arange(1, n + 1)[:, None]


_NEW, _OLD = _trailing(_DECAY, STEPS)


@dataclass(slots=True)
class SpectrumState:
    """What one stream remembers of its spectra."""

    tail: np.ndarray = field(default_factory=lambda: np.zeros(FFT_SAMPLES - STEP_SAMPLES, np.float32))
    total: np.ndarray = field(default_factory=lambda: np.zeros(BINS))
    """decaying, speech-weighted sum of log spectra (BINS,)"""
    weight: float = 0.0
    """the same sum of the weights"""


def log_spectra(state: SpectrumState, samples: np.ndarray) -> np.ndarray:
    """Natural-log power spectra float32 (n, BINS) of samples float32 (n * STEP_SAMPLES,), one every 16 ms.

    Spectrum k sees the 512 samples that end with step k; before the stream's start there was silence.
    """
    joined = np.concatenate([state.tail, samples])
    state.tail = joined[len(joined) - len(state.tail) :].copy()
    frames = np.lib.stride_tricks.sliding_window_view(joined, FFT_SAMPLES)[::STEP_SAMPLES]
    spectrum = np.fft.rfft(frames * _WINDOW, axis=1)[:, 1:]
    return np.log(spectrum.real**2 + spectrum.imag**2 + np.float32(FLOOR)).astype(np.float32)


def remove_channel(state: SpectrumState, spectra: np.ndarray, speech: np.ndarray) -> np.ndarray:
    """Log spectra less their trailing mean over speech, float32 (n, BINS); n a multiple of STEPS.

    `speech`, (n,), is the probability of speech at each spectrum. A linear channel is a constant in the log spectrum,
    so this is cepstral mean normalisation (Atal 1974) with a memory of MEAN_S.
    """
    out = np.empty_like(spectra)
    weights = PAUSE_WEIGHT + (1 - PAUSE_WEIGHT) * speech.astype(np.float64)
    for begin in range(0, len(spectra), STEPS):
        now = slice(begin, begin + STEPS)
        w = weights[now, None]
        total = _NEW @ (w * spectra[now]) + _OLD * state.total
        weight = _NEW @ w + _OLD * state.weight
        out[now] = spectra[now] - total / weight
        state.total, state.weight = total[-1], float(weight[-1, 0])
    return out
