"""Decoded sound -> one judgement, on the path that detect.py and evaluate.py take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict

import numpy as np

from console.shapes import Neighbour, Prediction, Segment, Span
from radd.errors import AudioError
from radd.types import SAMPLE_RATE_HZ, Alert, AlertState, AudioChunk, Score, seconds
from stream.decision import Decider
from stream.monitor import Monitor


class Judge:
    """Judges whole recordings, each with a fresh monitor; any number at once."""

    def __init__(self, name: str, monitor: Callable[[], Monitor], decider: Decider):
        """`name` is the model's; `decider` only tells what a score means."""
        self.name, self._monitor, self._decider = name, monitor, decider

    def judge(self, blocks: Iterable[np.ndarray]) -> Prediction:
        """The judgement of sound in blocks, float32 (n,), mono, 16 kHz.

        Its LLR is that of `evaluate.py score`: the mean over the longest windows that the speech gate lets pass.
        Where it lets none pass nothing is measured, while evaluate.py leaves the gate open and gives a number. Raises
        AudioError where there is no sound at all.
        """
        monitor, events, end = self._monitor(), [], 0
        for samples in blocks:
            events += monitor.feed(AudioChunk(samples, end))
            end += len(samples)
        events += monitor.flush()
        scores = [event for event in events if isinstance(event, Score)]
        if not scores:
            raise AudioError("not one sample of this recording could be decoded: it is damaged; get the whole file")
        longest = max(score.window_samples for score in scores)
        whole = [score for score in scores if score.window_samples == longest]
        llrs = [score.llr for score in whole if score.llr is not None]
        llr = float(np.mean(llrs)) if llrs else None
        return Prediction(
            verdict=whole[-1].verdict if llr is None else self._decider.verdict(llr),
            reason=whole[-1].reason if llr is None else None,
            llr=llr,
            p_spoof=self.p_spoof(llr),
            duration_s=seconds(end),
            segments=self._segments(scores, end),
            alerts=[_span(event) for event in events if isinstance(event, Alert) and event.state is AlertState.CLOSE],
            neighbours=_clearest(whole, llr),
            model=self.name,
            warnings=[],
        )

    def p_spoof(self, llr: float | None) -> float | None:
        return None if llr is None else self._decider.p_spoof(llr)

    def _segments(self, scores: list[Score], end: int) -> list[Segment]:
        """Each second has the mean LLR of the windows whose middle lies in it; the last ones share the last window."""
        middles = defaultdict(list)
        for score in scores:
            middles[(score.end - score.window_samples // 2) // SAMPLE_RATE_HZ].append(score)
        segments, here = [], scores[:1]
        for second in range(-(-end // SAMPLE_RATE_HZ)):
            here = middles.get(second) or here[-1:]
            llrs = [score.llr for score in here if score.llr is not None]
            llr = float(np.mean(llrs)) if llrs else None
            verdict = here[-1].verdict if llr is None else self._decider.verdict(llr)
            segments.append(Segment(start=second, end=min(second + 1, seconds(end)), p_spoof=self.p_spoof(llr),
                                    verdict=verdict))
        return segments


def _span(alert: Alert) -> Span:
    return Span(began=seconds(alert.began), ended=seconds(alert.end), peak_p_spoof=alert.peak_p_spoof)


def _clearest(scores: list[Score], llr: float | None) -> list[Neighbour]:
    """The neighbours of the score that speaks most clearly for what the mean says."""
    if llr is None:
        return []
    measured = [score for score in scores if score.llr is not None]
    score = (min if llr < 0 else max)(measured, key=lambda score: score.llr)
    return [Neighbour(**asdict(neighbour)) for neighbour in score.neighbours]
