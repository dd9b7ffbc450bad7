"""Selects the confirmed clips to train on, so that no source, reviewer or recording dominates."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

import numpy as np

ONE_SIDED = 10  # identical labels above which a reviewer's labels are excluded
NEAR = 0.9999  # cosine of two clips' mean vectors above which they count as one recording
HELD = 3  # one of this many stream hours is held back for the gates


class LabelledClip(Protocol):
    """A confirmed clip; storage/learning.py implements it."""

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
    """The reviewers with ONE_SIDED or more labels, all identical."""
    return {who for who, said in answers.items() if len(said) >= ONE_SIDED and len(set(said)) == 1}


def admitted(
    clips: Sequence[LabelledClip], answers: Mapping[str, Sequence[str]], per_source: int
) -> tuple[list[LabelledClip], list[str]]:
    """The eligible clips, in order, and the excluded ones in words.

    If only real or only fake voices occur, honest labels are all identical, like those of a
    poisoner. They then count if two people gave them.
    """
    blind = one_sided(answers)
    sighted = [clip for clip in clips if clip.reviewers - blind or len(clip.reviewers) > 1]
    told = []
    if len(sighted) < len(clips):
        told.append(
            f"{len(clips) - len(sighted)} clips of {len(blind)} reviewers whose "
            f"{ONE_SIDED} or more labels are all identical; if these are right, have a second "
            "reviewer confirm them"
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
            f"{len(sighted) - len(kept)} clips above the cap of {per_source} per source and day"
        )
    return kept, told


def distinct(vectors: np.ndarray) -> list[int]:
    """Indices of the clips with mean vectors (n, width) that are not near-duplicates of an earlier
    one.
    """
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    kept: list[int] = []
    for i, unit in enumerate(units):
        if not kept or (units[kept] @ unit).max() < NEAR:
            kept.append(i)
    return kept


def is_held(clip: LabelledClip) -> bool:
    """Whether a clip is held back for the gates and never trained on: the same in every retraining,
    for a stream's whole hour.
    """
    hour = f"{clip.stream_id} {clip.began_utc:%Y-%m-%d %H}"
    return hashlib.sha256(hour.encode()).digest()[0] % HELD == 0
