"""False alarms, misses and delays: alarms compared with the annotations of the recordings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypedDict

import numpy as np

from evaluation.poisson import interval95
from evaluation.recordings import LongRecording, VoiceSegment
from radd.types import AlertState, seconds

GRACE_S = 4.096  # an alert that opens within one window after a fake counts for the fake
THRESHOLDS = tuple(float(value) for value in np.geomspace(0.1, 100, 49))


class AlarmDecider(Protocol):
    """The sequential test alone, for existing judgements."""

    def update(self, end: int, llr: float | None, window_samples: int): ...
    def close(self, end: int): ...


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alert from the user's point of view."""

    opened_s: float
    """when a user sees it"""
    ended_s: float | None
    """end of the audio with evidence for it; None while it is open"""


@dataclass(frozen=True, slots=True)
class StreamResult:
    """The result for one recording."""

    hops: list[tuple[int, float | None, int]]
    """end in samples, LLR in nats and window in samples of each score"""
    alarms: list[Alarm]


class Figures(TypedDict):
    """The figures of an outcome, as in stream.json; None where nothing was measured."""

    hours_real: float
    false_alarms: int
    false_alarms_per_hour: float | None
    false_alarms_per_hour_ci95: list[float] | None
    n_fakes: int
    missed_percent: float | None
    median_time_to_detection_s: float | None
    p90_time_to_detection_s: float | None


@dataclass(frozen=True, slots=True)
class StreamOutcome:
    """Errors and delays at one threshold."""

    threshold: float
    hours_real: float
    false_alarms: int
    n_fakes: int
    missed: int
    delays_s: list[float]
    """from the onset of a fake to its alert, ascending"""

    def figures(self) -> Figures:
        """The figures of stream.json; None if nothing was measured."""
        low, high = interval95(self.false_alarms)
        return {
            "hours_real": self.hours_real,
            "false_alarms": self.false_alarms,
            "false_alarms_per_hour": self.false_alarms / self.hours_real
            if self.hours_real
            else None,
            "false_alarms_per_hour_ci95": [low / self.hours_real, high / self.hours_real]
            if self.hours_real
            else None,
            "n_fakes": self.n_fakes,
            "missed_percent": 100 * self.missed / self.n_fakes if self.n_fakes else None,
            "median_time_to_detection_s": self._delay(50),
            "p90_time_to_detection_s": self._delay(90),
        }

    def _delay(self, percent: float) -> float | None:
        return float(np.percentile(self.delays_s, percent)) if self.delays_s else None


def decide_again(hops: list[tuple[int, float | None, int]], decider: AlarmDecider) -> list[Alarm]:
    """The alarms that a new decider raises from existing scores: the effect of other settings."""
    alarms: list[Alarm] = []
    end = 0
    for end, llr, window_samples in hops:
        _follow(alarms, decider.update(end, llr, window_samples), end)
    _follow(alarms, decider.close(end), end)
    return alarms


def _follow(alarms: list[Alarm], decision, end: int) -> None:
    if decision is None:
        return
    if decision.state is AlertState.OPEN:
        alarms.append(Alarm(seconds(end), None))
    else:
        alarms[-1] = Alarm(alarms[-1].opened_s, seconds(decision.end))


def count(
    threshold: float, recordings: list[LongRecording], alarms: list[list[Alarm]]
) -> StreamOutcome:
    """Compare the alarms of each recording with its annotation.

    A fake is detected by the first alarm that opens during it or within 4.096 s after it. An alarm
    that was open at its onset and lasts into it also detects it, but gives no delay. Any other
    alarm that opens during real speech is a false alarm.
    """
    false_alarms = missed = 0
    delays_s: list[float] = []
    for recording, raised in zip(recordings, alarms, strict=True):
        about = [_fake_of(recording, alarm) for alarm in raised]
        pairs = list(zip(raised, about, strict=True))
        false_alarms += sum(fake is None and _is_false(recording, alarm) for alarm, fake in pairs)
        for fake in recording.fakes:
            delays = [alarm.opened_s - fake.onset_s for alarm, other in pairs if other is fake]
            lasting = any(
                alarm.opened_s <= fake.onset_s and (alarm.ended_s or math.inf) > fake.onset_s
                for alarm in raised
            )
            if lasting:
                continue
            missed += not delays
            delays_s += delays[:1]
    hours = sum(recording.real_s for recording in recordings) / 3600
    n_fakes = sum(len(recording.fakes) for recording in recordings)
    return StreamOutcome(threshold, hours, false_alarms, n_fakes, missed, sorted(delays_s))


def _fake_of(recording: LongRecording, alarm: Alarm) -> VoiceSegment | None:
    fakes = [
        fake for fake in recording.fakes if fake.onset_s < alarm.opened_s <= fake.end_s + GRACE_S
    ]
    return fakes[-1] if fakes else None


def _is_false(recording: LongRecording, alarm: Alarm) -> bool:
    return any(
        not segment.is_spoof and segment.onset_s < alarm.opened_s <= segment.end_s
        for segment in recording.segments
    )


def sweep(
    recordings: list[LongRecording],
    results: list[StreamResult],
    decider: Callable[[float], AlarmDecider],
) -> list[StreamOutcome]:
    """The outcome at every threshold of THRESHOLDS, without scoring again."""
    return [
        count(
            threshold, recordings, [decide_again(one.hops, decider(threshold)) for one in results]
        )
        for threshold in THRESHOLDS
    ]
