"""What a site enrolled: how its line sounds, and its own voices.

A line moves the operating point of one bundle: LLR' = scale * LLR + offset + pair term. The pair
term compares a window with enrolled fakes and with enrolled people of the same line, so that what
the line does to both of them cancels; it counts only for a fake, and within MOST_PAIR_LLR. An own
voice is a synthesiser or an announcement of the site itself; blocks that come as close to it as its
own recordings come to each other are not scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from radd.encoder import BLOCK_SAMPLES
from radd.index import BundleIndex
from radd.spread import MEASURED, Spread

LINE, OWN_VOICE = KINDS = "line", "own_voice"
MOST_PAIR_LLR = 2.0  # nats, by which the pair of a line lowers an LLR at most
KIN = 3  # nearest enrolled passages or blocks whose mean cosine counts
PASSAGE_SAMPLES = 4 * BLOCK_SAMPLES  # a window; its blocks have one vector


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What the LLRs of one bundle become on a line; see retraining/operating_point.py."""

    scale: float = 1.0
    offset_llr: float = 0.0
    """nats, higher = to bona fide"""
    pair_weight: float = 0.0
    """nats for one unit of the pair's margin, 0 or more; 0 without enrolled fakes"""
    pair_turn: float = 0.0
    """margin below which it counts"""

    def llr(self, llr: float, margin: float) -> float:
        """The LLR on this line, given a window's LLR and its margin between the pair."""
        return self.scale * llr + self.offset_llr + self.pair_llr(margin)

    def pair_llr(self, margin: float) -> float:
        """The pair term, nats, -MOST_PAIR_LLR to 0."""
        return max(-MOST_PAIR_LLR, self.pair_weight * min(0.0, margin - self.pair_turn))


@dataclass(frozen=True, slots=True)
class EnrolledLine:
    """The recordings of a line, as one encoder sees them."""

    real: np.ndarray
    """one vector a passage, float32 (n, width)"""
    fake: np.ndarray
    points: Mapping[str, OperatingPoint]
    """by name and version of the bundle"""


@dataclass(frozen=True, slots=True)
class OwnVoice:
    """Recordings of one of the site's own voices, as one encoder sees them."""

    blocks: np.ndarray
    """float32 (n, width), unit length"""
    begin: float
    """closeness from which a block is this voice, -1 to 1"""
    stay: float
    """the same for a block that follows one"""

    def likeness(self, vector: np.ndarray) -> float:
        """Of a block with this unit vector: 1 or more where it is this voice, 0 or more where it is
        after a block that was.
        """
        return (closeness(vector[None], self.blocks)[0] - self.stay) / (self.begin - self.stay)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Everything that a site enrolled, as one encoder sees it."""

    line: EnrolledLine | None = None
    own: tuple[OwnVoice, ...] = ()


NOT_ENROLLED = Enrolled()


class LinePair:
    """Enrolled people and enrolled fakes of one line, as a window is compared with both."""

    def __init__(self, spread: Spread, real: np.ndarray, fake: np.ndarray) -> None:
        """`spread` of known fakes; one vector a passage, float32 (n, width) and (m, width), n and m
        >= 1.
        """
        self._spread = spread
        self._real, self._fake = spread.of(real), spread.of(fake)

    def margin(self, passage: np.ndarray) -> float:
        """Closeness of a passage (width,) of any length to the people minus that to the fakes, -2
        to 2, higher = bona fide.
        """
        return pair_margin(self._spread.of(passage), self._real, self._fake)


def pair_margin(direction: np.ndarray, real: np.ndarray, fake: np.ndarray) -> float:
    """LinePair.margin, of directions of its spread, float32 (width,), (n, width) and (m, width)."""
    to_real, to_fake = (closeness(direction[None], side)[0] for side in (real, fake))
    return float(to_real - to_fake)


@dataclass(frozen=True, eq=False)
class Site:
    """What was enrolled, as the detector of one bundle applies it."""

    point: OperatingPoint = OperatingPoint()
    pair: LinePair | None = None
    own: tuple[OwnVoice, ...] = ()

    @classmethod
    def of(cls, enrolled: Enrolled, bundle: str, bundled: BundleIndex) -> Site:
        """`bundle` is its name and version. A line that was not measured with it moves nothing."""
        line, point = enrolled.line, OperatingPoint()
        if line is not None:
            point = line.points.get(bundle, point)
        if line is None or not point.pair_weight or not (len(line.real) and len(line.fake)):
            return cls(point, None, enrolled.own)
        return cls(point, LinePair(spread_of_fakes(bundled), line.real, line.fake), enrolled.own)

    def llr(self, llr: float, embeddings: np.ndarray) -> float:
        """The LLR of a window on this line; `embeddings` are the vectors of its blocks, float32 (n,
        width), n >= 0.
        """
        if self.pair is None or not len(embeddings):
            return self.point.scale * llr + self.point.offset_llr
        return self.point.llr(llr, self.pair.margin(embeddings.sum(axis=0)))

    def own_likeness(self, vector: np.ndarray) -> float:
        """OwnVoice.likeness of the likeliest own voice; -inf without any."""
        return max((voice.likeness(vector) for voice in self.own), default=-np.inf)


NO_SITE = Site()


def spread_of_fakes(bundled: BundleIndex) -> Spread:
    """The spread of a bundle's fake references relative to its real ones."""
    real, fake = bundled.sample(MEASURED)
    return Spread(fake, real)


def closeness(vectors: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Mean cosine of unit vectors (n, width) to the KIN nearest of `known` (m, width), m >= 1,
    float32 (n,).
    """
    cosines = vectors @ known.T
    kin = min(KIN, len(known))
    return np.partition(cosines, -kin, axis=1)[:, -kin:].mean(axis=1)


def passages(
    recordings: Sequence[str], start_samples: Sequence[int], vectors: np.ndarray
) -> np.ndarray:
    """One unit vector for each passage of each recording, float32 (n, width); the rows are blocks,
    those of one recording together.
    """
    keys = [(r, at // PASSAGE_SAMPLES) for r, at in zip(recordings, start_samples, strict=True)]
    if not keys:
        return np.zeros((0, vectors.shape[1] if vectors.ndim == 2 else 0), np.float32)
    begins = [k for k, key in enumerate(keys) if k == 0 or key != keys[k - 1]]
    sums = np.add.reduceat(vectors, begins)
    return (sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)).astype(np.float32)
