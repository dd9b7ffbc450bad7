"""The path of a chunk through one stream: hops, judgements, scores, decisions, alerts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np

from radd.types import (
    HOP_SAMPLES,
    AudioChunk,
    Detector,
    Event,
    Gap,
    Judgement,
    S,
    Score,
    Verdict,
    seconds,
)
from stream.alerts import AlertSettings, Recorder
from stream.decision import Decider, DecisionSettings
from stream.gap_count import GapCount
from stream.windower import Hops, Windower

SILENCE_DBFS = -120.0  # digital silence has no finite level
DAMAGED = Judgement(
    llr=None,
    refusal=Verdict.TOO_NOISY,
    reason="this audio contains samples that are NaN or infinite: not scored",
    neighbours=(),
    window_samples=0,
    speech_s=0.0,
    level_dbfs=SILENCE_DBFS,
)


@dataclass(frozen=True, slots=True)
class HopBatch(Generic[S]):
    """A chunk on its way through a stream, between its complete hops and their events."""

    state: S
    """the detector's state of the stream"""
    hops: Hops
    events: list[Event]
    """of a loss before the hops"""
    arrived: float | None
    """as in AudioChunk"""

    @property
    def samples(self) -> np.ndarray:
        """Whole hops to score, float32 (n * HOP_SAMPLES,), n >= 0."""
        return self.hops.samples[self.hops.damaged :].reshape(-1)


