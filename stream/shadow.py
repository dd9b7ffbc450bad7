"""Shadow mode: a candidate scores some segments in its own thread, without raising alerts."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from radd.errors import RaddError
from radd.types import (
    HOP_SAMPLES,
    SAMPLE_RATE_HZ,
    AudioChunk,
    Compared,
    Detector,
    Event,
    Score,
)
from stream.decision import Decider, DecisionSettings
from stream.segment import CurrentSegment

log = logging.getLogger(__name__)

SEGMENT_HOPS = 128  # 16.4 s
# at the start of a segment, only to warm up the candidate's windows to the champion's length
WARM_HOPS = 32
EVERY = 8  # one of this many segments is scored twice
PATIENCE_S = 5.0  # at the end of a stream, for the segment in progress


@dataclass(slots=True)
class ShadowSegment:
    """Audio and the champion's score of each of its hops."""

    samples: np.ndarray
    """float32 (SEGMENT_HOPS * HOP_SAMPLES,)"""
    scores: list[Score]
    done: threading.Event = field(default_factory=threading.Event)
    found: Compared | None = None
    """once done; None without a candidate or speech"""


class Shadow:
    """The candidate of a process. At most one segment is being scored and one is waiting; segments
    in between are skipped.
    """

    def __init__(self, candidate: Callable[[], Detector | None], decision: DecisionSettings):
        """`candidate` is called in the thread, before each segment; it returns None if there is no
        candidate.
        """
        self._candidate, self._decision = candidate, decision
        self._jobs: queue.Queue[ShadowSegment] = queue.Queue(1)
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
        self._problem: str | None = None

    def offer(self, segment: ShadowSegment) -> bool:
        """Offer a segment for scoring; False if the thread is busy. Returns at once."""
        if not self._thread.ident:
            self._thread.start()
        try:
            self._jobs.put_nowait(segment)
        except queue.Full:
            return False
        return True

    def _work(self) -> None:
        while True:
            segment = self._jobs.get()
            try:
                candidate = self._candidate()
                segment.found = None if candidate is None else self.compare(candidate, segment)
                self._problem = None
            except RaddError as error:
                if str(error) != self._problem:
                    self._problem = str(error)
                    log.warning("the candidate does not judge beside the champion: %s", error)
            finally:
                segment.done.set()

    def compare(self, candidate: Detector, segment: ShadowSegment) -> Compared | None:
        """Compare both models on the hops that both have scored, after the first WARM_HOPS; None if
        there are none.
        """
        judged = candidate.push(candidate.start(), segment.samples)
        deciders, alerts, differences = (
            (Decider(self._decision), Decider(self._decision)),
            [False, False],
            [],
        )
        for score, judgement in list(zip(segment.scores, judged, strict=True))[WARM_HOPS:]:
            if score.llr is None or judgement.llr is None:
                continue
            differences.append(judgement.llr - score.llr)
            for k, (llr, window) in enumerate(
                ((score.llr, score.window_samples), (judgement.llr, judgement.window_samples))
            ):
                alerts[k] |= deciders[k].update(score.end, llr, window) is not None
        if not differences:
            return None
        heard_s = len(differences) * HOP_SAMPLES / SAMPLE_RATE_HZ
        return Compared(
            segment.scores[-1].end, candidate.name, heard_s, float(np.mean(differences)), *alerts
        )


class ShadowTap:
    """A Tap that offers one in EVERY segments to a Shadow and adds a Compared for each result."""

    def __init__(self, shadow: Shadow):
        self._shadow = shadow
        self._segments = 0
        self._waiting: list[ShadowSegment] = []
        self._current = CurrentSegment(SEGMENT_HOPS)

    def observe(self, chunk: AudioChunk, events: Sequence[Event]) -> list[Compared]:
        self._current.hear(chunk)
        for event in events:
            if isinstance(event, Score):
                self._current.judge(event)
                if self._current.is_whole:
                    self._end_segment()
        return self._compared()

    def end(self, events: Sequence[Event]) -> list[Compared]:
        for segment in self._waiting:
            segment.done.wait(PATIENCE_S)
        return self._compared()

    def _end_segment(self) -> None:
        scores = self._current.scores
        if self._segments % EVERY == 0 and any(score.llr is not None for score in scores):
            segment = ShadowSegment(self._current.samples, scores)
            if self._shadow.offer(segment):
                self._waiting.append(segment)
        self._segments += 1
        self._current.end()

    def _compared(self) -> list[Compared]:
        done = [segment for segment in self._waiting if segment.done.is_set()]
        self._waiting = [segment for segment in self._waiting if not segment.done.is_set()]
        return [segment.found for segment in done if segment.found is not None]
