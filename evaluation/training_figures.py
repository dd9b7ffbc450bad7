"""Figures of a training: losses of the networks and scores of the development set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from evaluation.plots import ACCENT, BONAFIDE, SPOOF, draw, paint_histogram

MOST_FEATURES = 20


def draw_training(
    folder: Path,
    losses: dict[str, list[tuple[int, float]]],
    bonafide: np.ndarray,
    spoof: np.ndarray,
    importances: Mapping[str, float] = MappingProxyType({}),
) -> None:
    """Write dev_scores.png, and loss.png and importances.png if there are any, and all as .svg, to
    a folder.

    `losses` are (step, loss) by network; the scores (n,) and (m,) are LLRs of the development set's
    clips in nats, higher = bona fide; `importances` are those of named features. Equal input gives
    equal bytes.
    """
    if losses:
        draw(folder, "loss", paint_losses(losses))
    if importances:
        draw(folder, "importances", paint_importances(importances))
    draw(folder, "dev_scores", paint_histogram(bonafide, spoof, 0.0))


def paint_losses(losses: dict[str, list[tuple[int, float]]]) -> Callable:
    """Loss over the share of the steps, so that trainings of different lengths share the axes."""

    def paint(axes):
        for (name, points), colour in zip(losses.items(), (ACCENT, BONAFIDE, SPOOF), strict=False):
            steps, values = zip(*points, strict=True)
            axes.plot(
                [100 * step / steps[-1] for step in steps],
                values,
                color=colour,
                lw=1.5,
                marker="o",
                ms=3,
                label=f"{name}, {steps[-1]:,} steps",
            )
        axes.set_xlim(0, 100)
        axes.set_xlabel("% of the steps")
        axes.set_ylabel("loss")
        axes.legend(fontsize=9)

    return paint


def paint_importances(importances: Mapping[str, float]) -> Callable:
    """The most important features, the first at the top."""

    def paint(axes):
        chosen = sorted(importances.items(), key=lambda item: -item[1])[:MOST_FEATURES][::-1]
        axes.barh([name for name, _ in chosen], [value for _, value in chosen], color=ACCENT)
        axes.tick_params(axis="y", labelsize=7)
        axes.set_xlabel("importance")

    return paint
