"""How much closeness to a confirmed reference says: measured on the dev side, whose systems the networks never met."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from radd.bundle import load_known_voices, read_manifest, write_manifest
from radd.dataset import DecodedClips
from radd.encoder import BLOCK_SAMPLES, Encoder, speech_blocks
from radd.index import LABELS, FlatIndex
from radd.overlay import OverlaidIndex, Overlay, Provenance, references_of

CLIPS = 400  # of a label, at most, that are heard
CONFIRMED = 100  # about as many as people confirm in a month: the more there are, the nearer is the nearest
BLOCKS = 4  # in a full window
UNRELATED = 0.9  # share of the other label's speech that a confirmation must leave alone; more of it hides new systems

Row = tuple[float, float, float]
NOTHING: Row = (0.0, 0.0, 0.0)  # no evidence: there was nothing to measure it on, or it says nothing


def fit_confirmed(
    clips: DecodedClips, encoder: Encoder, index: FlatIndex, channel: Callable, seed: int
) -> tuple[Row, ...]:
    """The rows of Calibration.confirmed, real first.

    Of every system, or real speaker, of more than one clip half the clips are confirmed. Then are heard: these again,
    shifted and through `channel`; the other half; and speech of the other label.
    """
    rng = np.random.default_rng([seed, 78])
    rows = []
    for label, closer in zip(LABELS, (0, 1), strict=True):
        confirmed, others, unrelated = _draw(clips, label, rng)
        if not confirmed:
            rows.append(NOTHING)
            continue
        overlaid = OverlaidIndex(index, overlay_of(clips, confirmed, encoder, index))
        again, same, other = (
            _closeness(clips, chosen, encoder, overlaid, closer, alter, rng)
            for chosen, alter in ((confirmed, channel), (others, None), (unrelated, None))
        )
        rows.append(fit_row(again, same, other))
    return tuple(rows)


def weigh(bundle: Path, clips: DecodedClips, channel: Callable, seed: int) -> tuple[Row, ...]:
    """Measure the rows of Calibration.confirmed of a bundle that is made already and seal it anew with them.

    The version changes with them. Raises ModelError for a bundle without an index of known voices.
    """
    encoder, index, calibration = load_known_voices(bundle)
    rows = fit_confirmed(clips, encoder, index, channel, seed)
    manifest = read_manifest(bundle)
    write_manifest(bundle, manifest["name"], replace(calibration, confirmed=rows), manifest["training"], manifest["metrics"])
    return rows


def fit_row(again: np.ndarray, same: np.ndarray, other: np.ndarray) -> Row:
    """Weight, offset and cap from the closeness of the same recordings, of the same systems and of the other label.

    The logistic fit counts from where all but a tenth of the other label's speech does not reach, up to the
    evidence that so few clips can show. All zero, no evidence, where the fit does not rise.
    """
    if not (len(again) and len(same) and len(other)):
        return NOTHING
    x = np.concatenate([again, same, other])
    weights = np.concatenate([np.full(len(p), share / len(p)) for p, share in ((again, 1), (same, 1), (other, 2))])
    model = LogisticRegression(C=1e3).fit(x[:, None], np.arange(len(x)) < len(again) + len(same), weights * len(x) / 4)
    weight, offset = float(model.coef_[0, 0]), float(model.intercept_[0])
    if weight <= 0:
        return NOTHING
    return weight, min(offset, -weight * float(np.quantile(other, UNRELATED))), float(np.log1p(len(other)))


def overlay_of(clips: DecodedClips, chosen: list[int], encoder: Encoder, index: FlatIndex) -> Overlay:
    """These clips as confirmed references."""
    found = []
    for i in chosen:
        clip = clips.clips[i]
        known = Provenance(clip.label, clip.system, clip.source, clip.licence)
        found.append(references_of(clips.samples(i), clips.speech(i), encoder, known))
    references = (reference for blocks, _ in found for reference in blocks)
    return Overlay.of(index.encoder_id, references, np.concatenate([vectors for _, vectors in found]))


def _draw(clips: DecodedClips, label: str, rng: np.random.Generator) -> tuple[list[int], list[int], list[int]]:
    """Clips of a label to confirm, others of the same systems or speakers, and clips of the other label."""
    groups, unrelated = defaultdict(list), []
    for i in rng.permutation(len(clips)):
        if clips.clips[i].label == label:
            groups[clips.clips[i].group].append(i)
        else:
            unrelated.append(i)
    confirmed, others = [], []
    for group in groups.values():
        half = len(group) // 2
        if half and len(confirmed) + half <= CONFIRMED:
            confirmed += group[:half]
            others += group[half:]
    return confirmed, others[:CLIPS], unrelated[:CLIPS]


def _closeness(
    clips: DecodedClips, chosen: list[int], encoder: Encoder, index: OverlaidIndex, closer: int, alter: Callable | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """The mean closeness over the first window of each clip that is heard from any of its first samples on (n,)."""
    found = []
    for i in chosen:
        samples, shift = clips.samples(i), int(rng.integers(BLOCK_SAMPLES))
        heard = samples if alter is None else alter(samples, rng)
        starts = [at for at in speech_blocks(clips.speech(i)) if at + shift + BLOCK_SAMPLES <= len(heard)][:BLOCKS]
        near = [
            index.search(encoder.embed(heard[at + shift : at + shift + BLOCK_SAMPLES])[0], 1).closeness[closer]
            for at in starts
        ]
        if near:
            found.append(np.mean(near))
    return np.array(found)
