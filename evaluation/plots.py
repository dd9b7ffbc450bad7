"""The figures of a report, each as PNG, as SVG and as an SVG with the colours of the surrounding
page.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

from evaluation.outcome import StreamOutcome
from radd.metrics import ErrorRates, eer

COLOURS = {
    "--ink": "#1c2430",
    "--muted": "#6b7683",
    "--line": "#dfe4ea",
    "--bonafide": "#12808c",
    "--spoof": "#d64550",
    "--accent": "#7a5bd0",
}
INK, MUTED, LINE, BONAFIDE, SPOOF, ACCENT = COLOURS.values()
STYLE: dict[RcKeyType, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "radd",
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": LINE,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
}
NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
CURVE_POINTS = 800  # more points than pixels only make the file larger
PROBIT = NormalDist().inv_cdf
TICKS = (0.0001, 0.001, 0.01, 0.05, 0.2, 0.4, 0.7, 0.9, 0.99)


def draw(folder: Path, name: str, paint: Callable, width: float = 5.2, height: float = 4.2) -> str:
    """Write NAME.png and NAME.svg to a folder and return the SVG for a page.

    `paint` receives one set of axes. Equal input gives equal bytes.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
        paint(axes)
        figure.savefig(folder / f"{name}.png", dpi=160, metadata={"Software": None})
        figure.savefig(folder / f"{name}.svg", metadata=NO_METADATA)
        page = io.StringIO()
        figure.savefig(page, format="svg", transparent=True, metadata=NO_METADATA)
    return _for_page(page.getvalue(), name)


def _for_page(svg: str, name: str) -> str:
    svg = svg[svg.index("<svg") :]
    for mark in (
        ' id="',
        'href="#',
        "url(#",
    ):  # several figures share a page, so their ids must differ
        svg = svg.replace(mark, f"{mark}{name}-")
    for variable, colour in COLOURS.items():
        svg = svg.replace(colour, f"var({variable})")
    start, rest = svg.split(">", 1)
    view_box = start.split('viewBox="')[1].split('"')[0]
    return (
        f'<svg viewBox="{view_box}" role="img" aria-label="{name}" '
        f'xmlns="http://www.w3.org/2000/svg">{rest}'
    )


def paint_det(systems: dict[str, ErrorRates]) -> Callable:
    """Detection error trade-off on normal-deviate axes, one curve per system (Martin et al.,
    1997).
    """

    def paint(axes):
        lowest, worst = 0.5, 0.0
        for i, (name, rates) in enumerate(systems.items()):
            floor = 0.5 / max(rates.n_bonafide, rates.n_spoof)
            rate = eer(rates)[0]
            lowest, worst = min(lowest, floor), max(worst, rate)
            chosen = rates.thinned(CURVE_POINTS)
            x, y = (np.clip(p[chosen], floor, 1 - floor) for p in (rates.p_fa, rates.p_miss))
            axes.plot(
                [PROBIT(v) for v in x],
                [PROBIT(v) for v in y],
                color=_colour(i),
                lw=2,
                label=f"{name}  EER {100 * rate:.2f} %",
            )
            if 0 < rate < 1:
                axes.plot(PROBIT(rate), PROBIT(rate), "o", color=_colour(i), ms=6)
        ends = PROBIT(max(lowest, TICKS[0])), PROBIT(0.6 if worst < 0.4 else 0.995)
        ticks = [tick for tick in TICKS if ends[0] <= PROBIT(tick) <= ends[1]]
        axes.plot(ends, ends, ":", color=MUTED, lw=1)
        labels = [f"{100 * tick:g}" for tick in ticks]
        axes.set_xticks([PROBIT(tick) for tick in ticks], labels)
        axes.set_yticks([PROBIT(tick) for tick in ticks], labels)
        axes.set_xlim(*ends)
        axes.set_ylim(*ends)
        axes.set_xlabel("fakes accepted as real, %")
        axes.set_ylabel("real voices called fake, %")
        axes.legend(loc="upper right", fontsize=9)

    return paint


def paint_roc(systems: dict[str, ErrorRates]) -> Callable:
    """Receiver operating characteristic: detected fakes against real voices called fake."""

    def paint(axes):
        for i, (name, rates) in enumerate(systems.items()):
            chosen = rates.thinned(CURVE_POINTS)
            caught, called = 1 - rates.p_fa[chosen], rates.p_miss[chosen]
            area = float(np.trapezoid(1 - rates.p_fa, rates.p_miss))
            axes.plot(
                100 * called, 100 * caught, color=_colour(i), lw=2, label=f"{name}  AUC {area:.4f}"
            )
        axes.plot([0, 100], [0, 100], ":", color=MUTED, lw=1)
        axes.set_xlabel("real voices called fake, %")
        axes.set_ylabel("fakes caught, %")
        axes.legend(loc="lower right", fontsize=9)

    return paint


