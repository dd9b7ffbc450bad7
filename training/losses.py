"""The training loss over time as a CSV file, one line now and then."""

from __future__ import annotations

from pathlib import Path

LOSSES = "losses.csv"
HEADER = "step,loss\n"


def tell_loss(file: Path, step: int, loss: float) -> None:
    """Append a line: the mean loss since the previous line."""
    with file.open("a", encoding="utf-8") as lines:
        lines.write(f"{'' if lines.tell() else HEADER}{step},{round(loss, 4)}\n")


def read_losses(file: Path) -> list[tuple[int, float]]:
    """Read each (step, mean loss since the previous one), in order; empty without a file.

    An incomplete last line was cut off while it was written, and is ignored.
    """
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8")
    lines = (line.split(",") for line in text[: text.rfind("\n") + 1].splitlines()[1:])
    return [(int(step), float(loss)) for step, loss in lines]


def untell_losses(file: Path, step: int) -> None:
    """Remove the losses of steps after `step`, which are trained again."""
    kept = [f"{at},{loss}\n" for at, loss in read_losses(file) if at <= step]
    file.write_text("".join([HEADER, *kept]), encoding="utf-8")
