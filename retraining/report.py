"""The report of a retraining, for people and for the database."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from retraining.gates import Gate

TABLE = (
    "| gate, lower = better | champion | candidate | difference, 95 % | |\n|---|---|---|---|---|"
)


def round_report(
    candidate: str, champion: str, outcome: str, clips: int, gates: list[Gate], left_out: list[str]
) -> str:
    """The Markdown report of a round: its outcome, each gate, and the excluded clips."""
    return "\n".join(
        [
            f"# {candidate}",
            "",
            outcome,
            "",
            f"Trained on {clips} confirmed clips and on the replay of "
            f"{champion}. Correction, fusion and calibration were fitted again; the "
            "networks and the index were not.",
            "",
            TABLE,
            *(gate.table_row() for gate in gates),
            "",
            *(f"- left out: {line}" for line in left_out),
            "",
        ]
    )


def shadow_report(before: str, outcome: str, gate: Gate) -> str:
    """The report of a round with the result of its shadow run."""
    shadow = ["", "## Shadow run", "", outcome, "", TABLE, gate.table_row(), ""]
    return "\n".join([before.rstrip("\n"), *shadow])


def write_report(candidate: Path, report: str) -> None:
    """Write the report beside the candidate's bundle."""
    (candidate.parent / f"{candidate.name}.md").write_text(report, encoding="utf-8")


def gate_numbers(gate: Gate) -> dict[str, Any]:
    """A gate as JSON for the database."""
    return asdict(gate) | {
        "champion": _finite(gate.champion),
        "candidate": _finite(gate.candidate),
        "interval": [_finite(edge) for edge in gate.interval],
    }


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def drift_row(row: dict[str, Any], bound: float) -> str:
    """A line for a stream's day: its distance from known voices, a bar that is full at twice
    `bound`, and whether that is drift.
    """
    bar = "#" * min(40, round(20 * row["distance"] / bound))
    source = "".join(c if c.isprintable() else "?" for c in row["source"][:40])
    return (
        f"{row['day']}  {row['distance']:.4f}  {row['seconds']:6} s  {bar:20} "
        f"{'DRIFT  ' if row['distance'] > bound else ''}{source}"
    )
