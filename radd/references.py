"""Provenance of the vectors of an index, one line each."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np

COLUMNS = ("id", "label", "system", "source", "licence", "start_s")


@dataclass(frozen=True, slots=True)
class Reference:
    """Provenance of one vector of the index."""

    id: str
    label: str
    """bonafide or spoof"""
    system: str
    source: str
    licence: str
    start_s: float
    """seconds into its recording"""


class Origin(NamedTuple):
    """What the references of one or more recordings have in common."""

    label: str
    system: str
    source: str
    licence: str


class References(Sequence[Reference]):
    """Many references in few bytes; each object is created on access. Immutable.

    A million separate objects would take 200 MB, and Python's garbage collector would traverse them
    all during detection.
    """

    def __init__(self, references: Iterable[Reference] = ()) -> None:
        known: dict[Origin, int] = {}
        ids, origins, starts = [], [], []
        for r in references:
            ids.append(r.id.encode())
            origins.append(
                known.setdefault(Origin(r.label, r.system, r.source, r.licence), len(known))
            )
            starts.append(r.start_s)
        self._known = tuple(known)
        self._ids = np.array(ids, np.bytes_)
        self._origins, self._starts = np.array(origins, np.int32), np.array(starts, np.float64)

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, row: int) -> Reference: ...
    @overload
    def __getitem__(self, row: slice) -> References: ...
    def __getitem__(self, row: int | slice) -> Reference | References:
        if isinstance(row, slice):
            return self.part(np.arange(len(self))[row])
        origin = self._known[int(self._origins[row])]
        return Reference(self._ids[row].decode(), *origin, float(self._starts[row]))

    def __iter__(self) -> Iterator[Reference]:
        return (self[row] for row in range(len(self)))

    @property
    def labels(self) -> np.ndarray:
        """Labels of all rows, str (n,)."""
        return np.array([origin.label for origin in self._known] or [""])[self._origins]

    @property
    def starts(self) -> np.ndarray:
        """Seconds into their recordings, float64 (n,)."""
        return self._starts

    @property
    def nbytes(self) -> int:
        """Memory of all columns, in bytes."""
        return self._ids.nbytes + self._origins.nbytes + self._starts.nbytes

    def ids(self) -> set[str]:
        """Ids of all references."""
        return {id.decode() for id in np.unique(self._ids).tolist()}

    def systems(self) -> set[str]:
        """Synthesis systems of all references."""
        return {self._known[i].system for i in np.unique(self._origins).tolist()}

    def of(self, ids: Set[str]) -> np.ndarray:
        """Mask of the rows with one of these ids, bool (n,)."""
        return np.isin(self._ids, np.array([id.encode() for id in ids], np.bytes_))

    def passages(self, seconds: float) -> np.ndarray:
        """Passage number of each row, int (n,): equal for rows of the same recording whose starts
        lie in the same passage.

        A remainder at the end of a recording, shorter than half a passage, belongs to the passage
        before.
        """
        if not len(self):
            return np.zeros(0, int)
        recording = np.unique(self._ids, return_inverse=True)[1]
        first, last = np.full(recording.max() + 1, np.inf), np.zeros(recording.max() + 1)
        np.minimum.at(first, recording, self._starts)
        np.maximum.at(last, recording, self._starts)
        most = np.maximum(np.round((last - first) / seconds), 1) - 1
        passage = np.minimum((self._starts - first[recording]) // seconds, most[recording])
        return np.unique(np.stack([recording, passage]), axis=1, return_inverse=True)[1].ravel()

    def part(self, rows: np.ndarray) -> References:
        """The references of the given rows, as numbers or as bool (n,)."""
        return self._made(self._known, self._ids[rows], self._origins[rows], self._starts[rows])

    def joined(self, more: References) -> References:
        """A new sequence with `more` appended."""
        known = tuple(dict.fromkeys(self._known + more._known))
        place = {origin: i for i, origin in enumerate(known)}
        moved = np.array([place[origin] for origin in more._known] or [0], np.int32)[more._origins]
        return self._made(
            known,
            np.concatenate([self._ids, more._ids]),
            np.concatenate([self._origins, moved]),
            np.concatenate([self._starts, more._starts]),
        )

    @classmethod
    def _made(
        cls, known: tuple[Origin, ...], ids: np.ndarray, origins: np.ndarray, starts: np.ndarray
    ) -> References:
        made = cls.__new__(cls)
        made._known, made._ids, made._origins, made._starts = known, ids, origins, starts
        return made


def write_references(path: Path, references: Iterable[Reference]) -> None:
    """Write a CSV file with COLUMNS, for read_references."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([getattr(r, column) for column in COLUMNS] for r in references)


def read_references(path: Path) -> References:
    """Read what write_references wrote. Raises OSError for a missing file, ValueError for other
    content.
    """
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        if (header := tuple(next(lines, ()))) != COLUMNS:
            raise ValueError(f"found columns {header}, expected {COLUMNS}")
        return References(
            Reference(id, *Origin(*origin), float(start_s)) for id, *origin, start_s in lines
        )
