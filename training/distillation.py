"""Training data of a student: crops of the training set with the teacher's scores, cached on disk.

The teacher is a complete detector, called through the code of the live path. It scores a crop as
its longest window. The student later learns from shorter parts of the same crop, so one score
serves many examples.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radd.bundle import BundledDetector
from radd.errors import ModelError
from radd.front_ends.log_bands import LogBands
from radd.parallel import forked_in_order
from radd.types import HOP_SAMPLES
from training.baselines.fit import BaselineTask
from training.batches import Batches

CROP_HOPS = 24  # 3.072 s, about as long as the shortest clips
SHEET = 128  # crops per file


@dataclass(frozen=True, slots=True)
class DistillationSet:
    """Crops as the student's input, and the teacher's scores; arrays (n, ...)."""

    powers: np.ndarray
    """log powers of the bands, float16 (n, time, bands), see LogBands.powers"""
    llr: np.ndarray
    """of the teacher, in nats, higher = bona fide, float32 (n,)"""
    bonafide: np.ndarray
    """label, float32 (n,), 1 or 0"""


def prepare(
    task: BaselineTask, teacher: BundledDetector, features: LogBands, count: int
) -> DistillationSet:
    """At least `count` examples from crops of the clips under channel conditions; existing ones in
    `task.work` are reused.
    """
    seed = task.recipe.seed
    batches = Batches(task.clips, task.channel, SHEET, CROP_HOPS * HOP_SAMPLES, seed)
    names = "\n".join(f"{c.path} {c.label}" for c in task.clips.clips)
    key = json.dumps([names, teacher.name, features.bands, seed, CROP_HOPS, SHEET])
    place = task.work / "lessons" / hashlib.sha256(key.encode()).hexdigest()[:16]
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

    files = forked_in_order(sheet, range(-(-count // SHEET)), task.workers)
    sheets = [np.load(file) for file in files]
    return DistillationSet(
        *(np.concatenate([s[name] for s in sheets]) for name in DistillationSet.__slots__)
    )


def ask(teacher: BundledDetector, samples: np.ndarray) -> float:
    """The teacher's LLR of a crop of whole hops, float32 (n * HOP_SAMPLES,), as one window."""
    llr = teacher.push(teacher.start(), samples, gated=False, longest=True)[-1].llr
    if llr is None:
        raise ModelError(f"{teacher.name} has no score for a crop; use another teacher")
    return llr
