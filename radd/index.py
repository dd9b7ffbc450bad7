"""Known real and known fake speech: the one door of FAISS."""

from __future__ import annotations

import csv
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import faiss
import numpy as np

from radd.errors import ModelError
from radd.types import Neighbour

LABELS = ("bonafide", "spoof")
MARGIN_NEIGHBOURS = 5  # of each side; their mean similarities are compared
COLUMNS = ("id", "label", "system", "source", "licence", "start_s")
FAR = -20.0  # a closeness below all that two unit vectors can have


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


Hit = tuple[float, Reference]  # a reference and before it its cosine to what was looked up


class Found(NamedTuple):
    """What an index says of one vector."""

    margin: float
    """mean cosine of the closest real references less that of the closest fake ones, -2 to 2, higher = bona fide"""
    neighbours: tuple[Neighbour, ...]
    """of all references the closest, closest first"""
    closeness: tuple[float, float]
    """how near a confirmed real and a confirmed fake reference is, FAR to 13: see radd/overlay.py"""


class ReferenceIndex(Protocol):
    """Labelled vectors of one encoder that can be searched."""

    def search(self, embedding: np.ndarray, n: int) -> Found:
        """What is closest to a unit vector, with n neighbours."""
        ...


class Side:
    """References of one label, searched exactly."""

    def __init__(self, vectors: np.ndarray, references: Sequence[Reference]) -> None:
        """Vectors float32 (n, width) of unit length, one reference each; n may be 0."""
        self.references = references
        self._vectors = faiss.IndexFlatIP(vectors.shape[1])
        self._vectors.add(np.ascontiguousarray(vectors, np.float32))
        faiss.omp_set_num_threads(1)

    def __len__(self) -> int:
        return self._vectors.ntotal

    def nearest(self, embedding: np.ndarray, n: int) -> list[Hit]:
        """The n nearest, or of all where there are fewer, nearest first."""
        if not len(self):
            return []
        similarity, order = self._vectors.search(embedding[None], min(n, len(self)))
        return [(float(s), self.references[i]) for s, i in zip(similarity[0], order[0], strict=True)]

    def vectors(self) -> np.ndarray:
        return self._vectors.reconstruct_n(0, len(self))


class FlatIndex:
    """Exact cosine search, real and fake speech apart, so that the larger side does not crowd the other out."""

    def __init__(self, encoder_id: str, vectors: np.ndarray, references: list[Reference]) -> None:
        """Vectors float32 (n, width) of unit length, one reference each.

        Raises ModelError where counts differ, a side has too few references or a vector is not of unit length.
        """
        if len(vectors) != len(references):
            raise ModelError(f"the index has {len(vectors)} vectors, {len(references)} references; rebuild the bundle")
        if len(vectors) and not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3):
            raise ModelError("the index holds vectors that are not of unit length; rebuild the bundle")
        self.encoder_id, self.width, self._sides = encoder_id, vectors.shape[1], []
        labels = np.array([r.label for r in references], str)
        for label in LABELS:
            side = Side(vectors[labels == label], [r for r in references if r.label == label])
            if len(side) < MARGIN_NEIGHBOURS:
                raise ModelError(f"the index has {len(side)} {label} references, expected {MARGIN_NEIGHBOURS} or more")
            self._sides.append(side)

    def __len__(self) -> int:
        return sum(len(side) for side in self._sides)

    def ids(self) -> set[str]:
        return {r.id for side in self._sides for r in side.references}

    def systems(self) -> set[str]:
        """Of the fake references."""
        return {r.system for r in self._sides[1].references}

    def without(self, ids: Set[str]) -> FlatIndex:
        """The index that is left when the references of these ids are gone; raises ModelError where that is too few."""
        vectors = np.concatenate([side.vectors() for side in self._sides])
        references = [r for side in self._sides for r in side.references]
        kept = [i for i, r in enumerate(references) if r.id not in ids]
        return FlatIndex(self.encoder_id, vectors[kept], [references[i] for i in kept])

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

    def search(self, embedding: np.ndarray, n: int) -> Found:
        real, fake = self.sides_near(embedding, n)
        return Found(margin(real, fake), nearest(real + fake, n), (FAR, FAR))

    def sides_near(self, embedding: np.ndarray, n: int) -> list[list[Hit]]:
        """The n nearest real and the n nearest fake references, or MARGIN_NEIGHBOURS of each where n is less."""
        if embedding.shape != (self.width,):
            raise ModelError(f"a vector of shape {embedding.shape} was looked up, expected {self.width} numbers each")
        return [side.nearest(embedding, max(n, MARGIN_NEIGHBOURS)) for side in self._sides]


def margin(real: list[Hit], fake: list[Hit]) -> float:
    """Found.margin of the nearest references of each side."""
    means = [np.mean([similarity for similarity, _ in side[:MARGIN_NEIGHBOURS]]) for side in (real, fake)]
    return float(means[0] - means[1])


def nearest(found: list[Hit], n: int) -> tuple[Neighbour, ...]:
    """The n of highest cosine, as people are shown them."""
    closest = sorted(found, key=lambda pair: -pair[0])[:n]
    return tuple(Neighbour(r.id, r.label, r.system, round(s, 4)) for s, r in closest)


def write_references(path: Path, references: list[Reference]) -> None:
    """One line of provenance a vector, as `FlatIndex.load` reads it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([getattr(r, column) for column in COLUMNS] for r in references)
