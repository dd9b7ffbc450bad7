"""How the shipped bundle is trained, as far as a user may want to change it; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from radd.ranges import check


@dataclass(frozen=True, slots=True)
class RecipeSettings:
    """Section [training] of config.toml."""

    seed: int
    cnn_steps: int
    cnn_batch: int
    cnn_crop_s: float
    cnn_rate: float
    encoder_steps: int
    encoder_batch: int
    encoder_rate: float
    encoder: str
    encoder_layer: int
    weight_decay: float
    rawboost: float
    references: int

    def __post_init__(self) -> None:
        check(self, seed=(0, 2**31), cnn_steps=(1, 10**7), cnn_batch=(2, 4096), cnn_crop_s=(1.0, 30.0),
              cnn_rate=(1e-7, 1), encoder_steps=(0, 10**7), encoder_batch=(2, 4096), encoder_rate=(1e-7, 1),
              encoder_layer=(-1, 100), weight_decay=(0, 1), rawboost=(0, 1), references=(10, 10**7))
