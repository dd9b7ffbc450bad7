"""The training loop of all networks: resumable, reproducible from a seed, with an estimate of the
remaining time.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import nn

from radd.parallel import forked_in_order
from training.losses import LOSSES, tell_loss, untell_losses

Network = TypeVar("Network", bound=nn.Module)

CHECKPOINT_STEPS = 100  # a killed run repeats at most some minutes
CHECKPOINT = "checkpoint.pt"
EMA_DECAY = (
    0.998  # the shipped weights are a running mean of the trained ones (Polyak and Juditsky 1992)
)


class StepSource(Protocol):
    """Source of the loss function's inputs, as arrays: training.batches.Batches, for example."""

    def __getitem__(self, step: int) -> Any: ...


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Length and learning rate of a training."""

    steps: int
    batch: int
    crop_samples: int
    learning_rate: float
    weight_decay: float
    seed: int


@dataclass(frozen=True, slots=True)
class Milestones:
    """When a training stores the averaged weights, and when it stops early."""

    stages: Collection[int] = ()
    """steps after which the averaged weights are stored"""
    minutes: float = math.inf
    """after which training stops; called again, it continues"""

    def passed(self, started: float) -> bool:
        """Whether the time is over that began at `started` of time.monotonic."""
        return time.monotonic() - started > 60 * self.minutes


ALL_STEPS = Milestones()


def prefetched(batches: StepSource, steps: range, workers: int) -> Iterator[Any]:
    """The batches of these steps in order, prepared ahead by worker processes."""

    def draw(step: int) -> Any:
        torch.set_num_threads(1)  # in the worker process
        return batches[step]

    return forked_in_order(draw, steps, workers)


def learn(
    network: Network,
    loss: Callable[[Network, Any, torch.Generator], torch.Tensor],
    batches: StepSource,
    plan: TrainingPlan,
    folder: Path,
    workers: int = 1,
    milestones: Milestones = ALL_STEPS,
) -> Network:
    """Minimise `loss` over the batches with AdamW and a one-cycle learning rate; returns the
    averaged network in evaluation mode.

    `folder` stores a checkpoint every CHECKPOINT_STEPS steps and the losses as CSV. A killed run
    resumes there, a finished one is not repeated, and one with another plan starts from scratch.
    The weights at the stages of `milestones` are stored too, see `kept_stages`.
    """
    torch.set_num_threads(1)  # worker processes occupy the other cores
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    average = copy.deepcopy(network)
    optimiser, schedule = _descent(network, plan)
    parts = {"network": network, "average": average, "optimiser": optimiser, "schedule": schedule}
    first = _resume(parts, plan, folder)
    started, recent = time.monotonic(), []
    for step, batch in enumerate(prefetched(batches, range(first, plan.steps), workers), first):
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            value = loss(network.train(), batch, _seeded(plan, step))
        _descend(value, network, optimiser, schedule)
        _follow(average, network, step)
        recent.append(float(value.detach()))
        over = milestones.passed(started) or step + 1 == plan.steps
        if step + 1 in milestones.stages:
            _write(average.state_dict(), folder / f"stage{step + 1:08}.pt")
        if (step + 1) % CHECKPOINT_STEPS == 0 or over:
            _report(step + 1, first, plan, started, sum(recent) / len(recent), folder)
            _keep(parts, plan, step + 1, folder)
            recent.clear()
        if over:
            break
    return average.eval()


def _seeded(plan: TrainingPlan, step: int) -> torch.Generator:
    """The random numbers of a step, so that a resumed run draws the same as a whole one."""
    seed = plan.seed * 1_000_003 + step
    torch.manual_seed(seed)  # layers such as dropout draw from the global generator
    return torch.Generator().manual_seed(seed)


def _descent(
    network: nn.Module, plan: TrainingPlan
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """The optimiser of a plan and the course of its learning rate."""
    optimiser = torch.optim.AdamW(
        network.parameters(), plan.learning_rate, weight_decay=plan.weight_decay
    )
    # a warm-up of zero steps, 0.1 of 10, would divide by zero
    rise = 0.1 if plan.steps > 10 else 0.01
    return optimiser, torch.optim.lr_scheduler.OneCycleLR(
        optimiser, plan.learning_rate, plan.steps, pct_start=rise
    )


def _descend(
    value: torch.Tensor,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> None:
    optimiser.zero_grad(set_to_none=True)
    value.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 5.0)  # one odd batch must not undo many steps
    optimiser.step()
    schedule.step()


def kept_stages(folder: Path) -> dict[int, Path]:
    """The files of averaged weights that `learn` stored in its folder, by number of steps."""
    return {int(file.stem[len("stage") :]): file for file in sorted(folder.glob("stage*.pt"))}


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, step: int) -> None:
    # a short memory at first, or the random start would stay in the mean for long
    decay = min(EMA_DECAY, (step + 1) / (step + 10))
    mine, theirs = average.state_dict(), network.state_dict()
    for name, value in mine.items():
        if value.is_floating_point():
            value.lerp_(theirs[name], 1 - decay)
        else:
            value.copy_(theirs[name])


def _resume(parts: dict, plan: TrainingPlan, folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / CHECKPOINT
    if file.is_file():
        kept = torch.load(file, weights_only=True)
        if kept["plan"] == asdict(plan):
            for name, part in parts.items():
                part.load_state_dict(kept[name])
            untell_losses(folder / LOSSES, kept["step"])
            return kept["step"]
    for stale in (folder / LOSSES, *kept_stages(folder).values()):
        stale.unlink(missing_ok=True)
    return 0


def _keep(parts: dict, plan: TrainingPlan, step: int, folder: Path) -> None:
    kept = {name: part.state_dict() for name, part in parts.items()}
    _write(kept | {"plan": asdict(plan), "step": step}, folder / CHECKPOINT)


def _write(kept: dict, file: Path) -> None:
    part = file.with_suffix(".part")
    torch.save(kept, part)
    part.replace(file)


def _report(
    step: int, first: int, plan: TrainingPlan, started: float, value: float, folder: Path
) -> None:
    left = (time.monotonic() - started) / (step - first) * (plan.steps - step)
    tell_loss(folder / LOSSES, step, value)
    print(
        f"{folder.name}: step {step} of {plan.steps}, loss {value:.4f}, {left / 60:.0f} min left",
        flush=True,
    )
