"""A shadow run: a candidate judges beside the champion, without a voice, in a thread of its own and
now and then only.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
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
    Judgement,
    Score,
)
from stream.decision import Decider, DecisionSettings
from stream.engine import Listener
from stream.monitor import HopBatch
from stream.segment import CurrentSegment

log = logging.getLogger(__name__)

STRETCH_HOPS = 128  # 16.4 s
# of them the candidate only listens to: its windows grow until they are as long as the champion's
WARM_HOPS = 32
EVERY = 8  # stretches of which one is judged twice
PATIENCE_S = 5.0  # at the end of a stream, for the stretch that is being judged


@dataclass(slots=True)
class ShadowSegment:
    """Sound and what the champion said of each hop of it."""

    samples: np.ndarray
    """float32 (STRETCH_HOPS * HOP_SAMPLES,)"""
    scores: list[Score]
    done: threading.Event = field(default_factory=threading.Event)
    found: Compared | None = None
    """once done; None where there is no candidate or no speech"""


class Shadow:
    """The candidate of a process. One stretch is judged and one waits at most; what comes in
    between is not judged.
    """

    def __init__(self, candidate: Callable[[], Detector | None], decision: DecisionSettings):
        """`candidate` is called in the thread, before each stretch; None where there is none
        now.
        """
        self._candidate, self._decision = candidate, decision
        self._jobs: queue.Queue[ShadowSegment] = queue.Queue(1)
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
        self._problem: str | None = None

    def offer(self, stretch: ShadowSegment) -> bool:
        """Have a stretch judged; False where the thread has no time for it. Returns at once."""
        if not self._thread.ident:
            self._thread.start()
        try:
            self._jobs.put_nowait(stretch)
        except queue.Full:
            return False
        return True

    def _work(self) -> None:
        while True:
            stretch = self._jobs.get()
            try:
                candidate = self._candidate()
                stretch.found = None if candidate is None else self.compare(candidate, stretch)
                self._problem = None
            except RaddError as error:
                if str(error) != self._problem:
                    self._problem = str(error)
                    log.warning("the candidate does not judge beside the champion: %s", error)
            finally:
                stretch.done.set()

    def compare(self, candidate: Detector, stretch: ShadowSegment) -> Compared | None:
        """What both say of the hops, after the first WARM_HOPS, that both have measured; None
        without any.
        """
        judged = candidate.push(candidate.start(), stretch.samples)
        deciders, alerts, differences = (
            (Decider(self._decision), Decider(self._decision)),
            [False, False],
            [],
        )
        for score, judgement in list(zip(stretch.scores, judged, strict=True))[WARM_HOPS:]:
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
            stretch.scores[-1].end, candidate.name, heard_s, float(np.mean(differences)), *alerts
        )


class Shadowed:
    """A Listener around that of one stream: passes its events on as they are, and adds a Compared
    now and then.
    """

    def __init__(self, listener: Listener, shadow: Shadow):
        self._listener, self._shadow = listener, shadow
        self._stretches = 0
        self._waiting: list[ShadowSegment] = []
        self._current = CurrentSegment(STRETCH_HOPS)

    def hear(self, chunk: AudioChunk) -> HopBatch:
        self._current.hear(chunk)
        return self._listener.hear(chunk)

    def judged(self, heard: HopBatch, judgements: Sequence[Judgement]) -> list[Event]:
        events = list(self._listener.judged(heard, judgements))
        for event in events:
            if isinstance(event, Score):
                self._current.judge(event)
                if self._current.is_whole:
                    self._end_stretch()
        return events + self._compared()

    def flush(self) -> Iterable[Event]:
        events = list(self._listener.flush())
        for stretch in self._waiting:
            stretch.done.wait(PATIENCE_S)
        return events + self._compared()

    def _end_stretch(self) -> None:
        scores = self._current.scores
        if self._stretches % EVERY == 0 and any(score.llr is not None for score in scores):
            stretch = ShadowSegment(self._current.samples, scores)
            if self._shadow.offer(stretch):
                self._waiting.append(stretch)
        self._stretches += 1
        self._current.end()

    def _compared(self) -> list[Event]:
        done = [stretch for stretch in self._waiting if stretch.done.is_set()]
        self._waiting = [stretch for stretch in self._waiting if not stretch.done.is_set()]
        return [stretch.found for stretch in done if stretch.found is not None]
