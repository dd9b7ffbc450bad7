"""Spectrogram pictures, for networks that were made for photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radd.errors import ModelError
from radd.front_ends.mel import FLOOR, powers

RANGE_DB = 80.0  # from the loudest point down: black is what is fainter
WHITE = 255.0


@dataclass(frozen=True, slots=True)
class Pictures:
    """`crops` square pictures (crops, pixels, pixels), 0 to 255, of parts of a window that `seed`
    chooses: one row.

    A picture's columns are `step_samples` apart and its rows reach from 36 Hz (of 224) to 8 kHz,
    linearly.
    """

    crops: int = 5
    pixels: int = 224
    step_samples: int = 256
    seed: int = 1

    def shape(self, samples: int) -> tuple[int, ...]:
        if (
            min(self.crops, self.pixels, self.step_samples) < 1
            or samples < self.pixels * self.step_samples
        ):
            raise ModelError(
                f"pictures of {self.pixels} columns every {self.step_samples} samples do not fit "
                f"into a window of {samples}; train the network anew"
            )
        return self.crops, self.pixels, self.pixels

    def rows(self, window: np.ndarray) -> np.ndarray:
        whole = self.picture(window)
        begins = np.random.default_rng(self.seed).integers(
            whole.shape[1] - self.pixels + 1, size=self.crops
        )
        return np.stack([whole[:, at : at + self.pixels] for at in begins])[None]

    def picture(self, samples: np.ndarray) -> np.ndarray:
        """All of the sound, float32 (pixels, samples / step_samples), its loudest point white; the
        lowest row first.
        """
        power = powers(samples, 2 * self.pixels, self.step_samples)[
            1:, : len(samples) // self.step_samples
        ]
        level_db = 10 * np.log10(power + np.float32(FLOOR))
        return np.clip((level_db - level_db.max()) / RANGE_DB + 1, 0, 1).astype(
            np.float32
        ) * np.float32(WHITE)
