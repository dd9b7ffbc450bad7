"""Clip scores: the mean LLR over a clip's windows."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from evaluation.audio_folder import AudioFolder
from evaluation.conditions import ChannelCondition
from radd.channels import ChannelChoice, Lane
from radd.clip_score import longest, mean_llr
from radd.errors import AudioError
from radd.files import chunks, lanes
from radd.types import HOP_SAMPLES, Detector, Judgement

HOPS_AT_ONCE = (
    64  # or as many as a full window has: only a clip without any is scored by a shorter window
)


class OfflineDetector(Detector[Any], Protocol):
    """A detector whose speech gate can be opened, and that can score only the longest windows."""

    @property
    def window_hops(self) -> int:
        """The length of its longest window."""
        ...

    def push(
        self, state: Any, samples: np.ndarray, gated: bool = True, longest: bool = False
    ) -> list[Judgement]: ...


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClipScore:
    """The result for one trial."""

    utt: str
    llr: float | None
    """nats, higher = bona fide; None if there is no audio to score"""
    problem: str | None = None
    """why there is no score"""
    refusal: str | None = None
    """why the speech gate would reject the clip; it is scored all the same"""


class ClipScorer:
    """Scores the trials of one audio folder."""

    def __init__(
        self,
        detector: OfflineDetector,
        folder: AudioFolder,
        hearing: ChannelCondition | None = None,
        choice: ChannelChoice | None = None,
    ):
        """`choice` selects channels or tracks."""
        self._detector, self._folder, self._hearing = (
            detector,
            folder,
            hearing or ChannelCondition(),
        )
        self._choice = choice

    def score_all(self, utts: list[str]) -> list[ClipScore]:
        """The scores of several trials, in order."""
        return [self.score(utt) for utt in utts]

    def score(self, utt: str) -> ClipScore:
        """The mean LLR over the full windows of a clip, one per hop, that pass the gate. With
        several different channels or tracks, the lowest LLR of those with speech.

        A clip without a full window has the LLR of its longest one. If no window passes the gate,
        the gate is opened. A rest of less than a hop is ignored; a clip shorter than a hop is
        padded with silence. No window spans a loss inside a file.
        """
        path = self._folder.find(utt)
        if path is None:
            return ClipScore(utt, None, "no file of this name")
        try:
            scores = [self._score_lane(utt, path, lane) for lane in self._lanes(path)]
        except AudioError as error:
            return ClipScore(utt, None, str(error))
        return min(scores, key=lambda score: math.inf if score.llr is None else score.llr)

    def _lanes(self, path: Path) -> tuple[Lane, ...]:
        found = lanes(path, self._choice)
        if found.note:
            log.warning(found.note)
        return found.lanes

    def _score_lane(self, utt: str, path: Path, lane: Lane) -> ClipScore:
        judged = self._longest(utt, path, lane, gated=True)
        llr = mean_llr(judgement.llr for judgement in judged)
        if llr is not None:
            return ClipScore(utt, llr)
        ungated = self._longest(utt, path, lane, gated=False)
        llr = mean_llr(judgement.llr for judgement in ungated)
        return ClipScore(utt, llr, refusal=f"{judged[-1].refusal}: {judged[-1].reason}")

    def _longest(self, utt: str, path: Path, lane: Lane, gated: bool) -> list[Judgement]:
        """The judgements of all full windows, or of the last and longest ones. Raises AudioError
        like open_audio.
        """
        at_once = max(HOPS_AT_ONCE, self._detector.window_hops)
        judged: list[Judgement] = []
        for sound in self._hearing.parts(chunks(path, lane), utt):
            state = self._detector.start()
            for samples in _hops(sound, at_once, fill=not judged):
                judged += self._detector.push(state, samples, gated=gated, longest=True)
        return longest(judged)


def _hops(sound: Iterator[np.ndarray], at_once: int, fill: bool) -> Iterator[np.ndarray]:
    """Regroup blocks of any length into whole hops, `at_once` or more but never all of a long clip;
    at least one hop with `fill`.
    """
    waiting: list[np.ndarray] = []
    heard = size = 0
    for samples in sound:
        waiting.append(samples)
        size += len(samples)
        if size >= at_once * HOP_SAMPLES:
            joined = np.concatenate(waiting)
            whole = size - size % HOP_SAMPLES
            yield joined[:whole]
            heard, waiting, size = heard + whole, [joined[whole:]], size - whole
    joined = np.concatenate([*waiting, np.zeros(0, np.float32)])
    if fill and not heard and size < HOP_SAMPLES:
        joined = np.pad(joined, (0, HOP_SAMPLES - size))
    whole = len(joined) - len(joined) % HOP_SAMPLES
    if whole:
        yield joined[:whole]
