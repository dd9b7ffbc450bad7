"""A small head on the frozen features of a backbone: what tells a person from a synthetic voice.

Several heads, each from a seed of its own, judge together: their mean score is steadier than any
one's. The hidden units of all of them, whitened, are the vector that the index compares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from training.export import export_network, halve_weights

HIDDEN = 256, 64
INPUT_DROPOUT, DROPOUT = 0.1, 0.3
MEASURED = 20_000  # blocks, at most, that mean, deviation and whitening are measured on
LEAST_DEVIATION = 1e-4
TUNING_RATE = 3e-4  # of heads that learn on, at most; new ones: HeadPlan.learning_rate
SHRINKAGE = 0.1  # of the covariance towards a round one (Ledoit and Wolf 2004)


@dataclass(frozen=True, slots=True)
class HeadPlan:
    """How long and how hard a head learns."""

    epochs: float
    seeds: int
    """heads that judge together"""
    batch: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    smoothing: float = 0.03
    """of the labels, which come from page names: a few are wrong"""
    build: Callable[[Tensor, Tensor], Head] | None = None
    """another kind of head, of mean and deviation of the features; None: Head"""


class Head(nn.Module):
    """Features of a block -> hidden units and a logit, higher = bona fide."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", 1 / deviation)
        wide, narrow = HIDDEN
        self.widen = nn.Sequential(
            nn.Dropout(INPUT_DROPOUT), nn.Linear(len(mean), wide), nn.BatchNorm1d(wide), nn.ReLU()
        )
        self.narrow = nn.Sequential(
            nn.Dropout(DROPOUT), nn.Linear(wide, narrow), nn.BatchNorm1d(narrow), nn.ReLU()
        )
        self.out = nn.Linear(narrow, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden units (batch, HIDDEN[0]) and logits (batch,) of features (batch, width)."""
        hidden = self.widen((features - self.mean) * self.scale)
        return hidden, self.out(self.narrow(hidden)).squeeze(1)


class Heads(nn.Module):
    """Several heads as one: features (batch, width) -> unit vectors and scores (batch,)."""

    middle: Tensor
    whitening: Tensor

    def __init__(self, heads: Sequence[Head]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)
        width = HIDDEN[0]
        self.register_buffer("middle", torch.zeros(width))
        self.register_buffer("whitening", torch.eye(width))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (batch, HIDDEN[0]) of unit length and mean logits (batch,)."""
        hidden, scores = zip(*(head(features) for head in self.heads), strict=True)
        vectors = (hidden[0] - self.middle) @ self.whitening
        return normalize(vectors, dim=1), torch.stack(scores).mean(0)

    @torch.no_grad()
    def whiten(self, features: Tensor) -> None:
        """Make the hidden units over these blocks equally spread in all directions."""
        hidden = self.heads[0](features)[0]
        covariance = torch.cov(hidden.T)
        covariance += SHRINKAGE * covariance.trace() / len(covariance) * torch.eye(len(covariance))
        values, vectors = torch.linalg.eigh(covariance)
        self.middle.copy_(hidden.mean(0))
        self.whitening.copy_(vectors @ torch.diag(values.clamp(min=1e-9) ** -0.5))


def train_heads(
    features: np.ndarray,
    bonafide: np.ndarray,
    weights: np.ndarray,
    plan: HeadPlan,
    seed: int,
    earlier: Sequence[Head] = (),
) -> Heads:
    """Heads that learned blocks with features (n, width), drawn as their `weights` (n,) say.

    `bonafide` (n,) is 1, 0 or a probability; a weight of 0 leaves a block out. The heads `earlier`,
    if there are any, learn on at TUNING_RATE, instead of plan.seeds new ones.
    """
    used = np.flatnonzero(weights)
    rng = np.random.default_rng([seed, 81])
    sample = rng.choice(used, min(len(used), MEASURED), replace=False)
    reference = torch.from_numpy(features[np.sort(sample)].astype(np.float32))
    if earlier:
        heads, plan = list(earlier), replace(plan, learning_rate=TUNING_RATE)
    else:
        shape = reference.mean(0), reference.std(0) + LEAST_DEVIATION
        heads = [_new_head(*shape, plan, seed + k) for k in range(plan.seeds)]
    for k, head in enumerate(heads):
        _learn(head, features, bonafide, weights[used], used, plan, seed + k)
    together = Heads(heads).eval()
    together.whiten(reference)
    return together


def _new_head(mean: Tensor, deviation: Tensor, plan: HeadPlan, seed: int) -> Head:
    torch.manual_seed(seed)
    return (plan.build or Head)(mean, deviation)


def _learn(
    head: Head,
    features: np.ndarray,
    bonafide: np.ndarray,
    weights: np.ndarray,
    used: np.ndarray,
    plan: HeadPlan,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 82])
    head.train()
    optimiser = torch.optim.AdamW(
        head.parameters(), plan.learning_rate, weight_decay=plan.weight_decay
    )
    steps = max(1, round(plan.epochs * len(used) / plan.batch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, plan.learning_rate, total_steps=steps + 1, pct_start=0.1
    )
    bounds = np.cumsum(weights / weights.sum())
    for _ in range(steps):
        drawn = used[np.minimum(np.searchsorted(bounds, rng.random(plan.batch)), len(used) - 1)]
        x = torch.from_numpy(features[drawn].astype(np.float32))
        target = torch.from_numpy(bonafide[drawn].astype(np.float32))
        target = target * (1 - 2 * plan.smoothing) + plan.smoothing
        loss = binary_cross_entropy_with_logits(head(x)[1], target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    head.eval()


@torch.no_grad()
def score(heads: Heads, features: np.ndarray, portion: int = 4096) -> np.ndarray:
    """Scores float32 (n,), higher = bona fide, of blocks with features (n, width)."""
    parts = (
        heads(torch.from_numpy(features[k : k + portion].astype(np.float32)))[1]
        for k in range(0, len(features), portion)
    )
    return torch.cat([*parts, torch.zeros(0)]).numpy()


def export_heads(heads: Heads, path: Path) -> None:
    """The network `features` -> `embedding`, `score` of radd.encoder.

    Raises RuntimeError where ONNX Runtime and torch differ.
    """
    for parameter in heads.parameters():
        parameter.data = parameter.data.half().float()
    example = (torch.randn(2, len(heads.get_buffer("heads.0.mean"))),)
    export_network(
        heads, example, ["features"], ["embedding", "score"], {"features": {0: "batch"}}, path
    )
    halve_weights(path)
