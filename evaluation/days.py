"""Plots of daily values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from evaluation.plots import ACCENT, BONAFIDE, INK, MUTED, NO_METADATA, SPOOF, STYLE

Curves = dict[
    str, tuple[Sequence, Sequence[float]]
]  # by name: days, as numbers or dates, and one value each


def draw_days(path: Path, panels: Sequence[tuple[str, Curves]], bound: float | None = None) -> None:
    """Write an SVG file with one panel per title and its curves; `bound` is a dashed line across
    all.

    Equal input gives equal bytes.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 2.8 * len(panels)), layout="constrained")
        for axes, (title, curves) in zip(
            figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True
        ):
            for (name, (days, values)), colour in zip(
                curves.items(), cycle((MUTED, ACCENT, BONAFIDE, SPOOF, INK))
            ):
                axes.plot(days, values, color=colour, lw=1.6, marker="o", ms=3, label=name)
            if bound is not None:
                axes.axhline(bound, color=SPOOF, lw=1, ls="--")
            axes.set_ylim(bottom=0)
            axes.set_title(title, fontsize=11, loc="left")
            if curves:
                axes.legend(fontsize=8)
            if all(isinstance(day, int) for days, _ in curves.values() for day in days):
                axes.set_xlabel("day")
        if bound is not None:
            figure.autofmt_xdate()
        figure.savefig(path, format="svg", metadata=NO_METADATA)


def by_source(rows: Sequence[dict]) -> Curves:
    """The mean distance of each source and day, from rows with `source`, `day`, `seconds` and
    `distance`.
    """
    sums: dict[str, dict] = {}
    for row in rows:
        source = "".join(c if c.isprintable() else "?" for c in row["source"][:40]).replace(
            "$", r"\$"
        )
        seconds, total = sums.setdefault(source, {}).get(row["day"], (0, 0.0))
        sums[source][row["day"]] = (
            seconds + row["seconds"],
            total + row["seconds"] * row["distance"],
        )
    return {
        source: (sorted(days), [days[day][1] / days[day][0] for day in sorted(days)])
        for source, days in sums.items()
    }
