"""Which confirmed clips are learned from: no source, reviewer or sound is heard so often that it
rules.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

import numpy as np

ONE_SIDED = 10  # answers, all of them the same, from which a reviewer's answers no longer teach
NEAR = 0.9999  # cosine of two clips' mean vectors from which they count as one recording
HELD = 3  # one stream's hour in so many is held back to prove candidates on


class LabelledClip(Protocol):
    """A confirmed clip; storage/learning.py has the one that ships."""

    @property
    def sha256(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def stream_id(self) -> str: ...
    @property
    def began_utc(self) -> datetime: ...
    @property
    def labelled_utc(self) -> datetime: ...
    @property
    def reviewers(self) -> frozenset[str]: ...
    @property
    def first(self) -> int: ...


def one_sided(answers: Mapping[str, Sequence[str]]) -> set[str]:
    """The reviewers who called ONE_SIDED clips or more, and all of them the same."""
    return {who for who, said in answers.items() if len(said) >= ONE_SIDED and len(set(said)) == 1}


def admitted(
    clips: Sequence[LabelledClip], answers: Mapping[str, Sequence[str]], per_source: int
) -> tuple[list[LabelledClip], list[str]]:
    """The clips that may teach, in order, and in words what was left out.

    Where only real or only fake voices come up, honest answers are all the same, as those of a
    poisoner are: they teach where two people have given them.
    """
    blind = one_sided(answers)
    sighted = [clip for clip in clips if clip.reviewers - blind or len(clip.reviewers) > 1]
    told = []
    if len(sighted) < len(clips):
        told.append(
            f"{len(clips) - len(sighted)} clips of {len(blind)} reviewers who have called "
            f"{ONE_SIDED} clips or more and every one of them the same: where that is right, have "
            "a second reviewer agree to them"
        )
    taken: Counter[tuple[str, date]] = Counter()
    kept: list[LabelledClip] = []
    for clip in sighted:
        day = clip.source, clip.began_utc.date()
        taken[day] += 1
        if taken[day] <= per_source:
            kept.append(clip)
    if len(kept) < len(sighted):
        told.append(
            f"{len(sighted) - len(kept)} clips beyond {per_source} of one source on one day"
        )
    return kept, told


def distinct(vectors: np.ndarray) -> list[int]:
    """Of clips with mean vectors (n, width) those that no earlier one is nearly the same as."""
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    kept: list[int] = []
    for i, unit in enumerate(units):
        if not kept or (units[kept] @ unit).max() < NEAR:
            kept.append(i)
    return kept


def is_held(clip: LabelledClip) -> bool:
    """Whether a clip proves candidates and never teaches: the same in every retraining, a stream's
    whole hour at a time.
    """
    hour = f"{clip.stream_id} {clip.began_utc:%Y-%m-%d %H}"
    return hashlib.sha256(hour.encode()).digest()[0] % HELD == 0
