"""The references of one label: exact or clustered search by cosine.

The only module that imports FAISS.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path
from typing import NamedTuple, Protocol

import faiss
import numpy as np

from radd.errors import ModelError
from radd.references import Reference, References

LABELS = ("bonafide", "spoof")
EXACT_BELOW = 50_000  # references, both sides together
LEAST_CLUSTERED = 5_000  # a side with fewer references stays exact
CLUSTERS = 512  # per side, each with at least MEMBERS vectors
MEMBERS = 100  # fewer would make clusters of chance neighbours
PROBED = 0.4  # share of the clusters that are scanned, but at least LEAST_PROBED
LEAST_PROBED = 16  # few clusters must be scanned almost completely to keep the recall
COMPARED = 100  # candidates that are compared exactly, at least ...
ONE_OF = 2000  # ... or one of this many references of the side
# references added or removed since the clusters were built; above this the clusters are rebuilt
TAIL = 10_000
TAUGHT = 40_000  # vectors that the clusters and the code are fitted on
PORTION = 65_536  # vectors read at once
Clusters = faiss.IndexIVF
Hit = tuple[float, Reference]  # cosine similarity to the query, and the reference


class Memory(NamedTuple):
    """Memory used by references, in bytes."""

    held: int
    mapped: int
    """memory-mapped file, which the operating system loads and evicts as needed"""


class Side(Protocol):
    """References of one label. Immutable, so it may be searched while another thread builds its
    successor.
    """

    kind: str
    """exact or clustered"""
    width: int

    @property
    def references(self) -> References: ...

    def __len__(self) -> int: ...

    def nearest(self, embedding: np.ndarray, n: int) -> list[Hit]:
        """The n nearest references, or all if there are fewer, nearest first."""
        ...

    def changed(self, gone: Set[str], vectors: np.ndarray, references: References) -> Side:
        """A new side without the references `gone` and with the given ones, vectors float32 (n,
        width) of unit length.
        """
        ...

    def vectors(self, step: int = 1) -> np.ndarray:
        """Vectors float32 (n, width), of every `step`-th reference."""
        ...

    def memory(self) -> Memory: ...

    @property
    def scanned_bytes(self) -> int:
        """Lower bound of the bytes that a search reads."""
        ...


class ExactSide:
    """Compares every vector."""

    kind = "exact"

    def __init__(self, vectors: np.ndarray, references: References) -> None:
        """Vectors (n, width) of unit length, one reference each; n may be 0."""
        self.width, self.references = vectors.shape[1], references
        self._vectors = faiss.IndexFlatIP(self.width)
        self._vectors.add(np.ascontiguousarray(vectors, np.float32))
        faiss.omp_set_num_threads(1)

    def __len__(self) -> int:
        return self._vectors.ntotal

    def nearest(self, embedding: np.ndarray, n: int) -> list[Hit]:
        if not len(self):
            return []
        similarity, order = self._vectors.search(embedding[None], min(n, len(self)))
        return [
            (float(s), self.references[i]) for s, i in zip(similarity[0], order[0], strict=True)
        ]

    def changed(self, gone: Set[str], vectors: np.ndarray, references: References) -> ExactSide:
        stays = ~self.references.of(gone)
        return ExactSide(
            _joined(self.vectors()[stays], vectors), self.references.part(stays).joined(references)
        )

    def vectors(self, step: int = 1) -> np.ndarray:
        held = (
            self._vectors.reconstruct_n(0, len(self))
            if len(self)
            else np.zeros((0, self.width), np.float32)
        )
        return held[::step]

    def memory(self) -> Memory:
        return Memory(self.scanned_bytes + self.references.nbytes, 0)

    @property
    def scanned_bytes(self) -> int:
        return 4 * self.width * len(self)


class ClusteredSide:
    """Compares only the most promising vectors. References added after clustering form an exact
    tail.
    """

    kind = "clustered"

    def __init__(
        self,
        vectors: np.ndarray,
        rows: np.ndarray,
        references: References,
        clusters: faiss.IndexIVF | None = None,
    ) -> None:
        """The rows of `vectors` (n, width) that belong to this side, float16 or float32 of unit
        length, in memory or mapped; one reference per row. Pass `clusters` that were built from
        them earlier to save the building.
        """
        self.width = vectors.shape[1]
        self._vectors, self._rows, self._base = vectors, rows, references
        self._clusters = _clusters(vectors, rows) if clusters is None else clusters
        self._compared = max(COMPARED, len(rows) // ONE_OF)
        self._stays: np.ndarray | None = None
        self._tail = ExactSide(np.zeros((0, self.width), np.float32), References())

    def __len__(self) -> int:
        return (len(self._base) if self._stays is None else int(self._stays.sum())) + len(
            self._tail
        )

    @property
    def references(self) -> References:
        return (self._base if self._stays is None else self._base.part(self._stays)).joined(
            self._tail.references
        )

    def nearest(self, embedding: np.ndarray, n: int) -> list[Hit]:
        found = self._scan(embedding, n, self._clusters.nprobe)
        if len(found) < n:
            found = self._scan(embedding, n, self._clusters.nlist)
        similarity = np.asarray(self._vectors[self._rows[found]], np.float32) @ embedding
        best = np.argsort(-similarity, kind="stable")[:n]
        hits = [(float(similarity[i]), self._base[found[i]]) for i in best]
        return sorted(hits + self._tail.nearest(embedding, n), key=lambda hit: -hit[0])[:n]

    def _scan(self, embedding: np.ndarray, n: int, probed: int) -> np.ndarray:
        """Rows of the base that look nearest in the nearest clusters."""
        settings = faiss.SearchParametersIVF()
        settings.nprobe = probed
        if self._stays is not None:
            kept = np.packbits(self._stays, bitorder="little")
            # FAISS's stub describes the C++ constructor, its Python wrapper takes the bits alone
            settings.sel = faiss.IDSelectorBitmap(kept)  # type: ignore[call-arg, arg-type]
        found = self._clusters.search(embedding[None], max(n, self._compared), params=settings)[1][
            0
        ]
        return found[found >= 0]

    def changed(self, gone: Set[str], vectors: np.ndarray, references: References) -> Side:
        made = ClusteredSide(self._vectors, self._rows, self._base, self._clusters)
        made._tail = self._tail.changed(gone, vectors, references)
        stays = ~self._base.of(gone)
        stays = stays if self._stays is None else stays & self._stays
        made._stays = None if stays.all() else stays
        if len(made._tail) + len(stays) - int(stays.sum()) > TAIL:
            return (clustered if len(made) >= LEAST_CLUSTERED else ExactSide)(
                made.vectors(), made.references
            )
        return made

    def vectors(self, step: int = 1) -> np.ndarray:
        rows = self._rows if self._stays is None else self._rows[self._stays]
        return _joined(
            np.asarray(self._vectors[rows[::step]], np.float32), self._tail.vectors(step)
        )

    def memory(self) -> Memory:
        codes = (
            len(self._base) * (self._clusters.code_size + 8) + 4 * self._clusters.nlist * self.width
        )
        held = codes + self._base.nbytes + self._rows.nbytes + self._tail.memory().held
        share = self._vectors.itemsize * self._vectors.shape[1] * len(self._rows)
        return (
            Memory(held, share) if isinstance(self._vectors, np.memmap) else Memory(held + share, 0)
        )

    @property
    def scanned_bytes(self) -> int:
        share = min(1, self._clusters.nprobe / self._clusters.nlist)
        whole = 4 * self.width * (self._clusters.nlist + self._compared) + self._tail.scanned_bytes
        return round(share * len(self._base)) * self._clusters.code_size + whole

    def save(self, path: Path) -> None:
        """Write the clusters for read_clusters, without references added later."""
        faiss.write_index(self._clusters, str(path))


def clustered(vectors: np.ndarray, references: References) -> ClusteredSide:
    """A clustered side of all these vectors."""
    return ClusteredSide(vectors, np.arange(len(vectors)), references)


def fitting(sides: Sequence[Side]) -> tuple[Side, ...]:
    """The same references as exact or clustered sides, depending on their number."""
    total = sum(map(len, sides))
    return tuple(_fitting(side, total) for side in sides)


def _fitting(side: Side, total: int) -> Side:
    kind = kind_of(len(side), total)
    if kind == side.kind:
        return side
    return (clustered if kind == ClusteredSide.kind else ExactSide)(side.vectors(), side.references)


def kind_of(n: int, total: int) -> str:
    return (ClusteredSide if total >= EXACT_BELOW and n >= LEAST_CLUSTERED else ExactSide).kind


def _clusters(vectors: np.ndarray, rows: np.ndarray) -> faiss.IndexIVFPQFastScan:
    faiss.omp_set_num_threads(1)
    width = vectors.shape[1]
    lists = min(CLUSTERS, max(1, len(rows) // MEMBERS))
    index = faiss.IndexIVFPQFastScan(
        faiss.IndexFlatIP(width),
        width,
        lists,
        width // (2 - width % 2),
        4,
        faiss.METRIC_INNER_PRODUCT,
    )
    index.by_residual, index.nprobe = False, max(LEAST_PROBED, round(PROBED * lists))
    index.cp.niter, index.cp.spherical = 6, True
    index.cp.min_points_per_centroid = index.pq.cp.min_points_per_centroid = 1
    taught = np.sort(np.random.default_rng(0).permutation(len(rows))[:TAUGHT])
    index.train(np.asarray(vectors[rows[taught]], np.float32))
    for begin in range(0, len(rows), PORTION):
        index.add(np.asarray(vectors[rows[begin : begin + PORTION]], np.float32))
    return index


def read_clusters(path: Path, n: int) -> faiss.IndexIVF:
    """Read the clusters of n vectors. Raises ModelError if the file is damaged or belongs to other
    vectors.
    """
    try:
        clusters = faiss.read_index(str(path))
    except RuntimeError:  # its words are places in the library's source
        raise ModelError(f"{path} cannot be read as a FAISS index; restore the bundle") from None
    if not isinstance(clusters, faiss.IndexIVF):
        raise ModelError(
            f"{path} holds no clusters but {type(clusters).__name__}; restore the bundle"
        )
    if clusters.ntotal != n:
        raise ModelError(
            f"the clusters {path} hold {clusters.ntotal} vectors, the index {n}; restore the bundle"
        )
    return clusters


def _joined(vectors: np.ndarray, more: np.ndarray) -> np.ndarray:
    return np.concatenate([vectors, more]) if len(more) else vectors


def check_unit(vectors: np.ndarray, message: str) -> None:
    """Raise ModelError with `message` unless all vectors (n, width) have unit length."""
    for begin in range(0, len(vectors), PORTION):
        part = np.asarray(vectors[begin : begin + PORTION], np.float32)
        if not np.allclose(np.linalg.norm(part, axis=1), 1, atol=1e-3):
            raise ModelError(message)
