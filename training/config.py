"""Training settings of the shipped bundle that users may change; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from radd.errors import ConfigError
from radd.ranges import check

STAGES = "prepare", "features", "train", "index", "calibrate"  # stages of making a bundle, in order


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Section [training] of config.toml."""

    seed: int
    steps: int
    batch: int
    crop_s: float
    rate: float
    encoder: str
    encoder_layer: int
    imagenet: str
    encoder_frozen: bool
    backbone: str
    channel_copies: float
    head_epochs: float
    head_seeds: int
    soft_labels: float
    teacher: str
    keep_heads: bool
    tune_heads: bool
    pretrain_steps: int
    embedding_steps: int
    weight_decay: float
    rawboost: float
    emphasis: str
    references: int

    def __post_init__(self) -> None:
        check(
            self,
            seed=(0, 2**31),
            steps=(1, 10**7),
            batch=(2, 4096),
            crop_s=(1.024, 30.0),
            rate=(1e-7, 1),
            encoder_layer=(-1, 100),
            pretrain_steps=(0, 10**7),
            channel_copies=(0, 1),
            head_epochs=(0.01, 1000),
            head_seeds=(1, 20),
            soft_labels=(0, 1),
            embedding_steps=(1, 10**7),
            weight_decay=(0, 1),
            rawboost=(0, 1),
            references=(10, 10**7),
        )
        if self.pretrain_steps and self.encoder:
            raise ConfigError(
                f"pretrain_steps = {self.pretrain_steps}: only the compact encoder can be "
                f"pretrained; set it to 0, or encoder (now {self.encoder!r}) to an empty string"
            )
        if self.keep_heads and self.tune_heads:
            raise ConfigError(
                "keep_heads and tune_heads are both true: the heads of --start either stay as they "
                "are and judge along, or learn on; set one of them to false"
            )
        self.factors  # noqa: B018, rejects invalid values

    @property
    def factors(self) -> dict[str, float]:
        """Sampling weight of each source relative to others."""
        try:
            pairs = [entry.rsplit("=", 1) for entry in self.emphasis.split(",") if entry.strip()]
            factors = {source.strip(): float(factor) for source, factor in pairs}
        except ValueError:
            factors = {"": 0.0}
        if not all(0 < factor <= 1000 for factor in factors.values()):
            raise ConfigError(
                f"emphasis = {self.emphasis!r}: expected SOURCE=FACTOR, ... with factors up to 1000"
            )
        return factors


@dataclass(frozen=True, slots=True)
class RetrainSettings:
    """Section [retrain] of config.toml."""

    min_labels: int
    replay: float
    per_source: int
    proof: str
    shadow_hours: float
    drift_factor: float
    alert_rate_factor: float
    keep: int

    def __post_init__(self) -> None:
        check(
            self,
            min_labels=(1, 10**6),
            replay=(0.7, 0.9),
            per_source=(1, 10**6),
            shadow_hours=(0, 10**4),
            drift_factor=(1, 100),
            alert_rate_factor=(1, 1000),
            keep=(2, 1000),
        )
