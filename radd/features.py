"""Log-power spectra on a linear frequency axis, and removal of the channel as their trailing mean.

Both are computed chunk by chunk with a small state: the cost depends on the chunk only, and a
stream equals a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ

FFT_SAMPLES = 512
STEP_SAMPLES = 256  # 16 ms between spectra
BINS = FFT_SAMPLES // 2  # 31 Hz to 8 kHz; the constant component is left out
STEPS = HOP_SAMPLES // STEP_SAMPLES  # spectra in one hop
MEAN_S = 3.0  # time constant of the trailing mean
# weight in that mean of a spectrum without speech: the mean must be defined before any speech
PAUSE_WEIGHT = 0.02
FLOOR = 1e-7  # power added to each bin: about the quantisation noise of 16 bits

_WINDOW = np.hanning(FFT_SAMPLES + 1)[:-1].astype(np.float32)
_DECAY = np.exp(-STEP_SAMPLES / SAMPLE_RATE_HZ / MEAN_S)


def _trailing(decay: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of n new items, (n, n), and of the previous state, (n, 1), in n exponentially
    decaying sums.
    """
    age = np.arange(n)[:, None] - np.arange(n)[None, :]
    return np.where(age >= 0, decay ** np.maximum(age, 0), 0.0), decay ** np.arange(1, n + 1)[
        :, None
    ]


_NEW, _OLD = _trailing(_DECAY, STEPS)


@dataclass(slots=True)
class SpectrumState:
    """Spectrum state of one stream; several streams add a leading axis."""

    tail: np.ndarray = field(
        default_factory=lambda: np.zeros(FFT_SAMPLES - STEP_SAMPLES, np.float32)
    )
    total: np.ndarray = field(default_factory=lambda: np.zeros(BINS))
    """decaying, speech-weighted sum of log spectra (..., BINS)"""
    weight: np.ndarray = field(default_factory=lambda: np.zeros(()))
    """the same sum of the weights (...)"""

    @classmethod
    def fresh(cls, shape: tuple[int, ...]) -> SpectrumState:
        """Initial states of new streams, with the given leading axes."""
        return cls(
            np.zeros((*shape, FFT_SAMPLES - STEP_SAMPLES), np.float32),
            np.zeros((*shape, BINS)),
            np.zeros(shape),
        )

    @classmethod
    def together(cls, states: Sequence[SpectrumState]) -> SpectrumState:
        """Join the states of several streams along a leading axis."""
        return cls(
            *(np.stack([getattr(state, name) for state in states]) for name in cls.__slots__)
        )

    def row(self, k: int) -> SpectrumState:
        """The state of stream `k` of several."""
        return SpectrumState(self.tail[k].copy(), self.total[k].copy(), self.weight[k].copy())


def log_spectra(state: SpectrumState, samples: np.ndarray) -> np.ndarray:
    """Natural-log power spectra float32 (..., n, BINS) of samples float32 (..., n * STEP_SAMPLES),
    one every 16 ms.

    Spectrum k covers the 512 samples that end with step k; before the start of the stream there was
    silence. Leading axes are streams, as in the state.
    """
    joined = np.concatenate([state.tail, samples], axis=-1)
    state.tail = joined[..., -state.tail.shape[-1] :].copy()
    halves = joined.reshape(*joined.shape[:-1], -1, STEP_SAMPLES)
    frames = np.concatenate([halves[..., :-1, :], halves[..., 1:, :]], axis=-1)
    spectrum = np.fft.rfft(frames * _WINDOW)[..., 1:]
    return np.log(spectrum.real**2 + spectrum.imag**2 + np.float32(FLOOR)).astype(np.float32)


def remove_channel(state: SpectrumState, spectra: np.ndarray, speech: np.ndarray) -> np.ndarray:
    """Log spectra minus their trailing mean over speech, float32 (..., n, BINS); n a multiple of
    STEPS.

    `speech`, (..., n), is the speech probability at each spectrum. A linear channel is a constant
    in the log spectrum, so this is cepstral mean normalisation (Atal 1974) with a memory of MEAN_S.
    """
    out = np.empty_like(spectra)
    weights = PAUSE_WEIGHT + (1 - PAUSE_WEIGHT) * speech.astype(np.float64)[..., None]
    for begin in range(0, spectra.shape[-2], STEPS):
        now = slice(begin, begin + STEPS)
        w = weights[..., now, :]
        total = _NEW @ (w * spectra[..., now, :]) + _OLD * state.total[..., None, :]
        weight = _NEW @ w + _OLD * state.weight[..., None, None]
        out[..., now, :] = spectra[..., now, :] - total / weight
        state.total, state.weight = total[..., -1, :], weight[..., -1, 0]
    return out
