"""Fits a linear correction of the encoder's score, fusion and calibration to labels.

The networks and the index do not change. Every retraining starts from the networks' own scores and
learns from all confirmed clips, so that errors of an earlier one do not accumulate.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from radd.bundle import CARD, CORRECTION, read_manifest, write_manifest
from radd.calibration import Calibration
from retraining.replay_scores import with_correction
from training.fusion import balanced, fuse, logistic
from training.replay import Replay

RIDGE = 0.01  # sklearn's C of the correction, whose vectors have unit length


def join(first: Replay, second: Replay) -> Replay:
    """The windows and clips of both."""
    moved = replace(second, clip=second.clip + len(first.label))
    return Replay(
        *(
            np.concatenate([getattr(side, name) for side in (first, moved)])
            for name in Replay.__slots__
        )
    )


def refit(known: Replay, fresh: Replay, share: float) -> tuple[np.ndarray, Calibration]:
    """Correction float32 (width + 2,) and calibration; `share` is the weight of the windows of
    `known`, 0 to 1.
    """
    both = join(known, fresh)
    bonafide = both.label[both.clip] == "bonafide"
    sources = np.char.add(np.char.add(both.label, " "), both.source)[both.clip]
    is_known = np.arange(len(both.clip)) < len(known.clip)

    def weigh(of: np.ndarray) -> np.ndarray:
        weights = np.zeros(of.sum())
        for origin, part in ((is_known[of], share), (~is_known[of], 1 - share)):
            if origin.any():
                said = balanced(bonafide[of][origin], sources[of][origin], both.clip[of][origin])
                weights[origin] = said * part * len(weights) / said.sum()
        for side in (bonafide[of], ~bonafide[of]):
            weights[side] *= len(weights) / 2 / weights[side].sum()
        return weights

    encoded = ~np.isnan(both.parts[:, 1])
    shown = np.column_stack([both.parts[:, :2], both.embedding])[encoded].astype(np.float64)
    _, *rest = logistic(shown, bonafide[encoded], weigh(encoded), RIDGE)
    correction = np.array(rest, np.float32)
    return correction, fuse(with_correction(both, correction), both.speech_s, bonafide, weigh)


def write_candidate(
    champion: Path, out: Path, correction: np.ndarray, calibration: Calibration, clips: int
) -> None:
    """Write a bundle with the champion's networks and index and a new correction and calibration to
    the directory `out`.
    """
    manifest = read_manifest(champion)
    making = out.with_name(out.name + ".new")
    for leftover in (making, out):
        shutil.rmtree(leftover, ignore_errors=True)
    making.mkdir()
    for name in manifest["files"]:
        shutil.copy(champion / name, making)
    np.save(making / CORRECTION, correction)
    note = (
        "\n"
        "## Retrained\n"
        "\n"
        f"Trained on {clips} confirmed clips and on replayed ones. The correction of "
        "the encoder's score, fusion and calibration were fitted again; the networks and the "
        "index were not. The measured numbers above are those of the previous bundle.\n"
    )
    text = (making / CARD).read_text(encoding="utf-8").partition("\n## Retrained\n")[0]
    (making / CARD).write_text(text + note, encoding="utf-8")
    training = manifest["training"] | {"retrained_from_clips": clips}
    write_manifest(making, manifest["name"], calibration, training, {})
    making.rename(out)
