"""Detects that a stream's audio drifts away from all voices that the model knows. Reported once,
and again after a recovery.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ, AudioChunk, Drift, Event, Score

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
    """A Tap that adds a Drift if the mean distance of the latest speech from its nearest references
    exceeds `factor` times the detector's usual distance.

    After a change of model it starts again: distances from one model's references say nothing about
    another's.
    """

    def __init__(self, detector: Knowing, factor: float):
        self._detector, self._factor = detector, factor
        self._watch()

    def _watch(self) -> None:
        self._model, usual = self._detector.name, self._detector.usual_distance
        self._bound = None if usual is None else usual * self._factor
        self._latest: deque[float] = deque(maxlen=LATEST)
        self._sum = 0.0
        self._was_far = False

    def observe(self, chunk: AudioChunk, events: Sequence[Event]) -> list[Drift]:
        if self._detector.name != self._model:
            self._watch()
        scores = [event for event in events if isinstance(event, Score) and event.llr is not None]
        return [drift for score in scores if (drift := self._drift(score))]

    def end(self, events: Sequence[Event]) -> list[Drift]:
        return []

    def _drift(self, score: Score) -> Drift | None:
        if self._bound is None or not score.neighbours:
            return None
        self._add(1 - score.neighbours[0].similarity)
        mean = self._sum / len(self._latest)
        was_far, self._was_far = self._was_far, len(self._latest) >= FEWEST and mean > self._bound
        return Drift(score.end, mean, self._bound) if self._was_far and not was_far else None

    def _add(self, distance: float) -> None:
        if len(self._latest) == LATEST:
            self._sum -= self._latest[0]
        self._latest.append(distance)
        self._sum += distance
