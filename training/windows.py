"""Windows of recordings and the scores of the parts of a detector for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from radd.calibration import Calibration
from radd.clip_score import mean_llr
from radd.cnn import SpectralCnn
from radd.detector import WINDOW_HOPS
from radd.encoder import (
    BLOCK_HOPS,
    BLOCK_SAMPLES,
    SPEECH_THRESHOLD,
    Encoder,
    speech_blocks,
)
from radd.index import ReferenceIndex
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ
from radd.vad import BLOCK_SAMPLES as SPEECH_SAMPLES
from training.batches import clip_spectra

SPEECH_S = (1.0, 1.5, 2.0, 3.0)  # lengths of speech at which calibration is fitted
_FRAMES = HOP_SAMPLES // SPEECH_SAMPLES


class Clips(Protocol):
    """Recordings that can be scored, such as the DecodedClips of a corpus."""

    def __len__(self) -> int: ...
    def samples(self, index: int) -> np.ndarray: ...
    def speech(self, index: int) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class Windows:
    """The parts' scores of many windows, one row each."""

    parts: np.ndarray
    """(n, 3): spectrum, encoder, retrieval; NaN if no block was encoded. Other models: (n, 1),
    their score
    """
    speech_s: np.ndarray
    clip: np.ndarray
    """index of the clip (n,)"""
    embedding: np.ndarray
    """(n, width): mean of the blocks' vectors; NaN if no block was encoded"""
    distance: np.ndarray
    """(n,): mean of the blocks' distances, 1 - cosine, to their nearest references; NaN if no block
    was encoded
    """


def score_windows(
    clips: Clips,
    cnn: SpectralCnn,
    encoder: Encoder,
    index: ReferenceIndex,
    alter: Callable | None,
    seed: int,
    chosen: Iterable[int] | None = None,
) -> Windows:
    """Every second window of every clip, or of those `chosen`, as in the live path.

    If `alter` is given, the audio passes that condition first.
    """
    unheard = np.full(encoder.width, np.nan, np.float32)
    rows: list[_Row] = []
    for i in range(len(clips)) if chosen is None else chosen:
        samples, speech = clips.samples(i), clips.speech(i)
        hops = len(samples) // HOP_SAMPLES
        samples, speech = samples[: hops * HOP_SAMPLES], speech[: hops * _FRAMES]
        if hops < BLOCK_HOPS:
            continue
        if alter is not None:
            # of seed and clip alone: the windows of a clip do not depend on which others are scored
            samples = alter(samples, np.random.default_rng([seed, i])).astype(np.float32)
        frames = cnn.frames(cnn.start(), clip_spectra(samples, speech))
        blocks = _blocks(samples, speech, encoder, index)
        for end in range(BLOCK_HOPS, hops + 1, 2):
            window = slice(max(0, end - WINDOW_HOPS) * _FRAMES, end * _FRAMES)
            seconds = (speech[window] >= SPEECH_THRESHOLD).sum() * SPEECH_SAMPLES / SAMPLE_RATE_HZ
            if seconds < SPEECH_S[0]:
                continue
            score = float(cnn.score(frames[None, window], speech[None, window])[0])
            inside = [
                block for at, block in blocks.items() if end - WINDOW_HOPS + BLOCK_HOPS <= at <= end
            ]
            rows.append(_row(i, seconds, score, inside, unheard))
    return _columns(rows, encoder.width)


class _Block(NamedTuple):
    """An encoded block: the encoder's own score, the retrieval's and the distance to references."""

    own: float
    margin: float
    distance: float
    vector: np.ndarray


class _Row(NamedTuple):
    """The fields of Windows for one window."""

    parts: list[float]
    speech_s: float
    clip: int
    embedding: np.ndarray
    distance: float


def _blocks(
    samples: np.ndarray, speech: np.ndarray, encoder: Encoder, index: ReferenceIndex
) -> dict[int, _Block]:
    """The blocks of speech by the hop at which they end."""
    blocks = {}
    for at in speech_blocks(speech):
        vector, own = encoder.embed(samples[at : at + BLOCK_SAMPLES])
        found = index.search(vector, 1)
        blocks[at // HOP_SAMPLES + BLOCK_HOPS] = _Block(
            own, found.margin, 1 - found.neighbours[0].similarity, vector
        )
    return blocks


def _row(
    clip: int, speech_s: float, score: float, blocks: list[_Block], unheard: np.ndarray
) -> _Row:
    if not blocks:
        return _Row([score, np.nan, np.nan], speech_s, clip, unheard, np.nan)
    own, margin, distance = np.mean([block[:3] for block in blocks], axis=0)
    vector = np.mean([block.vector for block in blocks], axis=0)
    return _Row([score, own, margin], speech_s, clip, vector, distance)


def _columns(rows: list[_Row], width: int) -> Windows:
    return Windows(
        np.array([row.parts for row in rows]).reshape(-1, 3),
        np.array([row.speech_s for row in rows]),
        np.array([row.clip for row in rows], int),
        np.array([row.embedding for row in rows], np.float32).reshape(len(rows), width),
        np.array([row.distance for row in rows]),
    )


def join(windows: list[Windows]) -> Windows:
    """The windows of several conditions of the same clips as one set."""
    return Windows(
        *(np.concatenate([getattr(w, name) for w in windows]) for name in Windows.__slots__)
    )


def mean_llrs(
    parts: np.ndarray, speech_s: np.ndarray, clip: np.ndarray, calibration: Calibration
) -> dict[int, float]:
    """The mean LLR, in nats, of the windows of each clip; one row per window, as in Windows."""
    by_clip: dict[int, list[float]] = defaultdict(list)
    for (spectrum, *rest), length_s, i in zip(parts, speech_s, clip, strict=True):
        block_scores = () if np.isnan(rest).any() else rest
        by_clip[int(i)].append(calibration.llr(length_s, spectrum, *block_scores))
    return {i: llr for i, llrs in by_clip.items() if (llr := mean_llr(llrs)) is not None}
