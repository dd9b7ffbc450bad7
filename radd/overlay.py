"""The overlay: references that people confirmed after the bundle was made, and references of the
bundle that they removed.

The bundle's margin does not change, because its calibration was fitted on it. A confirmed recording
counts through its closeness. Closeness is a cosine after two steps: the mean of the other label's
known references is subtracted, and the spread within each label is made equal in all directions, as
in linear discriminant analysis for one example (Hariharan, Malik and Ramanan 2012). What all real
speech has in common then counts for nothing; what separates a confirmed fake from it counts; and
other recordings of the same system come close. Mean vectors of whole windows are compared, because
a single block depends too much on the words. Closeness is expressed in standard deviations of the
closeness of known references of the other label to the same recordings (z-norm, Auckenthaler et al.
2000), because everything comes closer as more recordings are confirmed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import permutations
from typing import NamedTuple

import numpy as np

from radd.encoder import BLOCK_SAMPLES, Encoder, speech_blocks
from radd.errors import ModelError
from radd.independence import Vouchers, likeness_to_itself
from radd.index import NOTHING_NEAR, BundleIndex, Closeness, SearchResult, margin, nearest
from radd.index_sides import LABELS, ExactSide, Side, check_unit, fitting
from radd.references import Reference, References
from radd.types import seconds
from radd.vad import BLOCK_SAMPLES as SPEECH_SAMPLES
from radd.vad import SpeechNetwork, SpeechState

SHRINKAGE = 1.0  # of the spread towards an isotropic one, as a share of its mean
MEASURED = 20_000  # references per label, at most, from which the spread is estimated
# of these, at most, for the cohort: they show how close speech of the other label comes to
# confirmed recordings
COHORT = 1000
# nearest references whose mean stands for a window of such a voice: the index has one block per
# clip
KIN = 4
PORTION = 4096  # passages compared at once
# passages: the nearest recognises the same recording, the mean of two says more about the system
NEAREST = 2
LEAST_SPREAD = 0.02  # of the cohort's cosines
PASSAGE_S = 4.096  # of a confirmed recording with one vector: a window
ID_DIGITS = 12  # 48 bits: no collision among millions of recordings
DAMAGED, ANEW = (
    "the confirmed references are damaged",
    "remove and add them again with train.py index",
)
BLOCK_S = seconds(BLOCK_SAMPLES)
OUT_OF_STEP = 0.3  # of a block: a recording is stored in blocks a quarter of one apart
LEAST_AGAIN = 2.0  # closeness below which no recording is looked for again
# between the blocks of a confirmed recording: small enough that one of them matches at any offset
STEP_HOPS = 2


@dataclass(frozen=True, slots=True)
class Provenance:
    """Provenance of a confirmed recording."""

    label: str
    """bonafide or spoof"""
    system: str
    source: str
    licence: str


class RecordingKey(NamedTuple):
    """Distinguishes confirmed recordings with the same id."""

    label: str
    confirmed: datetime | None
    """None if not recorded"""
    blocks: int
    reviewers: frozenset[str] = frozenset()
    """who confirmed it, each person by one name; empty if not recorded"""


@dataclass(frozen=True, slots=True)
class Overlay:
    """The confirmed references of one encoder at one moment.

    Immutable: `changed` returns a successor that shares the unchanged parts, so that a small change
    of a large overlay takes little time and memory.
    """

    encoder_id: str
    version: int
    """incremented by every change; 0 if nothing was ever confirmed"""
    sides: tuple[Side, ...]
    """confirmed real and confirmed fake references"""
    recordings: Mapping[str, RecordingKey]
    """recordings by id"""
    removed: frozenset[str]
    """ids of the bundle's references that reviewers removed"""

    @classmethod
    def empty(cls, encoder_id: str) -> Overlay:
        """The overlay of an encoder without any confirmed reference."""
        nothing = ExactSide(np.zeros((0, 0), np.float32), References())
        return cls(encoder_id, 0, (nothing, nothing), {}, frozenset())

    @classmethod
    def of(cls, encoder_id: str, references: Iterable[Reference], vectors: np.ndarray) -> Overlay:
        """Version 1 of an overlay with these references and vectors float32 (n, width). Raises
        ModelError like `changed`.
        """
        known = References(references)
        blocks = Counter((r.id, r.label) for r in known)
        recordings = {id: RecordingKey(label, None, n) for (id, label), n in blocks.items()}
        return cls.empty(encoder_id).changed(1, recordings, known, vectors, frozenset())

    def changed(
        self,
        version: int,
        recordings: Mapping[str, RecordingKey],
        references: References,
        vectors: np.ndarray,
        removed: frozenset[str],
    ) -> Overlay:
        """The overlay that holds `recordings`; pass the references of those that are `unknown`
        here, with their vectors float32 (n, width).

        Raises ModelError unless all vectors have unit length and the width of the existing ones.
        """
        if len(vectors) != len(references):
            raise ModelError(
                f"{DAMAGED}: {len(vectors)} vectors of {len(references)} blocks; {ANEW}"
            )
        check_unit(vectors, f"{DAMAGED}: a vector is not of unit length; {ANEW}")
        gone = {
            id: recording.label
            for id, recording in self.recordings.items()
            if recordings.get(id) != recording
        }
        labels, sides = references.labels, []
        for label, side in zip(LABELS, self.sides, strict=True):
            came, went = (
                np.flatnonzero(labels == label),
                {id for id, its in gone.items() if its == label},
            )
            if len(came) and len(side) and side.width != vectors.shape[1]:
                raise ModelError(
                    f"{DAMAGED}: vectors of {side.width} and of {vectors.shape[1]} numbers; {ANEW}"
                )
            if len(came) and not len(side):
                side = ExactSide(vectors[came], references.part(came))
            elif len(came) or went:
                side = side.changed(went, vectors[came], references.part(came))
            sides.append(side)
        return Overlay(self.encoder_id, version, fitting(sides), recordings, removed)

    def unknown(self, recordings: Mapping[str, RecordingKey]) -> list[str]:
        """The ids of recordings that are missing here or have another key."""
        return [id for id, recording in recordings.items() if self.recordings.get(id) != recording]

    def since(self, before: Overlay | None) -> tuple[int, int]:
        """How many references were added and removed since `before`, or since the bundle was
        made.
        """
        if before is None or before.encoder_id != self.encoder_id:
            before = Overlay.empty(self.encoder_id)
        came = sum(self.recordings[id].blocks for id in before.unknown(self.recordings))
        went = sum(before.recordings[id].blocks for id in self.unknown(before.recordings))
        return came + len(before.removed - self.removed), went + len(self.removed - before.removed)

    def __len__(self) -> int:
        return sum(map(len, self.sides))


