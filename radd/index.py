"""Known real and known fake speech: the one door of FAISS."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import faiss
import numpy as np

from radd.errors import ModelError
from radd.types import Neighbour

LABELS = ("bonafide", "spoof")
MARGIN_NEIGHBOURS = 5  # of each side; their mean similarities are compared
COLUMNS = ("id", "label", "system", "source", "licence", "start_s")


@dataclass(frozen=True, slots=True)
class Reference:
    """Where one vector of the index comes from."""

    id: str
    label: str
    """bonafide or spoof"""
    system: str
    source: str
    licence: str
    start_s: float
    """seconds into its recording"""


class ReferenceIndex(Protocol):
    """Labelled vectors of one encoder that can be searched."""

    def search(self, embedding: np.ndarray, n: int) -> tuple[float, tuple[Neighbour, ...]]:
        """The margin, -2 to 2, higher = bona fide, and the n closest of all references, closest first.

        The margin is the mean cosine of the closest real references less that of the closest fake ones.
        """
        ...


class FlatIndex:
    """Exact cosine search, real and fake speech apart, so that the larger side does not crowd the other out."""

    def __init__(self, encoder_id: str, vectors: np.ndarray, references: list[Reference]) -> None:
        """Vectors float32 (n, width) of unit length, one reference each.

        Raises ModelError where counts differ, a side has too few references or a vector is not of unit length.
        """
        if len(vectors) != len(references):
            raise ModelError(f"the index has {len(vectors)} vectors but {len(references)} references; rebuild the bundle")
        if len(vectors) and not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3):
            raise ModelError("the index holds vectors that are not of unit length; rebuild the bundle")
        self.encoder_id, self.width = encoder_id, vectors.shape[1]
        self._sides = []
        for label in LABELS:
            chosen = [i for i, r in enumerate(references) if r.label == label]
            if len(chosen) < MARGIN_NEIGHBOURS:
                raise ModelError(f"the index has {len(chosen)} {label} references, expected {MARGIN_NEIGHBOURS} or more")
            side = faiss.IndexFlatIP(self.width)
            side.add(np.ascontiguousarray(vectors[chosen], np.float32))
            self._sides.append((side, [references[i] for i in chosen]))
        faiss.omp_set_num_threads(1)

    def __len__(self) -> int:
        return sum(side.ntotal for side, _ in self._sides)

    @classmethod
    def load(cls, vectors: Path, references: Path, index_encoder: str, encoder_id: str) -> FlatIndex:
        """The index of the files `vectors` (.npy, float16 or float32) and `references` (CSV with COLUMNS).

        Raises ModelError where `index_encoder`, which made the vectors, is not the encoder that will ask, or a file is
        damaged.
        """
        if index_encoder != encoder_id:
            raise ModelError(
                f"the index was made by encoder {index_encoder}, but the bundle's encoder is {encoder_id}; "
                "vectors of two encoders do not compare: rebuild the index with train.py fit"
            )
        try:
            known = np.load(vectors).astype(np.float32)
            with references.open(newline="", encoding="utf-8") as lines:
                rows = [Reference(**{**row, "start_s": float(row["start_s"])}) for row in csv.DictReader(lines)]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelError(f"the index {vectors} cannot be read ({error}); restore the bundle") from None
        return cls(encoder_id, known, rows)

    def search(self, embedding: np.ndarray, n: int) -> tuple[float, tuple[Neighbour, ...]]:
        if embedding.shape != (self.width,):
            raise ModelError(f"a vector of shape {embedding.shape} was looked up, the index holds {self.width} numbers each")
        means, found = [], []
        for side, references in self._sides:
            similarity, order = side.search(embedding[None], min(max(n, MARGIN_NEIGHBOURS), side.ntotal))
            means.append(float(similarity[0, :MARGIN_NEIGHBOURS].mean()))
            found += [(float(s), references[i]) for s, i in zip(similarity[0], order[0], strict=True)]
        found.sort(key=lambda pair: -pair[0])
        return means[0] - means[1], tuple(Neighbour(r.id, r.label, r.system, round(s, 4)) for s, r in found[:n])


def write_references(path: Path, references: list[Reference]) -> None:
    """One line of provenance a vector, as `FlatIndex.load` reads it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([getattr(r, column) for column in COLUMNS] for r in references)
