"""The list of a bundle's sources: whose recordings it learned from, by side, label and licence."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from radd.dataset import Clip
from radd.index_sides import LABELS

SOURCES = "sources.csv"  # in a bundle


def write_sources(path: Path, sides: Mapping[str, Sequence[Clip]]) -> None:
    """Write a row for each source and licence of each side: number of clips by label.

    `sides` holds the clips of train and dev by that name.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["source", "side", *LABELS, "licence"])
        for side, clips in sides.items():
            counts = Counter((c.source, c.licence, c.label) for c in clips)
            for source, licence in sorted({(c.source, c.licence) for c in clips}):
                numbers = [counts[source, licence, label] for label in LABELS]
                writer.writerow([source, side, *numbers, licence])