class OverlaidIndex:
    """A ReferenceIndex of a bundle's index and an overlay. Immutable; a newer overlay needs a new
    one.
    """

    def __init__(self, bundled: BundleIndex, overlay: Overlay) -> None:
        """Raises ModelError for an overlay of another encoder, a damaged one, and one that removes
        too much.
        """
        if overlay.encoder_id != bundled.encoder_id:
            raise ModelError(
                f"the confirmed references were made by encoder {overlay.encoder_id}, the index by "
                f"{bundled.encoder_id}; vectors of two encoders cannot be compared; add the "
                "recordings again"
            )
        for side in overlay.sides:
            if len(side) and side.width != bundled.width:
                raise ModelError(
                    f"{DAMAGED}: vectors of {side.width} numbers, expected {bundled.width}; {ANEW}"
                )
        self._bundled = bundled.without(overlay.removed) if overlay.removed else bundled
        self._confirmed = overlay.sides
        self._known = [
            ConfirmedSide(side, overlay.recordings, *voices) if len(side) else None
            for side, voices in zip(
                overlay.sides, permutations(self._bundled.sample(MEASURED)), strict=True
            )
        ]

    def search(self, embedding: np.ndarray, n: int) -> SearchResult:
        known = self._bundled.sides_near(embedding, n)
        confirmed = [side.nearest(embedding, n) for side in self._confirmed]
        both = [k + c for k, c in zip(known, confirmed, strict=True)]
        return SearchResult(margin(*known), nearest(both[0] + both[1], n))

    def closeness(self, embeddings: np.ndarray) -> tuple[Closeness, Closeness]:
        real, fake = (
            NOTHING_NEAR if known is None else known.closeness(embeddings) for known in self._known
        )
        return real, fake


