"""What a student learns from: crops of the train side, and what the teacher says of each, kept on
disk.

The teacher is a whole detector, asked by the very code that listens. It hears a crop as its longest
window; the student later learns from shorter parts of the same crop, so one answer serves many
lessons.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radd.bundle import BundledDetector
from radd.dataset import DecodedClips
from radd.front_ends.log_bands import LogBands
from radd.types import HOP_SAMPLES
from training.batches import Batches
from training.parallel import ordered_map

CROP_HOPS = 24  # 3.072 s, about as long as the shortest clips
SHEET = 128  # crops in one file


@dataclass(frozen=True, slots=True)
class DistillationSet:
    """Crops as a student hears them, and the answers; arrays (n, ...)."""

    powers: np.ndarray
    """log powers of the bands, float16 (n, time, bands), see LogBands.powers"""
    llr: np.ndarray
    """the teacher's, in nats, higher = bona fide, float32 (n,)"""
    bonafide: np.ndarray
    """the label, float32 (n,), 1 or 0"""


def prepare(
    clips: DecodedClips,
    channel: Callable,
    teacher: BundledDetector,
    features: LogBands,
    count: int,
    seed: int,
    folder: Path,
    jobs: int = 1,
) -> DistillationSet:
    """At least `count` lessons from crops of the clips under channel conditions; what `folder`
    holds is not made anew.
    """
    batches = Batches(clips, channel, SHEET, CROP_HOPS * HOP_SAMPLES, seed)
    names = "\n".join(f"{c.path} {c.label}" for c in clips.clips)
    told = json.dumps([names, teacher.name, features.bands, seed, CROP_HOPS, SHEET])
    place = folder / hashlib.sha256(told.encode()).hexdigest()[:16]
    place.mkdir(parents=True, exist_ok=True)

    def sheet(number: int) -> Path:
        file = place / f"{number:05}.npz"
        if not file.is_file():
            batch = batches[number]
            part = file.with_suffix(".part.npz")
            np.savez(
                part,
                bonafide=batch.bonafide,
                llr=np.array([ask(teacher, s) for s in batch.samples], np.float32),
                powers=np.stack([features.powers(s) for s in batch.samples]).astype(np.float16),
            )
            part.replace(file)
        return file

    sheets = [np.load(file) for file in ordered_map(sheet, range(-(-count // SHEET)), jobs)]
    return DistillationSet(
        *(np.concatenate([s[name] for s in sheets]) for name in DistillationSet.__slots__)
    )


def ask(teacher: BundledDetector, samples: np.ndarray) -> float:
    """The LLR of a crop of whole hops, float32 (n * HOP_SAMPLES,), as one window."""
    return teacher.push(teacher.start(), samples, gated=False, longest=True)[-1].llr
