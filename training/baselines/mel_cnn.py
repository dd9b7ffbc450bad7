"""A convolutional network on the image of a mel spectrum."""

from __future__ import annotations

from torch import nn

from training.baselines.fit import BaselineTask, Learned
from training.baselines.torch_learning import learn_windows

WINDOW_HOPS, STRIDE_HOPS = 15, 8  # 1.92 s, every second; 31 hops, a clip of 4 s, hold three
WIDTHS = 1, 16, 32, 64, 128


def network(shape: tuple[int, ...]) -> nn.Module:
    """Logits (batch, 2) of mel spectra (batch, 1, bands, time)."""
    layers: list[nn.Module] = []
    for before, after in zip(WIDTHS, WIDTHS[1:], strict=False):
        layers += [
            nn.Conv2d(before, after, 3, padding=1),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(WIDTHS[-1], 2)]
    return nn.Sequential(*layers)


def learn(task: BaselineTask) -> Learned:
    """Like training.baselines.fit.BaselineLearner."""
    return learn_windows(network, "log_mel", WINDOW_HOPS, STRIDE_HOPS, task)
