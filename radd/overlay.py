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
from itertools import permutations

import numpy as np

from radd.confirmed_side import ConfirmedSide, RecordingKey
from radd.encoder import BLOCK_HOPS, BLOCK_SAMPLES, Encoder, speech_blocks
from radd.enrolled import NOT_ENROLLED, Enrolled
from radd.errors import ModelError
from radd.index import NOTHING_NEAR, BundleIndex, Closeness, SearchResult, margin, nearest
from radd.index_sides import LABELS, ExactSide, Side, check_unit, fitting
from radd.references import Reference, References
from radd.spread import MEASURED
from radd.types import seconds
from radd.vad import BLOCK_SAMPLES as SPEECH_SAMPLES
from radd.vad import SpeechNetwork, SpeechState

ID_DIGITS = 12  # 48 bits: no collision among millions of recordings
DAMAGED, ANEW = (
    "the confirmed references are damaged",
    "remove and add them again with train.py index",
)
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
    enrolled: Enrolled = NOT_ENROLLED

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
        return Overlay(self.encoder_id, version, fitting(sides), recordings, removed, self.enrolled)

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
            ConfirmedSide(side, overlay.recordings, own, other, heard) if len(side) else None
            for side, (own, other), heard in zip(
                overlay.sides,
                permutations(self._bundled.sample(MEASURED)),
                _other_label_of_the_line(overlay),
                strict=True,
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


def _other_label_of_the_line(overlay: Overlay) -> tuple[np.ndarray, np.ndarray]:
    """Enrolled passages that confirmed real and confirmed fake recordings are measured against."""
    line = overlay.enrolled.line
    if line is None:
        return np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32)
    return line.fake, line.real


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
    whole, speech = _with_speech(samples)
    return references_of(whole, speech, encoder, known, first)


def blocks_in(
    samples: np.ndarray, encoder: Encoder, step_hops: int = BLOCK_HOPS
) -> tuple[list[int], np.ndarray]:
    """Starts of the blocks with speech, in samples and `step_hops` apart, and their vectors float32
    (n, width), of mono 16 kHz audio float32 (n,).
    """
    whole, speech = _with_speech(samples)
    starts = list(speech_blocks(speech, step_hops))
    if not starts:
        return [], np.zeros((0, encoder.width), np.float32)
    blocks = np.stack([whole[at : at + BLOCK_SAMPLES] for at in starts])
    return starts, encoder.embed_many(blocks)[0].astype(np.float32)


def _with_speech(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    whole = samples[: len(samples) // SPEECH_SAMPLES * SPEECH_SAMPLES]
    return whole, SpeechNetwork().probability(SpeechState(), whole[None])[0]
