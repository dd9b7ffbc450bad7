"""One score a clip: the mean LLR over its windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from evaluation.audio_folder import AudioFolder
from evaluation.conditions import ChannelCondition
from radd.errors import AudioError
from radd.files import open_audio
from radd.resampling import Converter
from radd.types import HOP_SAMPLES, Detector, Judgement

HOPS_AT_ONCE = (
    64  # or as many as a full window has: only a clip that has none is then scored by a shorter one
)


class OfflineDetector(Detector, Protocol):
    """A detector whose speech gate can be left open, and that can be asked for the longest windows
    only.
    """

    window_hops: int
    """of its longest window"""

    def push(
        self, state: object, samples: np.ndarray, gated: bool = True, longest: bool = False
    ) -> list[Judgement]: ...


@dataclass(frozen=True, slots=True)
class ClipScore:
    """What became of one trial."""

    utt: str
    llr: float | None
    """nats, higher = bona fide; None where there is no sound to score"""
    problem: str | None = None
    """why there is no score"""
    refusal: str | None = None
    """why the speech gate would not have judged the clip; it is scored all the same"""


class ClipScorer:
    """Scores the trials of one folder of sound."""

    def __init__(
        self,
        detector: OfflineDetector,
        folder: AudioFolder,
        hearing: ChannelCondition | None = None,
    ):
        self._detector, self._folder, self._hearing = (
            detector,
            folder,
            hearing or ChannelCondition(),
        )

    def score_all(self, utts: list[str]) -> list[ClipScore]:
        return [self.score(utt) for utt in utts]

    def score(self, utt: str) -> ClipScore:
        """The mean LLR over the full windows of a clip, one a hop, that the gate lets pass.

        A clip without a full window has the LLR of its longest one. Where the gate lets none of
        these pass, it is left open. A rest of less than a hop is not heard; a clip that is all rest
        is filled up with silence.
        """
        path = self._folder.find(utt)
        if path is None:
            return ClipScore(utt, None, "no file of this name")
        try:
            judged = self._longest(utt, path, gated=True)
            llrs = [judgement.llr for judgement in judged if judgement.llr is not None]
            if llrs:
                return ClipScore(utt, float(np.mean(llrs)))
            llrs = [judgement.llr for judgement in self._longest(utt, path, gated=False)]
        except AudioError as error:
            return ClipScore(utt, None, str(error))
        return ClipScore(
            utt, float(np.mean(llrs)), refusal=f"{judged[-1].refusal}: {judged[-1].reason}"
        )

    def _longest(self, utt: str, path: Path, gated: bool) -> list[Judgement]:
        """The judgements of all full windows, or of the last and longest one; raises AudioError as
        open_audio.
        """
        at_once = max(HOPS_AT_ONCE, self._detector.window_hops)
        state, hops = self._detector.start(), _hops(self._hearing.of(blocks(path), utt), at_once)
        return [
            one
            for samples in hops
            for one in self._detector.push(state, samples, gated=gated, longest=True)
        ]


def _hops(sound: Iterator[np.ndarray], at_once: int) -> Iterator[np.ndarray]:
    """Blocks of any length as whole hops, `at_once` or more but never all of a long clip; at least
    one hop.
    """
    heard, waiting, size = 0, [], 0
    for samples in sound:
        waiting.append(samples)
        size += len(samples)
        if size >= at_once * HOP_SAMPLES:
            sound = np.concatenate(waiting)
            whole = size - size % HOP_SAMPLES
            yield sound[:whole]
            heard, waiting, size = heard + whole, [sound[whole:]], size - whole
    sound = np.concatenate([*waiting, np.zeros(0, np.float32)])
    if not heard and size < HOP_SAMPLES:
        sound = np.pad(sound, (0, HOP_SAMPLES - size))
    whole = len(sound) - len(sound) % HOP_SAMPLES
    if whole:
        yield sound[:whole]


def blocks(path: Path) -> Iterator[np.ndarray]:
    """The sound of a file in blocks of about 128 ms, float32 (n,), mono, 16 kHz; raises AudioError
    as open_audio.
    """
    with open_audio(path) as file:
        converter = Converter(file.rate_hz, file.channels)
        for block in file.blocks():
            yield converter.push(block).samples
        yield converter.flush().samples
