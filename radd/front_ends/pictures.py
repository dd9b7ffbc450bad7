"""Spectrogram images, for networks that were made for photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radd.errors import ModelError
from radd.front_ends.mel import FLOOR, powers

RANGE_DB = 80.0  # below the loudest point; fainter values are black
WHITE = 255.0


@dataclass(frozen=True, slots=True)
class Pictures:
    """`crops` square images (crops, pixels, pixels), 0 to 255, of parts of a window selected by
    `seed`: one row.

    Columns are `step_samples` apart; rows range from 36 Hz (of 224) to 8 kHz, linearly.
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
                f"into a window of {samples}; train the network again"
            )
        return self.crops, self.pixels, self.pixels

    def rows(self, window: np.ndarray) -> np.ndarray:
        whole = self.picture(window)
        begins = np.random.default_rng(self.seed).integers(
            whole.shape[1] - self.pixels + 1, size=self.crops
        )
        return np.stack([whole[:, at : at + self.pixels] for at in begins])[None]

    def picture(self, samples: np.ndarray) -> np.ndarray:
        """An image of all audio, float32 (pixels, samples / step_samples), loudest point white,
        lowest row first.
        """
        power = powers(samples, 2 * self.pixels, self.step_samples)[
            1:, : len(samples) // self.step_samples
        ]
        level_db = 10 * np.log10(power + np.float32(FLOOR))
        return np.clip((level_db - level_db.max()) / RANGE_DB + 1, 0, 1).astype(
            np.float32
        ) * np.float32(WHITE)
