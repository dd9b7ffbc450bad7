"""Trained networks -> a bundle: index from the training set, fusion and calibration on the
development set, card.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from radd.bundle import FRAMES, REFERENCES, SCORE, VECTORS, encoder_digest, open_encoder
from radd.calibration import Calibration
from radd.clip_score import mean_llr
from radd.cnn import SpectralCnn
from radd.dataset import DecodedClips
from radd.detector import WINDOW_HOPS
from radd.encoder import (
    BLOCK_HOPS,
    BLOCK_SAMPLES,
    SPEECH_THRESHOLD,
    Encoder,
    OnnxEncoder,
    speech_blocks,
)
from radd.errors import ConfigError
from radd.index import BundleIndex, ReferenceIndex
from radd.references import Reference, write_references
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ
from radd.vad import BLOCK_SAMPLES as SPEECH_SAMPLES
from training.batches import clip_spectra

SPEECH_S = (1.0, 1.5, 2.0, 3.0)  # lengths of speech at which calibration is fitted
# sklearn's C, on unscaled parts: a part that hardly varies gets hardly any weight
RIDGE = 0.1
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


class BlockVectors(Protocol):
    """The embeddings of the blocks of speech of clips."""

    def starts(self, clip: int) -> Sequence[int]:
        """Where the clip's blocks of speech begin, in samples."""
        ...

    def vector(self, clip: int, start: int) -> np.ndarray:
        """The unit vector float32 (width,) of one of them."""
        ...


class EncodedClips(BlockVectors):
    """BlockVectors that an encoder makes when they are asked for."""

    def __init__(self, clips: DecodedClips, encoder: Encoder) -> None:
        self._clips, self._encoder = clips, encoder

    def starts(self, clip: int) -> Sequence[int]:
        return list(speech_blocks(self._clips.speech(clip)))

    def vector(self, clip: int, start: int) -> np.ndarray:
        block = self._clips.samples(clip)[start : start + BLOCK_SAMPLES]
        return self._encoder.embed(block)[0]


def build_index(
    clips: DecodedClips,
    encoder: Encoder,
    directory: Path,
    limit: int,
    seed: int,
    embedded: BlockVectors | None = None,
) -> BundleIndex:
    """Write the vectors of one block of speech from each of at most `limit` clips, drawn by
    sampling weight.

    `embedded` holds vectors that are known already; otherwise the encoder makes them.
    """
    if embedded is None:
        embedded = EncodedClips(clips, encoder)
    rng = np.random.default_rng([seed, 77])
    weights = clips.sampling_weights()
    chosen = rng.choice(len(clips), min(limit, len(clips)), replace=False, p=weights)
    vectors, references = [], []
    for i in sorted(chosen):
        starts = embedded.starts(i)
        if not len(starts):
            continue
        at = starts[int(rng.integers(len(starts)))]
        vectors.append(embedded.vector(i, at))
        clip = clips.clips[i]
        references.append(
            Reference(
                clip.utt, clip.label, clip.system, clip.source, clip.licence, at / SAMPLE_RATE_HZ
            )
        )
    half = np.array(vectors, np.float16)
    np.save(directory / VECTORS, half)
    write_references(directory / REFERENCES, references)
    index = BundleIndex(encoder.id, half, references)
    index.save_clusters(directory)
    return index


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
    parts, speech_s, clip, embedded, distance = [], [], [], [], []
    unheard = np.full(encoder.width, np.nan, np.float32)
    for i in range(len(clips)) if chosen is None else chosen:
        samples, speech = clips.samples(i), clips.speech(i)
        hops = len(samples) // HOP_SAMPLES
        samples, speech = samples[: hops * HOP_SAMPLES], speech[: hops * _FRAMES]
        if hops < BLOCK_HOPS:
            continue
        if alter is not None:
            samples = alter(samples, np.random.default_rng([seed, i])).astype(np.float32)
        frames = cnn.frames(cnn.start(), clip_spectra(samples, speech))
        blocks = {
            at // HOP_SAMPLES + BLOCK_HOPS: encoder.embed(samples[at : at + BLOCK_SAMPLES])
            for at in speech_blocks(speech)
        }
        judged = {
            at: (score, vector, index.search(vector, 1)) for at, (vector, score) in blocks.items()
        }
        for end in range(BLOCK_HOPS, hops + 1, 2):
            window = slice(max(0, end - WINDOW_HOPS) * _FRAMES, end * _FRAMES)
            seconds = (speech[window] >= SPEECH_THRESHOLD).sum() * SPEECH_SAMPLES / SAMPLE_RATE_HZ
            if seconds < SPEECH_S[0]:
                continue
            score = float(cnn.score(frames[None, window], speech[None, window])[0])
            window_blocks = [
                block for at, block in judged.items() if end - WINDOW_HOPS + BLOCK_HOPS <= at <= end
            ]
            values = [
                (own, found.margin, 1 - found.neighbours[0].similarity)
                for own, _, found in window_blocks
            ]
            own, margin, far = np.mean(values, axis=0) if window_blocks else (np.nan,) * 3
            parts.append([score, own, margin])
            speech_s.append(seconds)
            clip.append(i)
            embedded.append(
                np.mean([vector for _, vector, _ in window_blocks], axis=0)
                if window_blocks
                else unheard
            )
            distance.append(far)
    shape = len(clip), encoder.width
    return Windows(
        np.array(parts).reshape(-1, 3),
        np.array(speech_s),
        np.array(clip, int),
        np.array(embedded, np.float32).reshape(shape),
        np.array(distance),
    )


