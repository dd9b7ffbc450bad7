"""A detector that can be replaced while it scores streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from radd.bundle import BundledDetector
from radd.types import Judgement, Part, Scorer


class _InUse(NamedTuple):
    """The detector and how often the bundle has changed. They are replaced together."""

    detector: BundledDetector
    swaps: int


@dataclass(slots=True)
class SwapState:
    """State of one stream, with the detector that it belongs to."""

    inner: object
    """state of the stream in that detector"""
    swaps: int
    """of the bundle, when the state began"""
    name: str
    """of the detector that scored last"""


class HotSwapDetector(Scorer[SwapState]):
    """Scores with an immutable detector that can be replaced from any thread, between two pushes.

    Each push uses one detector throughout. Where the new one is of another bundle, every stream
    starts again with a fresh state; one that differs only in its overlay continues the streams.
    """

    def __init__(self, detector: BundledDetector) -> None:
        self._in_use = _InUse(detector, 0)

    @property
    def now(self) -> BundledDetector:
        """The detector in use."""
        return self._in_use.detector

    @property
    def name(self) -> str:
        return self.now.name

    @property
    def usual_distance(self) -> float | None:
        return self.now.usual_distance

    def swap(self, detector: BundledDetector) -> None:
        """Use this detector from the next push on."""
        now, swaps = self._in_use
        self._in_use = _InUse(detector, swaps + (detector.bundle is not now.bundle))

    def start(self) -> SwapState:
        detector, swaps = self._in_use
        return SwapState(detector.start(), swaps, detector.name)

    def push(self, state: SwapState, samples: np.ndarray) -> list[Judgement]:
        return self.push_many([Part(state, samples)])[0]

    def push_many(self, parts: Sequence[Part[SwapState]]) -> list[list[Judgement]]:
        detector, swaps = self._in_use
        for state, *_ in parts:
            if state.swaps != swaps:
                state.inner, state.swaps = detector.start(), swaps
            state.name = detector.name
        return detector.push_many([Part(s.inner, samples, shed) for s, samples, shed in parts])