def paint_histogram(bonafide: np.ndarray, spoof: np.ndarray, threshold: float) -> Callable:
    """Score densities of both classes, with the threshold."""

    def paint(axes):
        low, high = score_range(bonafide, spoof, threshold)
        edges = np.linspace(low, high, 61)
        for scores, colour, name in ((spoof, SPOOF, "spoof"), (bonafide, BONAFIDE, "bona fide")):
            counts, _ = np.histogram(np.clip(scores, low, high), edges)
            axes.stairs(
                100 * counts / len(scores), edges, fill=True, color=colour, alpha=0.45, label=name
            )
        axes.axvline(threshold, color=ACCENT, lw=1.5, ls="--", label=f"threshold {threshold:.3g}")
        axes.set_xlabel("score, higher = bona fide")
        axes.set_ylabel("% of the class")
        axes.legend(fontsize=9)

    return paint


def paint_reliability(bins: list[dict]) -> Callable:
    """Predicted against observed share of spoof; a calibrated system lies on the diagonal."""

    def paint(axes):
        most = max(entry["trials"] for entry in bins)
        x, y = [entry["predicted"] for entry in bins], [entry["observed"] for entry in bins]
        axes.plot([0, 1], [0, 1], ":", color=MUTED, lw=1)
        axes.plot(x, y, color=ACCENT, lw=1.5)
        axes.scatter(
            x,
            y,
            [20 + 180 * math.sqrt(entry["trials"] / most) for entry in bins],
            color=ACCENT,
            alpha=0.7,
        )
        axes.set_xlabel("predicted probability of spoof (prior 0.5)")
        axes.set_ylabel("observed share of spoof")

    return paint


def paint_thresholds(outcomes: list[StreamOutcome], shipped: StreamOutcome) -> Callable:
    """False alarms per hour against missed fakes over all thresholds; the default one with
    intervals.
    """

    def paint(axes):
        least = 0.5 / max(
            shipped.hours_real, 1e-6
        )  # stands for no false alarms, which a logarithmic axis cannot show
        figures = [outcome.figures() for outcome in (*outcomes, shipped)]
        per_hour = [max(one["false_alarms_per_hour"] or 0, least) for one in figures]
        missed = [one["missed_percent"] or 0 for one in figures]
        order = sorted(range(len(outcomes)), key=lambda i: outcomes[i].threshold)
        axes.plot([per_hour[i] for i in order], [missed[i] for i in order], color=ACCENT, lw=2)
        low, high = figures[-1]["false_alarms_per_hour_ci95"] or (0, 0)
        axes.plot([max(low, least / 4), max(high, least)], [missed[-1]] * 2, color=BONAFIDE, lw=1.5)
        axes.plot(per_hour[-1], missed[-1], "o", color=BONAFIDE)
        axes.set_title(
            f"shipped threshold: {shipped.false_alarms} false alarms in {shipped.hours_real:.2f} "
            "h,\n"
            f"{missed[-1]:.1f} % of {shipped.n_fakes} fakes missed",
            color=BONAFIDE,
            fontsize=10,
            loc="left",
        )
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_ylim(-3, 103)
        axes.set_xlabel("false alarms per hour of real speech (none is drawn as half of one)")
        axes.set_ylabel("fakes missed, %")

    return paint


def paint_delays(shipped: StreamOutcome) -> Callable:
    """Share of fakes detected within a time from their onset, at the default threshold."""

    def paint(axes):
        detected = [100 * (i + 1) / max(shipped.n_fakes, 1) for i in range(len(shipped.delays_s))]
        axes.step([0, *shipped.delays_s], [0, *detected], where="post", color=ACCENT, lw=2)
        axes.set_ylim(0, 100)
        axes.set_xlim(left=0)
        axes.set_xlabel("seconds after the synthetic voice takes over")
        axes.set_ylabel("fakes found, %")

    return paint


def score_range(bonafide: np.ndarray, spoof: np.ndarray, threshold: float) -> tuple[float, float]:
    """A range that covers nearly all scores of both classes and the threshold, never empty."""
    ends = [*np.percentile(bonafide, [0.1, 99.9]), *np.percentile(spoof, [0.1, 99.9]), threshold]
    low, high = float(min(ends)), float(max(ends))
    margin = 0.03 * (high - low) or 0.5
    return low - margin, high + margin


def _colour(i: int) -> str:
    return (ACCENT, BONAFIDE, SPOOF, INK, MUTED)[i % 5]
