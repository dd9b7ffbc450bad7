"""Log spectra in bands of equal width: the input of the small network for small devices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radd.errors import ModelError
from radd.features import BINS, STEP_SAMPLES, SpectrumState, log_spectra


@dataclass(frozen=True, slots=True)
class LogBands:
    """Log power in `bands` bands from 31 Hz to 8 kHz every 16 ms, minus its mean over the window.

    The bands are equally wide because vocoders also leave traces at high frequencies (Sahidullah et
    al. 2015). The mean is subtracted because a linear channel is a constant in it (Atal 1974).
    """

    bands: int = 128

    def __post_init__(self) -> None:
        if self.bands < 1 or BINS % self.bands:
            raise ModelError(
                f"bands = {self.bands}: expected a divisor of the {BINS} bins of a spectrum"
            )

    def shape(self, samples: int) -> tuple[int, ...]:
        return samples // STEP_SAMPLES - 1, self.bands

    def rows(self, window: np.ndarray) -> np.ndarray:
        return self.level(self.powers(window))[None]

    def powers(self, samples: np.ndarray) -> np.ndarray:
        """Natural-log powers of the bands, float32 (n / STEP_SAMPLES - 1, bands), of samples
        float32 (n,).

        The first spectrum is omitted: half of it would be the silence before.
        """
        return (
            log_spectra(SpectrumState(), samples)[1:]
            .reshape(-1, self.bands, BINS // self.bands)
            .mean(axis=2)
        )

    @staticmethod
    def level(powers: np.ndarray) -> np.ndarray:
        """The powers (..., time, bands) minus the mean of each band over time."""
        return powers - powers.mean(axis=-2, keepdims=True)
