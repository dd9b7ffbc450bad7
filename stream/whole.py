"""What a stream was judged to be as a whole, counted while it runs."""

from __future__ import annotations

from radd.clip_score import is_mixed
from radd.types import SAMPLE_RATE_HZ, Alert, AlertState, Event, Score, Verdict
from radd.wording import Finding
from stream.decision import Decider
from stream.run_events import Result, SyntheticPart

MOST_PARTS = 100  # kept of a stream that may run for months
SOME_SPEECH = (
    0.25  # share of the speech needed: with less, there was no speech rather than too little
)


class Whole:
    """A sink that finds the result of one stream in constant memory.

    The LLR is that of `evaluate.py score` where the gate lets a window pass: the mean over the
    longest windows.
    """

    def __init__(self, decider: Decider, needed_s: float):
        """`decider` only maps scores to verdicts; `needed_s` of speech make a window scorable."""
        self._decider, self._needed_s = decider, needed_s
        self._window_samples = 0
        self._last: Score | None = None
        """of the longest windows"""
        self._sum_llr, self._measured, self._most_speech_s = 0.0, 0, 0.0
        self._seconds = _Seconds(decider)
        self._parts: list[SyntheticPart] = []
        self._alerts = 0

    def write(self, event: Event, stream: str | None = None) -> None:
        match event:
            case Score():
                self._add(event)
            case Alert(state=AlertState.CLOSE):
                self._alerts += 1
                if len(self._parts) < MOST_PARTS:
                    self._parts.append(
                        SyntheticPart(event.id, event.began, event.end, event.peak_p_spoof)
                    )

    def result(self, end: int) -> Result:
        """The result of the stream up to sample `end`, whose last alert is closed."""
        llr = self._sum_llr / self._measured if self._measured else None
        reason = None if llr is not None or self._last is None else self._last.reason
        finding = self._unmeasured(end) if llr is None else self._measured_finding(llr, end)
        if finding is Finding.TOO_SHORT:
            reason = (
                f"{self._needed_s:g} s of speech is needed, {self._most_speech_s:.1f} s was found"
            )
        p_spoof = None if llr is None else self._decider.p_spoof(llr)
        return Result(end, finding, llr, p_spoof, reason, tuple(self._parts), self._alerts)

    def _add(self, score: Score) -> None:
        if score.window_samples > self._window_samples:
            self._window_samples, self._sum_llr, self._measured = score.window_samples, 0.0, 0
        self._most_speech_s = max(self._most_speech_s, score.speech_s)
        self._seconds.add(score)
        if score.window_samples < self._window_samples:
            return
        self._last = score
        if score.llr is not None:
            self._sum_llr, self._measured = self._sum_llr + score.llr, self._measured + 1

    def _measured_finding(self, llr: float, end: int) -> Finding:
        verdict = self._decider.verdict(llr)
        person_s, measured_s = self._seconds.counts(end)
        if self._alerts and (verdict is not Verdict.SPOOF or is_mixed(person_s, measured_s)):
            return Finding.PARTLY
        return Finding(verdict.value)

    def _unmeasured(self, end: int) -> Finding:
        verdict = Verdict.NO_SPEECH if self._last is None else self._last.verdict
        if self._alerts:
            return Finding.PARTLY
        is_short = end < self._needed_s * SAMPLE_RATE_HZ
        is_little = self._most_speech_s >= SOME_SPEECH * self._needed_s
        if verdict is Verdict.WARMING_UP or (
            verdict is Verdict.NO_SPEECH and (is_short or is_little)
        ):
            return Finding.TOO_SHORT
        return Finding(verdict.value)


class _Seconds:
    """Counts the seconds of a stream that sound like a person, and those that were measured.

    A second has the mean LLR of the windows centred in it; one without any has the last score.
    """

    def __init__(self, decider: Decider):
        self._decider = decider
        self._second = 0
        self._sum_llr, self._measured = 0.0, 0
        self._last_llr: float | None = None
        self._person_s = self._measured_s = 0

    def add(self, score: Score) -> None:
        second = (score.end - score.window_samples // 2) // SAMPLE_RATE_HZ
        if second > self._second:
            self._close(second)
        self._last_llr = score.llr
        if score.llr is not None:
            self._sum_llr, self._measured = self._sum_llr + score.llr, self._measured + 1

    def counts(self, end: int) -> tuple[int, int]:
        """Seconds of a person, and measured seconds, up to sample `end`."""
        self._close(-(-end // SAMPLE_RATE_HZ))
        return self._person_s, self._measured_s

    def _close(self, second: int) -> None:
        """Count the seconds before this one."""
        if self._measured:
            self._count(self._sum_llr / self._measured, 1)
        if self._last_llr is not None:
            self._count(self._last_llr, second - self._second - 1)
        self._second, self._sum_llr, self._measured = second, 0.0, 0

    def _count(self, llr: float, seconds: int) -> None:
        if seconds > 0:
            self._measured_s += seconds
            self._person_s += seconds * (self._decider.verdict(llr) is Verdict.BONAFIDE)