def join(windows: list[Windows]) -> Windows:
    """The windows of several conditions of the same clips as one set."""
    return Windows(
        *(np.concatenate([getattr(w, name) for w in windows]) for name in Windows.__slots__)
    )


def calibrate(windows: Windows, clips: DecodedClips) -> Calibration:
    """Fit fusion and calibration at each of SPEECH_S, with equal weight for both labels: the result
    is an LLR.

    A length with windows of only one label is skipped. Raises ConfigError if no length remains.
    """
    bonafide = np.array([c.label == "bonafide" for c in clips.clips])[windows.clip]
    sources = np.array([f"{c.label} {c.source}" for c in clips.clips])[windows.clip]
    return fuse(
        windows.parts,
        windows.speech_s,
        bonafide,
        lambda of: balanced(bonafide[of], sources[of], windows.clip[of]),
    )


def fuse(
    parts: np.ndarray, speech_s: np.ndarray, bonafide: np.ndarray, weigh: Callable
) -> Calibration:
    """Like calibrate, for windows with `parts` as in Windows; `weigh` returns the weights of those
    in a mask.
    """
    lengths, alone, fused = [], [], []
    for k, shortest in enumerate(SPEECH_S):
        longest = SPEECH_S[k + 1] if k + 1 < len(SPEECH_S) else np.inf
        near = (speech_s >= shortest) & (speech_s < longest)
        whole = near & ~np.isnan(parts).any(axis=1)
        if len(set(bonafide[whole])) == 2:
            lengths.append(shortest)
            alone.append(logistic(parts[near, :1], bonafide[near], weigh(near)))
            if parts.shape[1] > 1:
                fused.append(logistic(parts[whole], bonafide[whole], weigh(whole)))
    if not lengths:
        raise ConfigError(
            f"the development set has no windows of both labels with {SPEECH_S[0]} s of speech or "
            "more to calibrate on; add longer clips"
        )
    return Calibration(tuple(lengths), tuple(alone), tuple(fused))


def clip_llrs(
    windows: Windows, calibration: Calibration, clips: DecodedClips
) -> tuple[np.ndarray, np.ndarray]:
    """Mean LLR of the windows of each clip, in nats: bona fide clips (n,) and spoof clips (m,)."""
    means = mean_llrs(windows.parts, windows.speech_s, windows.clip, calibration)
    bonafide, spoof = (
        np.array([llr for clip, llr in means.items() if clips.clips[clip].label == label])
        for label in ("bonafide", "spoof")
    )
    return bonafide, spoof


def mean_llrs(
    parts: np.ndarray, speech_s: np.ndarray, clip: np.ndarray, calibration: Calibration
) -> dict[int, float]:
    """The mean LLR, in nats, of the windows of each clip; one row per window, as in Windows."""
    by_clip: dict[int, list[float]] = defaultdict(list)
    for (spectrum, *rest), length_s, i in zip(parts, speech_s, clip, strict=True):
        block_scores = () if np.isnan(rest).any() else rest
        by_clip[int(i)].append(calibration.llr(length_s, spectrum, *block_scores))
    return {i: llr for i, llrs in by_clip.items() if (llr := mean_llr(llrs)) is not None}


def balanced(bonafide: np.ndarray, sources: np.ndarray, clip: np.ndarray) -> np.ndarray:
    """Weights of windows: each clip counts equally, a source by the square root of its clips, both
    labels equally.
    """
    weights = np.ones(len(clip))
    per_clip = Counter(clip)
    weights /= [per_clip[c] for c in clip]
    per_source: dict[str, float] = defaultdict(float)
    for source, weight in zip(sources, weights, strict=True):
        per_source[source] += weight
    weights /= np.sqrt([per_source[s] for s in sources])
    for side in (bonafide, ~bonafide):
        if side.any():
            weights[side] *= len(bonafide) / 2 / weights[side].sum()
    return weights


def logistic(
    parts: np.ndarray, bonafide: np.ndarray, weights: np.ndarray, ridge: float = RIDGE
) -> tuple[float, ...]:
    """Weights of the parts and offset of a logistic regression."""
    from sklearn.linear_model import (
        LogisticRegression,
    )  # imported here, because the console promotes and rolls back without scikit-learn

    model = LogisticRegression(C=ridge, max_iter=1000).fit(parts, bonafide, weights)
    return (*model.coef_[0].tolist(), float(model.intercept_[0]))


def load_networks(directory: Path) -> tuple[SpectralCnn, OnnxEncoder]:
    """The exported networks of an unfinished bundle."""
    encoder = open_encoder(directory, encoder_digest(directory))
    return SpectralCnn(directory / FRAMES, directory / SCORE), encoder
