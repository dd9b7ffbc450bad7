"""The path of a chunk through one stream: hops, judgements, scores, decisions, alerts."""

from __future__ import annotations

import time
from collections.abc import Callable

from radd.types import HOP_SAMPLES, AudioChunk, Detector, Event, Gap, Judgement, Score, Verdict, seconds
from stream.alerts import AlertSettings, Recorder
from stream.decision import Decider, DecisionSettings
from stream.windower import Windower

SILENCE_DBFS = -120.0
DAMAGED = Judgement(
    llr=None,
    refusal=Verdict.TOO_NOISY,
    reason="samples that are no numbers (NaN or infinite) came with this sound: not judged",
    neighbours=(),
    window_samples=0,
    speech_s=0.0,
    level_dbfs=SILENCE_DBFS,
)


class Monitor:
    """The memory of one stream around a shared detector: chunks in, events out, in the order of the sound.

    A gap ends an open alert and starts the detector anew. Damaged samples start it anew too, but no sound is missing
    and the alert goes on: the hops that may hold them are TOO_NOISY, and no later window reaches back to them.
    """

    def __init__(
        self,
        detector: Detector,
        decision: DecisionSettings,
        alerts: AlertSettings,
        stream_id: str,
        clock: Callable[[], float] = time.monotonic,
    ):
        """`stream_id` is a UUID; `clock` tells the seconds that AudioChunk.arrived is told in."""
        self._detector = detector
        self._state = detector.start()
        self._windower = Windower()
        self._decider = Decider(decision)
        self._recorder = Recorder(alerts, stream_id)
        self._clock = clock
        self._end = 0
        self._gaps = 0
        self._gap_end = -1

    def feed(self, chunk: AudioChunk) -> list[Event]:
        """The events of the hops that `chunk` completes: a Score each, an Alert after the Score that made it.

        A loss before the chunk yields the close of an open alert, a Gap, and a Score with the verdict GAP at its end.
        Raises ValueError for a chunk that begins before the end of the one before.
        """
        hops = self._windower.push(chunk)
        events = self._lose(hops.gap, hops.unjudged) if hops.gap else []
        if hops.damaged:
            self._state = self._detector.start()
        judgements = [DAMAGED] * hops.damaged
        if hops.damaged < len(hops.samples):
            judgements += self._detector.push(self._state, hops.samples[hops.damaged :].reshape(-1))
        latency_ms = None if chunk.arrived is None else 1000.0 * (self._clock() - chunk.arrived)
        for hop, judgement in zip(hops.samples, judgements, strict=True):
            self._end += len(hop)
            score = self._score(judgement, latency_ms)
            self._recorder.record(hop, score)
            decision = self._decider.update(self._end, score.llr, score.window_samples)
            events += [score] if decision is None else [score, self._recorder.alert(decision, self._gaps)]
        return events

    def flush(self) -> list[Event]:
        """The events of the end of sound, told once: the close of an open alert.

        What is left is shorter than a hop and not judged; where that is all there was, a Score WARMING_UP says so.
        """
        left = self._windower.pending
        if self._end or not left:
            return self._close()
        reason = f"{seconds(left):.3f} s of sound; a judgement needs at least {seconds(HOP_SAMPLES):.3f} s"
        return [_unmeasured(left, Verdict.WARMING_UP, reason)]

    def _lose(self, gap: Gap, unjudged: int) -> list[Event]:
        events = self._close()
        self._recorder.reset()
        self._state = self._detector.start()
        self._gaps += gap.start != self._gap_end  # a loss that is still going on is told in adjoining parts
        self._end = self._gap_end = gap.end
        reason = f"{seconds(gap.end - gap.start):.3f} s lost: {gap.cause}"
        if unjudged:
            reason += f"; {seconds(unjudged):.3f} s before that were too short to judge"
        return [*events, gap, _unmeasured(gap.end, Verdict.GAP, reason)]

    def _close(self) -> list[Event]:
        decision = self._decider.close(self._end)
        return [] if decision is None else [self._recorder.alert(decision, self._gaps)]

    def _score(self, judgement: Judgement, latency_ms: float | None) -> Score:
        llr = judgement.llr
        return Score(
            end=self._end,
            verdict=judgement.refusal if llr is None else self._decider.verdict(llr),
            reason=judgement.reason,
            llr=llr,
            p_spoof=None if llr is None else self._decider.p_spoof(llr),
            neighbours=judgement.neighbours,
            window_samples=judgement.window_samples,
            speech_s=judgement.speech_s,
            level_dbfs=judgement.level_dbfs,
            latency_ms=latency_ms,
        )


def _unmeasured(end: int, verdict: Verdict, reason: str) -> Score:
    return Score(end, verdict, reason, None, None, (), 0, 0.0, SILENCE_DBFS, None)
