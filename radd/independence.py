"""How many confirmations of a sound are independent, and when a confirmed recording itself is heard
again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from radd.references import References

INDEPENDENT = 4  # confirmations, at most, that count
LOOKED_AT = 256  # of the nearest sources and reviewers, at most, for independent ones
NOBODY = frozenset({""})  # who confirmed where nobody noted it: one person


class Vouchers:
    """Which passages stand for each other: those of one source or of one reviewer are one
    confirmation, however many they are.
    """

    def __init__(self, sources: Sequence[str], reviewers: Sequence[frozenset[str]]) -> None:
        """Of each passage."""
        numbers: dict[tuple[str, frozenset[str]], int] = {}
        of = np.array(
            [
                numbers.setdefault((source, who or NOBODY), len(numbers))
                for source, who in zip(sources, reviewers, strict=True)
            ]
        )
        self._known = list(numbers)
        self._order = np.argsort(of, kind="stable")
        self._begins = np.flatnonzero(np.diff(of[self._order], prepend=-1))

    def independent(self, cosines: np.ndarray) -> np.ndarray:
        """Of cosines to all passages (n,) the best of each independent confirmation, the nearest
        first, at most INDEPENDENT: each of a source and of a reviewer that none before it has.
        """
        best = np.maximum.reduceat(cosines[self._order], self._begins)
        sources: set[str] = set()
        reviewers: frozenset[str] = frozenset()
        found: list[float] = []
        for number in np.argsort(-best, kind="stable")[:LOOKED_AT]:
            source, who = self._known[number]
            if source not in sources and not who & reviewers:
                sources.add(source)
                reviewers |= who
                found.append(best[number])
        return np.array(found[:INDEPENDENT], np.float32)


def likeness_to_itself(references: References, vectors: np.ndarray) -> dict[str, float]:
    """By the id of a recording the mean cosine of its neighbouring blocks, vectors float32 (n,
    width) of unit length: heard again, a block lies nearer to one of them than they to each other.

    A recording of one block is left out.
    """
    recording = references.passages(np.inf)
    order = np.lexsort((references.starts, recording))
    is_same = np.diff(recording[order]) == 0
    cosines = np.einsum("nw,nw->n", vectors[order[1:]], vectors[order[:-1]])[is_same]
    of = recording[order[1:]][is_same]
    sums, counts = np.bincount(of, cosines), np.bincount(of)
    numbers, rows = np.unique(recording, return_index=True)
    return {
        references[row].id: float(sums[k] / counts[k])
        for k, row in zip(numbers.tolist(), rows.tolist(), strict=True)
        if k < len(counts) and counts[k]
    }
