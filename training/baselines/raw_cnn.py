"""A convolutional network on one second of the waveform."""

from __future__ import annotations

from torch import nn

from training.baselines.fit import BaselineTask, Learned
from training.baselines.torch_learning import learn_windows

WINDOW_HOPS, STRIDE_HOPS = 8, 4  # 1.024 s, every half second
WIDTHS, KERNEL, POOL, DENSE = (1, 16, 32, 64), 15, 8, 128


def network(shape: tuple[int, ...]) -> nn.Module:
    """Logits (batch, 2) of samples (batch, n)."""
    layers: list[nn.Module] = [
        nn.Unflatten(1, (1, shape[0])),
        nn.InstanceNorm1d(1),
    ]  # (batch, 1, n), each normalised to one level
    for before, after in zip(WIDTHS, WIDTHS[1:], strict=False):
        layers += [
            nn.Conv1d(before, after, KERNEL, padding=KERNEL // 2),
            nn.BatchNorm1d(after),
            nn.ReLU(),
            nn.MaxPool1d(POOL),
        ]
    left = shape[0] // POOL ** (len(WIDTHS) - 1)
    layers += [
        nn.Flatten(),
        nn.Linear(WIDTHS[-1] * left, DENSE),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(DENSE, 2),
    ]
    return nn.Sequential(*layers)


def learn(task: BaselineTask) -> Learned:
    """Like training.baselines.fit.BaselineLearner."""
    return learn_windows(network, "waveform", WINDOW_HOPS, STRIDE_HOPS, task)
