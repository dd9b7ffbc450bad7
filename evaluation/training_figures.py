"""What a training leaves to look at: losses of the networks and scores of the dev side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from evaluation.plots import ACCENT, BONAFIDE, SPOOF, draw, paint_histogram


def draw_training(
    folder: Path, losses: dict[str, list[tuple[int, float]]], bonafide: np.ndarray, spoof: np.ndarray
) -> None:
    """Write loss.png and dev_scores.png, and both as .svg, into a folder.

    `losses` are (step, loss) by network; the scores (n,) and (m,) are LLRs of the dev side's clips in nats, higher =
    bona fide. Equal input gives equal bytes.
    """
    draw(folder, "loss", paint_losses(losses))
    draw(folder, "dev_scores", paint_histogram(bonafide, spoof, 0.0))


def paint_losses(losses: dict[str, list[tuple[int, float]]]) -> Callable:
    """Loss over the share of the steps, so that long and short trainings share the axes."""
    def paint(axes):
        for (name, points), colour in zip(losses.items(), (ACCENT, BONAFIDE, SPOOF), strict=False):
            steps, values = zip(*points, strict=True)
            axes.plot([100 * step / steps[-1] for step in steps], values, color=colour, lw=1.5, marker="o", ms=3,
                      label=f"{name}, {steps[-1]:,} steps")
        axes.set_xlim(0, 100)
        axes.set_xlabel("% of the steps")
        axes.set_ylabel("loss")
        axes.legend(fontsize=9)
    return paint
