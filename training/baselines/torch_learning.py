"""Shared parts of baseline networks in torch: crops, class-weighted cross-entropy, export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from radd.bundle import NETWORK
from radd.front_ends import FRONT_ENDS
from radd.types import HOP_SAMPLES
from radd.window_detector import WindowModel
from training.baselines.fit import BaselineTask, Learned
from training.batches import Batches
from training.export import export_network
from training.learn import TrainingPlan, learn

LABELS = "spoof", "bonafide"  # in the order of the outputs


class Shown(NamedTuple):
    """Input of one training step."""

    rows: np.ndarray
    """of the front end, float32 (batch, ...)"""
    bonafide: np.ndarray
    """int64 (batch,), 1 or 0"""


class ShownBatches:
    """Batches through a front end, by the code of the live path."""

    def __init__(self, batches: Batches, front_end) -> None:
        self._batches, self._front_end = batches, front_end

    def __getitem__(self, step: int) -> Shown:
        batch = self._batches[step]
        rows = np.concatenate([self._front_end.rows(samples) for samples in batch.samples])
        return Shown(rows.astype(np.float32), batch.bonafide.astype(np.int64))


def weighted_cross_entropy(
    network: nn.Module, shown: Shown, chance: torch.Generator
) -> torch.Tensor:
    """Cross-entropy with equal weight for both labels of the batch, whatever their numbers of
    crops.
    """
    device = next(network.parameters()).device
    target = torch.from_numpy(shown.bonafide).to(device)
    counts = torch.bincount(target, minlength=len(LABELS)).clamp(min=1)
    weights = len(target) / (len(LABELS) * counts.float())
    return functional.cross_entropy(
        network(torch.from_numpy(shown.rows).to(device)).float(), target, weights
    )


def learn_windows(
    make: Callable[[tuple[int, ...]], nn.Module],
    front_end: str,
    window_hops: int,
    stride_hops: int,
    task: BaselineTask,
) -> Learned:
    """Train and export the network that `make` builds for rows of a shape.

    It returns the logits of LABELS, (batch, 2), for the front end's output on windows of
    `window_hops`.
    """
    front = FRONT_ENDS[front_end]()
    shape = front.shape(window_hops * HOP_SAMPLES)
    recipe = task.recipe
    torch.manual_seed(recipe.seed)
    network = make(shape)
    plan = TrainingPlan(
        recipe.steps,
        recipe.batch,
        window_hops * HOP_SAMPLES,
        recipe.rate,
        recipe.weight_decay,
        recipe.seed,
    )
    crops = Batches(task.clips, task.channel, plan.batch, plan.crop_samples, plan.seed)
    network = learn(
        network,
        weighted_cross_entropy,
        ShownBatches(crops, front),
        plan,
        task.work,
        task.workers,
    ).cpu()
    _export(network, shape, task.making / NETWORK)
    count = sum(p.numel() for p in network.parameters())
    model = WindowModel(front_end, asdict(front), window_hops, stride_hops, LABELS, count)
    return Learned(model, _description(plan, model))


def _export(network: nn.Module, shape: tuple[int, ...], path: Path) -> None:
    example = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    export_network(network, (example,), ["rows"], ["logits"], {"rows": {0: "batch"}}, path)


def _description(plan: TrainingPlan, model: WindowModel) -> dict[str, Any]:
    return {
        "steps": plan.steps,
        "batch": plan.batch,
        "rate": plan.learning_rate,
        "weight_decay": plan.weight_decay,
        "front end": model.front_end,
        "window, hops of 128 ms": model.window_hops,
    }
