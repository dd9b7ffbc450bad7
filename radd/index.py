"""Nearest-neighbour search among known real and known fake speech.

Below EXACT_BELOW references, every one is compared. Above, the references of each side are
clustered. The nearest clusters are scanned with a code of 4 bits per pair of numbers (product
quantisation, Jégou et al. 2011; fast scan, André et al. 2017), and the best candidates are compared
exactly. A reported similarity is therefore always exact, and at most one of a hundred neighbours
differs from an exact search (bench/index.md).
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from radd.errors import ModelError, reason
from radd.index_sides import (
    LABELS,
    ClusteredSide,
    Clusters,
    ExactSide,
    Hit,
    Side,
    check_unit,
    kind_of,
    read_clusters,
)
from radd.references import Reference, References, read_references
from radd.types import Neighbour

MARGIN_NEIGHBOURS = 5  # per side; the mean similarities of both sides are compared
FAR = -1000.0  # a closeness below any that speech can have
CLUSTERS_FILE = "clusters_{}.faiss"  # beside the vectors, one per label


class SearchResult(NamedTuple):
    """The result of searching an index for one vector."""

    margin: float
    """mean cosine to the closest real references minus that to the closest fake ones, -2 to 2,
    higher = bona fide
    """
    neighbours: tuple[Neighbour, ...]
    """closest references of both labels, closest first"""


class Closeness(NamedTuple):
    """How near a window is to confirmed recordings of one label; see radd/overlay.py for the
    scale.
    """

    near: float
    """to the nearest, higher = nearer; FAR where there are none"""
    independent: tuple[float, ...] = ()
    """to the nearest of each confirmation that has neither source nor reviewer in common with those
    before it, the nearest first
    """
    is_again: bool = False
    """whether it is a confirmed recording itself that is heard again"""


NOTHING_NEAR = Closeness(FAR)


class ReferenceIndex(Protocol):
    """Labelled vectors of one encoder that can be searched."""

    def search(self, embedding: np.ndarray, n: int) -> SearchResult:
        """Find the n references closest to a unit vector."""
        ...

    def closeness(self, embeddings: np.ndarray) -> tuple[Closeness, Closeness]:
        """Closeness of a window to confirmed real and to confirmed fake recordings.

        `embeddings` are the unit vectors of its blocks, float32 (n, width); see radd/overlay.py for
        the scale.
        """
        ...


class BundleIndex:
    """The references of a bundle. Real and fake ones are separate, so that the larger side does not
    crowd out the other.
    """

    def __init__(
        self,
        encoder_id: str,
        vectors: np.ndarray,
        references: Sequence[Reference],
        clusters: Sequence[Clusters | None] = (None, None),
    ) -> None:
        """Vectors (n, width) of unit length, float16 or float32, in memory or mapped, one reference
        each; existing clusters of each side, if any.

        Raises ModelError if the counts differ, a side has too few references or a vector is not of
        unit length.
        """
        if len(vectors) != len(references):
            raise ModelError(
                f"the index has {len(vectors)} vectors but {len(references)} references; rebuild "
                "the "
                "bundle"
            )
        check_unit(
            vectors, "the index holds vectors that are not of unit length; rebuild the bundle"
        )
        known = references if isinstance(references, References) else References(references)
        labels = known.labels
        sides: list[Side] = []
        for label, made in zip(LABELS, clusters, strict=True):
            rows = np.flatnonzero(labels == label)
            if kind_of(len(rows), len(known)) == ClusteredSide.kind:
                sides.append(ClusteredSide(vectors, rows, known.part(rows), made))
            else:
                sides.append(ExactSide(vectors[rows], known.part(rows)))
        self._take(encoder_id, vectors.shape[1], sides)

    def _take(self, encoder_id: str, width: int, sides: Sequence[Side]) -> None:
        for label, side in zip(LABELS, sides, strict=True):
            if len(side) < MARGIN_NEIGHBOURS:
                raise ModelError(
                    f"the index has {len(side)} {label} references, expected {MARGIN_NEIGHBOURS} "
                    "or more"
                )
        self.encoder_id, self.width, self.sides = encoder_id, width, tuple(sides)

    def __len__(self) -> int:
        return sum(map(len, self.sides))

    def sample(self, n: int) -> list[np.ndarray]:
        """Vectors of the real and of the fake references, all or n evenly spaced ones, float32 (n,
        width).
        """
        return [side.vectors(-(-len(side) // n)) for side in self.sides]

    def ids(self) -> set[str]:
        """Ids of all references."""
        return self.sides[0].references.ids() | self.sides[1].references.ids()

    def systems(self) -> set[str]:
        """Synthesis systems of the fake references."""
        return self.sides[1].references.systems()

    def without(self, ids: Set[str]) -> BundleIndex:
        """A new index without the references of these ids. Raises ModelError if too few remain."""
        nothing = np.zeros((0, self.width), np.float32)
        left = BundleIndex.__new__(BundleIndex)
        left._take(
            self.encoder_id,
            self.width,
            [side.changed(ids, nothing, References()) for side in self.sides],
        )
        return left

    @classmethod
    def load(
        cls, vectors: Path, references: Path, index_encoder: str, encoder_id: str
    ) -> BundleIndex:
        """Load an index from `vectors` (.npy, float16 or float32), `references` (CSV with COLUMNS)
        and existing cluster files beside them. Vectors of clusters stay on disk, mapped.

        Raises ModelError if `index_encoder`, which made the vectors, differs from the querying
        encoder, or a file is damaged.
        """
        if index_encoder != encoder_id:
            raise ModelError(
                f"the index was made by encoder {index_encoder}, but the bundle's encoder is "
                f"{encoder_id}; vectors of two encoders cannot be compared; rebuild the index with "
                "train.py fit"
            )
        try:
            known, rows = np.load(vectors, mmap_mode="r"), read_references(references)
        except (OSError, ValueError, TypeError) as error:
            raise ModelError(
                f"the index {vectors} cannot be read ({reason(error)}); restore the bundle"
            ) from None
        files, labels = (
            [vectors.parent / CLUSTERS_FILE.format(label) for label in LABELS],
            rows.labels,
        )
        made = [
            read_clusters(file, int((labels == label).sum())) if file.exists() else None
            for label, file in zip(LABELS, files, strict=True)
        ]
        return cls(encoder_id, known, rows, made)

    def save_clusters(self, directory: Path) -> None:
        """Write one cluster file per clustered side beside vectors and references, so that `load`
        need not rebuild them.
        """
        for label, side in zip(LABELS, self.sides, strict=True):
            file = directory / CLUSTERS_FILE.format(label)
            file.unlink(missing_ok=True)
            if isinstance(side, ClusteredSide):
                side.save(file)

    def search(self, embedding: np.ndarray, n: int) -> SearchResult:
        real, fake = self.sides_near(embedding, n)
        return SearchResult(margin(real, fake), nearest(real + fake, n))

    def closeness(self, embeddings: np.ndarray) -> tuple[Closeness, Closeness]:
        return NOTHING_NEAR, NOTHING_NEAR

    def sides_near(self, embedding: np.ndarray, n: int) -> list[list[Hit]]:
        """The n nearest real and the n nearest fake references, but at least MARGIN_NEIGHBOURS of
        each.
        """
        if embedding.shape != (self.width,):
            raise ModelError(f"a query has shape {embedding.shape}; expected {self.width} numbers")
        return [side.nearest(embedding, max(n, MARGIN_NEIGHBOURS)) for side in self.sides]


def margin(real: list[Hit], fake: list[Hit]) -> float:
    """SearchResult.margin of the nearest references of each side."""
    means = [
        np.mean([similarity for similarity, _ in side[:MARGIN_NEIGHBOURS]]) for side in (real, fake)
    ]
    return float(means[0] - means[1])


def nearest(found: list[Hit], n: int) -> tuple[Neighbour, ...]:
    """The n references with the highest cosine, in the form shown to users."""
    closest = sorted(found, key=lambda pair: -pair[0])[:n]
    return tuple(Neighbour(r.id, r.label, r.system, round(s, 4)) for s, r in closest)
