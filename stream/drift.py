"""Detects that a stream's audio drifts away from all voices that the model knows. Reported once,
and again after a recovery.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol

from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ, AudioChunk, Drift, Event, Judgement, Score
from stream.engine import Listener
from stream.monitor import HopBatch

LATEST = 600 * SAMPLE_RATE_HZ // HOP_SAMPLES  # scores whose mean counts: ten minutes of speech
# one minute; with less speech the mean is too noisy to report
FEWEST = 60 * SAMPLE_RATE_HZ // HOP_SAMPLES


class Knowing(Protocol):
    """A detector with a usual distance from its references; radd/bundle.py loads such detectors."""

    @property
    def name(self) -> str: ...

    @property
    def usual_distance(self) -> float | None:
        """1 - cosine, 0 to 2; None if unknown, then drift is not reported."""
        ...


class DriftWatch:
    """A Listener around that of one stream: passes its events on and adds a Drift where the mean
    distance of the latest speech from its nearest references passes `factor` times what is usual
    for the detector.

    A detector that has become another is watched anew: distances from one model's references say
    nothing of another's.
    """

    def __init__(self, listener: Listener, detector: Knowing, factor: float):
        self._listener, self._detector, self._factor = listener, detector, factor
        self._watch()

    def _watch(self) -> None:
        self._model, usual = self._detector.name, self._detector.usual_distance
        self._bound = None if usual is None else usual * self._factor
        self._latest: deque[float] = deque(maxlen=LATEST)
        self._sum = 0.0
        self._told = False

    def hear(self, chunk: AudioChunk) -> HopBatch:
        return self._listener.hear(chunk)

    def judged(self, heard: HopBatch, judgements: Sequence[Judgement]) -> list[Event]:
        if self._detector.name != self._model:
            self._watch()
        return list(self._watched(self._listener.judged(heard, judgements)))

    def flush(self) -> Iterable[Event]:
        return self._listener.flush()

    def _watched(self, events: Iterable[Event]) -> Iterable[Event]:
        for event in events:
            yield event
            if (
                self._bound is not None
                and isinstance(event, Score)
                and event.llr is not None
                and event.neighbours
            ):
                self._add(1 - event.neighbours[0].similarity)
                mean = self._sum / len(self._latest)
                is_far = len(self._latest) >= FEWEST and mean > self._bound
                if is_far and not self._told:
                    yield Drift(event.end, mean, self._bound)
                self._told = is_far

    def _add(self, distance: float) -> None:
        if len(self._latest) == LATEST:
            self._sum -= self._latest[0]
        self._latest.append(distance)
        self._sum += distance
