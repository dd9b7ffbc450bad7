"""What people have confirmed since a bundle was made: references that come on top of its index, and some that leave it.

The bundle's margin stays what its calibration was fitted on. A confirmed reference speaks through its closeness: the
natural log of d_other / d_confirmed, the distances (1 - cosine) to the nearest known reference of the other label and
to the nearest confirmed one of this label. Above 0 the voice is more like what was confirmed than like anything known
of the other label. That ratio needs no scale of its own: it was made for matching descriptors (Lowe 2004).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from radd.encoder import BLOCK_SAMPLES, Encoder, speech_blocks
from radd.errors import ModelError
from radd.index import FAR, LABELS, FlatIndex, Found, Hit, Reference, Side, margin, nearest
from radd.speech import BLOCK_SAMPLES as SPEECH_SAMPLES
from radd.speech import SpeechNetwork, SpeechState
from radd.types import seconds

NO_DISTANCE = 1e-5  # closer vectors count as equal, so that sound which comes again bit by bit has a finite closeness
ID_DIGITS = 12
STEP_HOPS = 2  # between the blocks of a confirmed recording: wherever it is heard again, one of them is near


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is known of a confirmed recording."""

    label: str
    """bonafide or spoof"""
    system: str
    source: str
    licence: str


@dataclass(frozen=True, slots=True)
class Overlay:
    """The confirmed references of one encoder at one moment."""

    encoder_id: str
    version: int
    """grows with every change; 0 where nothing was ever confirmed"""
    references: tuple[Reference, ...]
    vectors: np.ndarray
    """float32 (n, width) of unit length, one a reference"""
    removed: frozenset[str]
    """ids of the bundle's references that are taken for wrong"""

    def since(self, before: Overlay | None) -> tuple[int, int]:
        """How many references came and went since `before`, or since the bundle was made."""
        now, then = set(self.references), set(before.references if before else ())
        gone, gone_then = self.removed, before.removed if before else frozenset()
        return len(now - then) + len(gone_then - gone), len(then - now) + len(gone - gone_then)


class OverlaidIndex:
    """A ReferenceIndex: a bundle's index and an overlay. Never changes; a newer overlay makes a new one."""

    def __init__(self, bundled: FlatIndex, overlay: Overlay) -> None:
        """Raises ModelError for an overlay of another encoder, a damaged one, and one that removes too much."""
        if overlay.encoder_id != bundled.encoder_id:
            raise ModelError(
                f"the confirmed references were made by encoder {overlay.encoder_id}, the index by "
                f"{bundled.encoder_id}; vectors of two encoders do not compare: add the recordings anew"
            )
        shape = len(overlay.references), bundled.width
        vectors = overlay.vectors if overlay.references else np.zeros(shape, np.float32)
        if vectors.shape != shape or not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3):
            raise ModelError(f"the confirmed references are damaged: expected {shape[0]} unit vectors of {shape[1]} "
                             "numbers; remove and add them anew with train.py index")
        self._bundled = bundled.without(overlay.removed) if overlay.removed else bundled
        labels = np.array([r.label for r in overlay.references], str)
        self._confirmed = [
            Side(vectors[labels == label], [r for r in overlay.references if r.label == label])
            for label in LABELS
        ]

    def search(self, embedding: np.ndarray, n: int) -> Found:
        known = self._bundled.sides_near(embedding, n)
        confirmed = [side.nearest(embedding, n) for side in self._confirmed]
        both = [k + c for k, c in zip(known, confirmed, strict=True)]
        close = tuple(closeness(mine, other) for mine, other in zip(confirmed, reversed(both), strict=True))
        return Found(margin(*known), nearest(both[0] + both[1], n), close)


def closeness(confirmed: list[Hit], other: list[Hit]) -> float:
    """Of the nearest confirmed references of a label and the nearest known ones of the other; FAR without the first."""
    if not confirmed:
        return FAR
    mine, others = (max(1 - max(similarity for similarity, _ in hits), NO_DISTANCE) for hits in (confirmed, other))
    return math.log(others / mine)


def references_of(
    samples: np.ndarray, speech: np.ndarray, encoder: Encoder, known: Provenance
) -> tuple[list[Reference], np.ndarray]:
    """The blocks of a recording that hold speech, and their vectors float32 (n, width).

    `samples` and `speech` are as DecodedClips has them. All blocks have the same id: the first digits of the SHA-256
    of the sound.
    """
    id = hashlib.sha256(samples.tobytes()).hexdigest()[:ID_DIGITS]
    starts = list(speech_blocks(speech, STEP_HOPS))
    vectors = [encoder.embed(samples[at : at + BLOCK_SAMPLES])[0] for at in starts]
    references = [Reference(id, known.label, known.system, known.source, known.licence, seconds(at)) for at in starts]
    return references, np.array(vectors, np.float32).reshape(len(starts), encoder.width)


def references_in(samples: np.ndarray, encoder: Encoder, known: Provenance) -> tuple[list[Reference], np.ndarray]:
    """As references_of, of mono 16 kHz sound float32 (n,) whose speech is still to be found."""
    whole = samples[: len(samples) // SPEECH_SAMPLES * SPEECH_SAMPLES]
    return references_of(whole, SpeechNetwork().probability(SpeechState(), whole[None])[0], encoder, known)
