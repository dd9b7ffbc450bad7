"""Decoded sound -> one judgement, on the path that detect.py and evaluate.py take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np

from console.report_text import in_words, limits
from console.schemas import Neighbour, Prediction, Segment, Span
from radd.errors import AudioError
from radd.hot_swap import HotSwapDetector
from radd.types import SAMPLE_RATE_HZ, Alert, AlertState, AudioChunk, Detector, Score, seconds
from stream.decision import Decider
from stream.monitor import Monitor


class Predictor:
    """Judges whole recordings, each with a fresh monitor; any number at once."""

    def __init__(
        self, champion: HotSwapDetector, monitor: Callable[[Detector], Monitor], decider: Decider
    ):
        """A recording is judged by what is champion when it begins; `decider` only tells what a
        score means.
        """
        self._champion, self._monitor, self._decider = champion, monitor, decider

    def judge(self, chunks: Iterable[AudioChunk], sha256: str) -> Prediction:
        """The judgement of sound out of the file of this digest.

        Its LLR is that of `evaluate.py score`: the mean over the longest windows that the speech
        gate lets pass. Where it lets none pass nothing is measured, while evaluate.py leaves the
        gate open and gives a number. Raises AudioError where there is no sound at all.
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
                "not one sample of this recording could be decoded: it is damaged; get the whole "
                "file"
            )
        longest = max(score.window_samples for score in scores)
        whole = [score for score in scores if score.window_samples == longest]
        llrs = [score.llr for score in whole if score.llr is not None]
        llr = float(np.mean(llrs)) if llrs else None
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
        headline, confidence = in_words(llr, verdict, reason, alerts, segments)
        return Prediction(
            verdict=verdict,
            headline=headline,
            confidence=confidence,
            reason=reason,
            llr=llr,
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

    def p_spoof(self, llr: float | None) -> float | None:
        return None if llr is None else self._decider.p_spoof(llr)

    def _segments(self, scores: list[Score], end: int) -> list[Segment]:
        """Each second has the mean LLR of the windows whose middle lies in it; the last ones share
        the last window.
        """
        middles = defaultdict(list)
        for score in scores:
            middles[(score.end - score.window_samples // 2) // SAMPLE_RATE_HZ].append(score)
        segments, here = [], scores[:1]
        for second in range(-(-end // SAMPLE_RATE_HZ)):
            here = middles.get(second) or here[-1:]
            llrs = [score.llr for score in here if score.llr is not None]
            llr = float(np.mean(llrs)) if llrs else None
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


def _clearest(scores: list[Score], llr: float | None) -> list[Neighbour]:
    """The neighbours of the score that speaks most clearly for what the mean says."""
    if llr is None:
        return []
    measured = [(score.llr, score.neighbours) for score in scores if score.llr is not None]
    _, neighbours = (min if llr < 0 else max)(measured, key=lambda each: each[0])
    return [Neighbour(**asdict(neighbour)) for neighbour in neighbours]
