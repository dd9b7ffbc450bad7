"""Measures the weight of closeness to a confirmed reference, on the development set, whose systems
the networks never saw.
"""

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
from radd.index import BundleIndex
from radd.index_sides import LABELS
from radd.overlay import OverlaidIndex, Overlay, Provenance, references_of

CLIPS = 400  # per label, at most, that are scored
CONFIRMED = 100  # in all
TOGETHER = 8  # per system or speaker, at most, that are confirmed at once
UNRELATED = 0.95  # share of the other label's speech that a confirmation must not affect
BLOCKS = 4  # in a full window

Row = tuple[float, float, float]
NOTHING: Row = (
    0.0,
    0.0,
    0.0,
)  # no evidence: there was nothing to measure, or no effect


def fit_closeness(
    clips: DecodedClips, encoder: Encoder, index: BundleIndex, channel: Callable, seed: int
) -> tuple[Row, ...]:
    """The rows of Calibration.closeness, real first.

    For each system, or real speaker, with more than one clip, up to half of the clips are
    confirmed, one system at a time. Three kinds of clips are then compared: the confirmed ones,
    shifted and through `channel`; others of the system; and speech of the other label.
    """
    rng = np.random.default_rng([seed, 78])
    rows = []
    for label, closer in zip(LABELS, (0, 1), strict=True):
        groups, unrelated = _draw(clips, label, rng)
        heard: list[list[float]] = [[], [], []]
        strangers = _windows(clips, unrelated, encoder, None, rng)
        for confirmed, others in groups:
            overlay = overlay_of(clips, confirmed, encoder, index)
            if not len(overlay):  # none of them contains speech
                continue
            known = OverlaidIndex(index, overlay)
            kin = (
                _windows(clips, chosen, encoder, alter, rng)
                for chosen, alter in ((confirmed, channel), (others, None))
            )
            for told, windows in zip(heard, (*kin, strangers), strict=True):
                told += [known.closeness(window)[closer].near for window in windows]
        again, same, other = map(np.array, heard)
        rows.append(fit_row(again, same, other, len(strangers)))
    return tuple(rows)


def calibrate_closeness(
    bundle: Path, clips: DecodedClips, channel: Callable, seed: int
) -> tuple[Row, ...]:
    """Measure Calibration.closeness for an existing bundle and seal the bundle again.

    The version changes. Raises ModelError for a bundle without an index of known voices.
    """
    encoder, index, calibration = load_known_voices(bundle)
    rows = fit_closeness(clips, encoder, index, channel, seed)
    manifest = read_manifest(bundle)
    write_manifest(
        bundle,
        manifest["name"],
        replace(calibration, closeness=rows),
        manifest["training"],
        manifest["metrics"],
    )
    return rows


def fit_row(again: np.ndarray, same: np.ndarray, other: np.ndarray, strangers: int) -> Row:
    """Weight, offset and cap from the closeness of the same recordings, of the same systems and of
    the other label.

    The logistic fit counts from where all but a twentieth of the other label's speech does not
    reach, up to the evidence that so many `strangers`, the clips of the other label, can show. All
    zero, no evidence, where the fit does not rise.
    """
    if not (len(again) and len(same) and len(other)):
        return NOTHING
    x = np.concatenate([again, same, other])
    weights = np.concatenate(
        [np.full(len(p), share / len(p)) for p, share in ((again, 1), (same, 1), (other, 2))]
    )
    model = LogisticRegression(C=1e3).fit(
        x[:, None], np.arange(len(x)) < len(again) + len(same), weights * len(x) / 4
    )
    weight, offset = float(model.coef_[0, 0]), float(model.intercept_[0])
    if weight <= 0:
        return NOTHING
    return (
        weight,
        min(offset, -weight * float(np.quantile(other, UNRELATED))),
        float(np.log1p(strangers)),
    )


def overlay_of(
    clips: DecodedClips, chosen: list[int], encoder: Encoder, index: BundleIndex
) -> Overlay:
    """These clips as confirmed references."""
    found = []
    for i in chosen:
        clip = clips.clips[i]
        known = Provenance(clip.label, clip.system, clip.source, clip.licence)
        found.append(references_of(clips.samples(i), clips.speech(i), encoder, known))
    references = (reference for blocks, _ in found for reference in blocks)
    return Overlay.of(
        index.encoder_id, references, np.concatenate([vectors for _, vectors in found])
    )


def _draw(
    clips: DecodedClips, label: str, rng: np.random.Generator
) -> tuple[list[tuple[list[int], list[int]]], list[int]]:
    """For each system or speaker: clips to confirm and other clips; and clips of the other
    label.
    """
    groups, unrelated = defaultdict(list), []
    for i in rng.permutation(len(clips)):
        if clips.clips[i].label == label:
            groups[clips.clips[i].group].append(i)
        else:
            unrelated.append(i)
    drawn, left = [], CONFIRMED
    for group in groups.values():
        half = min(len(group) // 2, TOGETHER, left)
        if half:
            drawn.append((group[:half], group[half : 2 * TOGETHER]))
            left -= half
    return drawn, unrelated[:CLIPS]


def _windows(
    clips: DecodedClips,
    chosen: list[int],
    encoder: Encoder,
    alter: Callable | None,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """The vectors of the blocks in the first window of each clip, (n, width), with a random offset
    of the first sample.
    """
    found = []
    for i in chosen:
        samples, shift = clips.samples(i), int(rng.integers(BLOCK_SAMPLES))
        heard = samples if alter is None else alter(samples, rng)
        starts = [
            at for at in speech_blocks(clips.speech(i)) if at + shift + BLOCK_SAMPLES <= len(heard)
        ][:BLOCKS]
        if starts:
            found.append(
                np.array(
                    [
                        encoder.embed(heard[at + shift : at + shift + BLOCK_SAMPLES])[0]
                        for at in starts
                    ]
                )
            )
    return found
