"""Fusion and calibration: the scores of the parts -> one log-likelihood ratio, separately for each
length of speech.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from radd.errors import ModelError
from radd.index import FAR, Closeness

PARTS = ("spectrum", "encoder", "retrieval")


class Bound(NamedTuple):
    """How far confirmations of one label may move an LLR."""

    lone: float
    """share of the LLR, for confirmations of one source or one reviewer"""
    step: float
    """nats for each further independent confirmation"""


BOUNDS = REAL_BOUND, FAKE_BOUND = Bound(0.0, 0.75), Bound(0.25, 1.5)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Affine logistic fusion (Brummer and du Preez 2006) at a few lengths of speech, interpolated
    between them.

    `alone` is used until a block has been encoded, and by detectors with a single score; `fused`
    combines all parts. Each row holds the weights of its parts, then the offset. The result is in
    nats, higher = bona fide.
    """

    speech_s: tuple[float, ...]
    """lengths of speech at which it was fitted, ascending (n,)"""
    alone: tuple[tuple[float, ...], ...]
    """(n, 2)"""
    fused: tuple[tuple[float, ...], ...] = ()
    """(n, 4); empty for a detector with a single score"""
    closeness: tuple[tuple[float, float, float], ...] = ()
    """(2, 3): weight, offset and cap of the closeness to confirmed real and to confirmed fake
    references (see radd/overlay.py); empty if it was not measured
    """

    def __post_init__(self) -> None:
        n = len(self.speech_s)
        shapes = np.shape(self.alone), np.shape(self.fused)
        expected = {((n, 2), (n, 1 + len(PARTS))), ((n, 2), (0,))}
        if n == 0 or shapes not in expected or np.any(np.diff(self.speech_s) <= 0):
            raise ModelError(
                f"calibration of shapes {shapes} for {n} lengths; expected ascending lengths and "
                "one row each"
            )
        shape = np.shape(self.closeness)
        if shape not in ((0,), (2, 3)) or any(
            w < 0 or w * FAR + offset > 0 for w, offset, _ in self.closeness
        ):
            raise ModelError(
                f"calibration of confirmed references {self.closeness}; expected two rows that "
                "rise and are zero where nothing was confirmed"
            )

    def llr(
        self,
        speech_s: float,
        spectrum: float,
        encoder: float | None = None,
        retrieval: float | None = None,
    ) -> float:
        """The log-likelihood ratio of a window with `speech_s` seconds of speech."""
        rows: Sequence[Sequence[float]] = self.alone
        scores: tuple[float, ...] = (spectrum,)
        if encoder is not None and retrieval is not None:
            rows, scores = self.fused, (spectrum, encoder, retrieval)
        row = [np.interp(speech_s, self.speech_s, column) for column in zip(*rows, strict=True)]
        return float(np.dot(row[:-1], scores) + row[-1])

    def overrule(self, llr: float, closeness: Sequence[Closeness]) -> float:
        """The LLR once people's confirmations of real and of fake recordings have been heard.

        The closeness to a confirmed reference is evidence of its own, and its log likelihood ratio
        is added: that of a confirmed fake speaks for a fake, that of a confirmed person's voice for
        a person. It counts from 0 to its cap, so that a confirmation never speaks against its own
        label, and within the bounds of `most_moved`, so that nobody blinds the detector.
        """
        moved = 0.0
        for direction, bound, near, row in zip(
            (1, -1), BOUNDS, closeness, self.closeness, strict=False
        ):
            moved += direction * min(_evidence(near.near, row), most_moved(llr, bound, near, row))
        return llr + moved


def most_moved(llr: float, bound: Bound, near: Closeness, row: tuple[float, float, float]) -> float:
    """How far confirmations of one label may move an LLR, in nats.

    A recording that is heard again: without bound. Confirmations of one source or one reviewer: of
    a person's voice not at all, so that they suppress no alert; of a fake by a quarter of the LLR
    and no more than one step, so that they never turn evidence for a person into evidence for a
    fake. Each further independent confirmation, of another source by another reviewer: one step
    more, smaller for a person's voice than for a fake.
    """
    if near.is_again:
        return math.inf
    independent = sum(_evidence(one, row) > 0 for one in near.independent)
    if independent > 1:
        return bound.step * (independent - 1)
    return min(bound.step, bound.lone * abs(llr))


def _evidence(near: float, row: tuple[float, float, float]) -> float:
    """For its own label, in nats, 0 or more."""
    weight, offset, cap = row
    return max(0.0, min(cap, weight * near + offset))
