"""The sound itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SILENT = 1e-4  # RMS below which nothing is scaled up


@dataclass(frozen=True, slots=True)
class Waveform:
    """The window's samples; with `rms` above 0 brought to that root mean square, full scale being
    1.
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
