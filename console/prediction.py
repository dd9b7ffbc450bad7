"""Decoded audio -> one result, on the same path as detect.py and evaluate.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np

from console.report_text import confirmed_in_words, in_words, limits
from console.schemas import NeighbourAnswer, Prediction, Segment, Span
from radd.clip_score import longest, mean_llr
from radd.errors import AudioError
from radd.hot_swap import HotSwapDetector
from radd.types import (
    SAMPLE_RATE_HZ,
    Alert,
    AlertState,
    AudioChunk,
    Detector,
    Score,
    Verdict,
    seconds,
)
from stream.decision import Decider
from stream.monitor import Monitor


class Predictor:
    """Scores whole recordings, each with a new monitor; any number concurrently."""

    def __init__(
        self, champion: HotSwapDetector, monitor: Callable[[Detector], Monitor], decider: Decider
    ):
        """A recording is scored by the champion at its start; `decider` only maps scores to
        verdicts.
        """
        self._champion, self._monitor, self._decider = champion, monitor, decider

    def judge(self, chunks: Iterable[AudioChunk], sha256: str) -> Prediction:
        """Score the audio of the file with this digest.

        The LLR is that of `evaluate.py score`: the mean over the longest windows that pass the
        speech gate. If none passes, nothing is measured, whereas evaluate.py then opens the gate
        and returns a score. Raises AudioError if there is no audio.
        """
        model = self._champion.now
        monitor, events, end = self._monitor(model), [], 0
        for chunk in chunks:
            events += monitor.feed(chunk)
            end = chunk.end
        events += monitor.flush()
        scores = [event for event in events if isinstance(event, Score)]
        if not scores:
            raise AudioError(
                "this recording has no samples that can be decoded: it is damaged; obtain the "
                "complete file"
            )
        whole = longest(scores)
        llr = mean_llr(score.llr for score in whole)
        verdict, reason = (
            (whole[-1].verdict, whole[-1].reason)
            if llr is None
            else (self._decider.verdict(llr), None)
        )
        segments = self._segments(scores, end)
        alerts = [
            _span(event)
            for event in events
            if isinstance(event, Alert) and event.state is AlertState.CLOSE
        ]
        moved = [score.moved_llr for score in whole if score.llr is not None]
        moved_llr = mean_llr(moved)
        headline, confidence = in_words(llr, verdict, reason, alerts, segments)
        confidence += confirmed_in_words(moved_llr)
        return Prediction(
            verdict=verdict,
            headline=headline,
            confidence=confidence,
            reason=reason,
            llr=llr,
            moved_llr=moved_llr,
            p_spoof=self.p_spoof(llr),
            duration_s=seconds(end),
            segments=segments,
            alerts=alerts,
            neighbours=_clearest(whole, llr),
            model=model.name,
            sha256=sha256,
            judged_utc=datetime.now(UTC),
            warnings=[],
            limits=limits(model.bundle.card),
        )

    def scores(self, samples: np.ndarray) -> list[Score]:
        """The scores of mono audio, float32 (n,), 16 kHz."""
        monitor = self._monitor(self._champion.now)
        events = monitor.feed(AudioChunk(samples, 0)) + monitor.flush()
        return [event for event in events if isinstance(event, Score)]

    def p_spoof(self, llr: float | None) -> float | None:
        """Probability of a synthetic voice for an LLR, at the configured prior."""
        return None if llr is None else self._decider.p_spoof(llr)

    def verdict(self, llr: float | None) -> Verdict | None:
        """The verdict on a score; None if nothing was measured."""
        return None if llr is None else self._decider.verdict(llr)

    def _segments(self, scores: list[Score], end: int) -> list[Segment]:
        """Each second has the mean LLR of the windows centred in it; the last seconds share the
        last window.
        """
        middles = defaultdict(list)
        for score in scores:
            middles[(score.end - score.window_samples // 2) // SAMPLE_RATE_HZ].append(score)
        segments, here = [], scores[:1]
        for second in range(-(-end // SAMPLE_RATE_HZ)):
            here = middles.get(second) or here[-1:]
            llr = mean_llr(score.llr for score in here)
            verdict = here[-1].verdict if llr is None else self._decider.verdict(llr)
            segments.append(
                Segment(
                    start=second,
                    end=min(second + 1, seconds(end)),
                    p_spoof=self.p_spoof(llr),
                    verdict=verdict,
                )
            )
        return segments


def _span(alert: Alert) -> Span:
    return Span(
        began=seconds(alert.began), ended=seconds(alert.end), peak_p_spoof=alert.peak_p_spoof
    )


def _clearest(scores: list[Score], llr: float | None) -> list[NeighbourAnswer]:
    """The neighbours of the score that agrees most strongly with the mean."""
    if llr is None:
        return []
    measured = [(score.llr, score.neighbours) for score in scores if score.llr is not None]
    _, neighbours = (min if llr < 0 else max)(measured, key=lambda each: each[0])
    return [NeighbourAnswer(**asdict(neighbour)) for neighbour in neighbours]
