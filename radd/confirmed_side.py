"""Confirmed recordings of one label, as a window is compared with them: see radd/overlay.py."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import numpy as np

from radd.encoder import BLOCK_SAMPLES
from radd.independence import Vouchers, likeness_to_itself
from radd.index import Closeness
from radd.index_sides import Side
from radd.spread import Spread
from radd.types import seconds

# of the known references, at most, for the cohort: they show how close speech of the other label
# comes to confirmed recordings
COHORT = 1000
# people or fakes that a line needs enrolled to be a cohort of its own, in passages
FEWEST_OF_LINE = 10
# nearest references whose mean stands for a window of such a voice: the index has one block per
# clip
KIN = 4
PORTION = 4096  # passages compared at once
# passages: the nearest recognises the same recording, the mean of two says more about the system
NEAREST = 2
LEAST_SPREAD = 0.02  # of the cohort's cosines
PASSAGE_S = 4.096  # of a confirmed recording with one vector: a window
BLOCK_S = seconds(BLOCK_SAMPLES)
OUT_OF_STEP = 0.3  # of a block: a recording is stored in blocks a quarter of one apart
LEAST_AGAIN = 2.0  # closeness below which no recording is looked for again


class RecordingKey(NamedTuple):
    """Distinguishes confirmed recordings with the same id."""

    label: str
    confirmed: datetime | None
    """None if not recorded"""
    blocks: int
    reviewers: frozenset[str] = frozenset()
    """who confirmed it, each person by one name; empty if not recorded"""


class ConfirmedSide:
    """The confirmed recordings of one label, as a window is compared with them."""

    def __init__(
        self,
        side: Side,
        recordings: Mapping[str, RecordingKey],
        label: np.ndarray,
        other: np.ndarray,
        line: np.ndarray,
    ) -> None:
        """Who confirmed what; known references of the same and of the other label, float32 (n,
        width) and (m, width); and enrolled passages of the other label on this line (k, width).

        A line with FEWEST_OF_LINE passages is a second cohort: what comes close to everyone on the
        line is not close.
        """
        self._side, self._spread = side, Spread(label, other)
        passage = side.references.passages(PASSAGE_S)
        order = np.argsort(passage, kind="stable")
        begins = np.flatnonzero(np.diff(passage[order], prepend=-1))
        vectors = side.vectors()
        self._passages = self._spread.of(np.add.reduceat(vectors[order], begins))
        heads = list(side.references.part(order[begins]))
        self._vouchers = Vouchers(
            [one.source for one in heads], [recordings[one.id].reviewers for one in heads]
        )
        self._itself = likeness_to_itself(side.references, vectors)
        heard = [_voices(other)] + [line] * (len(line) >= FEWEST_OF_LINE)
        near = [self._near(self._spread.of(voices)) for voices in heard]
        self._cohorts = [
            (cosines.mean(axis=0), np.maximum(cosines.std(axis=0), LEAST_SPREAD))
            for cosines in near
        ]

    def closeness(self, embeddings: np.ndarray) -> Closeness:
        """Of the vectors of a window's blocks, float32 (n, width), in deviations of the cohort."""
        cosines = self._passages @ self._spread.of(embeddings.sum(axis=0))
        nearest = np.sort(np.partition(cosines, -min(NEAREST, len(cosines)))[-NEAREST:])[::-1]
        means = np.cumsum(nearest) / np.arange(1, len(nearest) + 1)
        near = float(self._normalised(means).max())
        independent = self._vouchers.independent(cosines)[:, None]
        others = self._normalised(independent)[:, 0]
        return Closeness(
            near, tuple(others.tolist()), near > LEAST_AGAIN and self._is_again(embeddings)
        )

    def _normalised(self, cosines: np.ndarray) -> np.ndarray:
        """Cosines (..., 1 or 2) as deviations of the cohort to which they are the least unusual."""
        n = cosines.shape[-1]
        each = [(cosines - middle[:n]) / spread[:n] for middle, spread in self._cohorts]
        return np.min(each, axis=0)

    def _is_again(self, embeddings: np.ndarray) -> bool:
        """Whether two or more blocks are as near to blocks of one recording as those are to each
        other, and follow one another as there.
        """
        cosines, known = zip(
            *(self._side.nearest(vector, 1)[0] for vector in embeddings), strict=True
        )
        steps = np.diff([reference.start_s for reference in known]) / BLOCK_S
        is_one = len(known) > 1 and len({reference.id for reference in known}) == 1
        is_in_step = bool(np.all(np.rint(steps) >= 1)) and bool(
            np.all(np.abs(steps - np.rint(steps)) <= OUT_OF_STEP)
        )
        likeness = self._itself.get(known[0].id, np.inf)
        return is_one and is_in_step and float(np.mean(cosines)) >= likeness

    def _near(self, directions: np.ndarray) -> np.ndarray:
        """Mean cosines to the one and to the two nearest passages, if there are that many, float32
        (n, 1 or 2).
        """
        nearest = np.zeros((len(directions), 0), np.float32)
        for begin in range(0, len(self._passages), PORTION):
            cosines = np.hstack([nearest, directions @ self._passages[begin : begin + PORTION].T])
            nearest = np.partition(cosines, -min(NEAREST, cosines.shape[1]), axis=1)[:, -NEAREST:]
        return np.cumsum(np.sort(nearest, axis=1)[:, ::-1], axis=1) / np.arange(
            1, nearest.shape[1] + 1
        )


def _voices(known: np.ndarray) -> np.ndarray:
    """Simulated windows of the voices of references (n, width): at most COHORT, (m, width), of any
    length.
    """
    cosines = known[:: -(-len(known) // COHORT)] @ known.T
    kin = min(KIN, len(known))
    return known[np.argpartition(cosines, -kin, axis=1)[:, -kin:]].sum(axis=1)
