"""The loss of a network while it learns, as the file beside its other work tells it: CSV, a line
now and then.
"""

from __future__ import annotations

from pathlib import Path

LOSSES = "losses.csv"
HEADER = "step,loss\n"


def tell_loss(file: Path, step: int, loss: float) -> None:
    """Add a line: the mean loss since the line before."""
    with file.open("a", encoding="utf-8") as lines:
        lines.write(f"{'' if lines.tell() else HEADER}{step},{round(loss, 4)}\n")


def read_losses(file: Path) -> list[tuple[int, float]]:
    """Each (step, mean loss since the one before) that was told, in order; none where there is no
    file.

    A last line without an end was cut off while it was written, and is left out.
    """
    if not file.is_file():
        return []
    told = file.read_text(encoding="utf-8")
    lines = (line.split(",") for line in told[: told.rfind("\n") + 1].splitlines()[1:])
    return [(int(step), float(loss)) for step, loss in lines]


def untell_losses(file: Path, step: int) -> None:
    """Drop the losses of steps after `step`, which are learned again."""
    kept = [f"{at},{loss}\n" for at, loss in read_losses(file) if at <= step]
    file.write_text("".join([HEADER, *kept]), encoding="utf-8")