class ConfirmedSide:
    """The confirmed recordings of one label, as a window is compared with them."""

    def __init__(
        self,
        side: Side,
        recordings: Mapping[str, RecordingKey],
        label: np.ndarray,
        other: np.ndarray,
    ) -> None:
        """Who confirmed what, and known references of the same and of the other label, float32 (n,
        width) and (m, width).
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
        near = self._near(self._spread.of(_voices(other)))
        self._middle, self._deviation = (
            near.mean(axis=0),
            np.maximum(near.std(axis=0), LEAST_SPREAD),
        )

    def closeness(self, embeddings: np.ndarray) -> Closeness:
        """Of the vectors of a window's blocks, float32 (n, width), in deviations of the cohort."""
        cosines = self._passages @ self._spread.of(embeddings.sum(axis=0))
        nearest = np.sort(np.partition(cosines, -min(NEAREST, len(cosines)))[-NEAREST:])[::-1]
        means = np.cumsum(nearest) / np.arange(1, len(nearest) + 1)
        near = float(((means - self._middle) / self._deviation).max())
        others = (self._vouchers.independent(cosines) - self._middle[0]) / self._deviation[0]
        return Closeness(
            near, tuple(others.tolist()), near > LEAST_AGAIN and self._is_again(embeddings)
        )

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


class Spread:
    """The spread of one label's known references relative to those of the other."""

    def __init__(self, label: np.ndarray, other: np.ndarray) -> None:
        """Vectors float32 (n, width) and (m, width)."""
        self._middle = other.mean(axis=0)
        scatter = [np.cov(side.T) * len(side) for side in (label, other)]
        within = (scatter[0] + scatter[1]) / (len(label) + len(other))
        even = SHRINKAGE * np.trace(within) / len(within) * np.eye(len(within))
        self._even_out = np.linalg.cholesky(np.linalg.inv(within + even)).astype(np.float32)

    def of(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (..., width) of any length as unit directions from the other label's mean,
        float32 (..., width).
        """
        units = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
        directions = (units - self._middle) @ self._even_out
        return directions / np.maximum(np.linalg.norm(directions, axis=-1, keepdims=True), 1e-9)


def references_of(
    samples: np.ndarray, speech: np.ndarray, encoder: Encoder, known: Provenance, first: int = 0
) -> tuple[list[Reference], np.ndarray]:
    """The blocks of a recording that contain speech, from sample `first` on, and their vectors
    float32 (n, width).

    `samples` and `speech` are as in DecodedClips. All blocks have the same id: the first digits of
    the SHA-256 of the audio.
    """
    id = hashlib.sha256(samples.tobytes()).hexdigest()[:ID_DIGITS]
    starts = [at for at in speech_blocks(speech, STEP_HOPS) if at >= first]
    vectors = [encoder.embed(samples[at : at + BLOCK_SAMPLES])[0] for at in starts]
    references = [
        Reference(id, known.label, known.system, known.source, known.licence, seconds(at))
        for at in starts
    ]
    return references, np.array(vectors, np.float32).reshape(len(starts), encoder.width)


def references_in(
    samples: np.ndarray, encoder: Encoder, known: Provenance, first: int = 0
) -> tuple[list[Reference], np.ndarray]:
    """Like references_of, for mono 16 kHz audio float32 (n,); speech is detected here."""
    whole = samples[: len(samples) // SPEECH_SAMPLES * SPEECH_SAMPLES]
    return references_of(
        whole, SpeechNetwork().probability(SpeechState(), whole[None])[0], encoder, known, first
    )