class Monitor(Generic[S]):
    """State of one stream around a shared detector: chunks in, events out, in the order of the
    audio.

    A gap closes an open alert and resets the detector. Damaged samples reset it too, but no audio
    is missing and the alert continues: the hops that may contain them are TOO_NOISY, and no later
    window includes them.
    """

    def __init__(
        self,
        detector: Detector[S],
        decision: DecisionSettings,
        alerts: AlertSettings,
        stream_id: str,
        clock: Callable[[], float] = time.monotonic,
    ):
        """`stream_id` is a UUID; `clock` returns seconds on the time scale of
        AudioChunk.arrived.
        """
        self._detector = detector
        self._state = detector.start()
        self._windower = Windower()
        self._decider = Decider(decision)
        self._recorder = Recorder(alerts, stream_id)
        self._clock = clock
        self._end = self._begin = self._reset = 0
        self._gaps = GapCount()
        self._shed = 0

    def feed(self, chunk: AudioChunk) -> list[Event]:
        """The events of the hops that `chunk` completes: one Score each, followed by an Alert if
        the Score caused one.

        A loss before the chunk yields the close of an open alert, a Gap, and a Score with the
        verdict GAP at its end. Raises ValueError for a chunk that begins before the end of the
        previous one.
        """
        heard = self.hear(chunk)
        return self.judged(
            heard, self._detector.push(heard.state, heard.samples) if len(heard.samples) else []
        )

    def hear(self, chunk: AudioChunk) -> HopBatch[S]:
        """First half of feed(): the hops to score. judged() must follow before the next chunk."""
        hops = self._windower.push(chunk)
        events = self._lose(hops.gap, hops.unjudged) if hops.gap else []
        if hops.damaged:
            self._state = self._detector.start()
            self._reset = hops.start + hops.damaged * HOP_SAMPLES
        return HopBatch(self._state, hops, events, chunk.arrived)

    def judged(self, heard: HopBatch[S], judgements: Sequence[Judgement]) -> list[Event]:
        """Second half of feed(): the events, given the judgements of heard.samples."""
        hops, events = heard.hops, heard.events
        latency_ms = None if heard.arrived is None else 1000.0 * (self._clock() - heard.arrived)
        for hop, judgement in zip(
            hops.samples, [*[DAMAGED] * hops.damaged, *judgements], strict=True
        ):
            self._end += len(hop)
            score = self._score(judgement, latency_ms)
            self._recorder.record(hop, score)
            decision = self._decider.update(
                self._end, score.llr, score.window_samples, 1 + self._shed
            )
            self._shed = self._shed + 1 if score.verdict is Verdict.SHED else 0
            events += (
                [score]
                if decision is None
                else [score, self._recorder.alert(decision, self._gaps.gaps)]
            )
            began = self._decider.began
            self._recorder.forget(
                self._end,
                self._end - score.window_samples - HOP_SAMPLES if began is None else began,
            )
        return events

    def needed_from(self, hops: int, period_hops: int) -> int:
        """The first sample that a new monitor has to hear again to go on like this one.

        These are the last `hops`, and what an alert would need. The sample is a multiple of
        `period_hops` after the detector's start, so that its blocks fall in the same places.
        """
        first = min(self._end - hops * HOP_SAMPLES, self._recorder.needed_from)
        period = period_hops * HOP_SAMPLES
        return max(self._begin, self._reset + (first - self._reset) // period * period)

    def snapshot(self) -> tuple[dict[str, Any], np.ndarray]:
        """The state for restore() in another process, as JSON can hold it, and the clip of an open
        alert so far, float32 (n,). The detector's state is not part of it.
        """
        recorder, clip = self._recorder.snapshot()
        state = {
            "end": self._end,
            "begin": self._begin,
            "reset": self._reset,
            "shed": self._shed,
            "gaps": self._gaps.snapshot(),
            "decider": self._decider.snapshot(),
            "recorder": recorder,
        }
        return state, clip

    def restore(self, snapshot: dict[str, Any], clip: np.ndarray, start: int) -> None:
        """Go on from a snapshot. hear_again() must follow for the audio from sample `start`, which
        needed_from() returned, to the snapshot's end.
        """
        self._end, self._begin = snapshot["end"], snapshot["begin"]
        self._reset, self._shed = snapshot["reset"], snapshot["shed"]
        self._gaps.restore(snapshot["gaps"])
        self._decider.restore(snapshot["decider"])
        self._recorder.restore(snapshot["recorder"], clip)
        self._windower = Windower(start)

    def start_at(self, end: int) -> None:
        """Expect the first audio at sample `end`; what comes later than that is a gap."""
        self._windower = Windower(end)
        self._end = self._begin = self._reset = end

    def hear_again(self, chunk: AudioChunk) -> HopBatch[S]:
        """Hops to score once more, so that the detector has a full window; there are no events."""
        hops = self._windower.push(chunk)
        if hops.damaged:
            self._state = self._detector.start()
        self._recorder.hear_again(hops.samples.reshape(-1))
        return HopBatch(self._state, hops, [], chunk.arrived)

    @property
    def end(self) -> int:
        """Sample position after the last scored hop, or after the last gap."""
        return self._end

    def flush(self) -> list[Event]:
        """The events at the end of the audio, returned once: the close of an open alert.

        A rest shorter than a hop is not scored. If the stream is shorter than a hop, a Score
        WARMING_UP reports that.
        """
        left = self._windower.pending
        if self._end or not left:
            return self._close()
        reason = (
            f"{seconds(left):.3f} s of audio; a score needs at least {seconds(HOP_SAMPLES):.3f} s"
        )
        return [_unmeasured(left, Verdict.WARMING_UP, reason)]

    def _lose(self, gap: Gap, unjudged: int) -> list[Event]:
        events = self._close()
        self._recorder.reset()
        self._state = self._detector.start()
        self._shed = 0
        self._gaps.add(gap)
        self._end = self._begin = self._reset = gap.end
        reason = f"{seconds(gap.end - gap.start):.3f} s lost: {gap.cause}"
        if unjudged:
            reason += f"; {seconds(unjudged):.3f} s before that were too short to score"
        return [*events, gap, _unmeasured(gap.end, Verdict.GAP, reason)]

    def _close(self) -> list[Event]:
        decision = self._decider.close(self._end)
        return [] if decision is None else [self._recorder.alert(decision, self._gaps.gaps)]

    def _verdict(self, judgement: Judgement) -> Verdict:
        if judgement.llr is not None:
            return self._decider.verdict(judgement.llr)
        if judgement.refusal is None:
            raise ValueError("a judgement without a number names no refusal")
        return judgement.refusal

    def _score(self, judgement: Judgement, latency_ms: float | None) -> Score:
        llr = judgement.llr
        return Score(
            end=self._end,
            verdict=self._verdict(judgement),
            reason=judgement.reason,
            llr=llr,
            p_spoof=None if llr is None else self._decider.p_spoof(llr),
            neighbours=judgement.neighbours,
            window_samples=judgement.window_samples,
            speech_s=judgement.speech_s,
            level_dbfs=judgement.level_dbfs,
            latency_ms=latency_ms,
            moved_llr=judgement.moved_llr,
        )


def _unmeasured(end: int, verdict: Verdict, reason: str) -> Score:
    return Score(end, verdict, reason, None, None, (), 0, 0.0, SILENCE_DBFS, None)
