"""The waveform itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SILENT = 1e-4  # RMS below which nothing is amplified


@dataclass(frozen=True, slots=True)
class Waveform:
    """The samples of the window; if `rms` is above 0, scaled to this root mean square (full scale
    is 1).
    """

    rms: float = 0.0

    def shape(self, samples: int) -> tuple[int, ...]:
        return (samples,)

    def rows(self, window: np.ndarray) -> np.ndarray:
        if not self.rms:
            return window[None]
        scale = self.rms / max(
            _SILENT, float(np.sqrt(np.mean(np.square(window, dtype=np.float64))))
        )
        return (window * np.float32(scale))[None]
