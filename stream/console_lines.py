"""Events as plain lines for logs; live_view.py is for people at a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from radd.terminal import printable
from radd.types import Alert, Drift, Event, Gap, Lost, Sample, Score, Verdict, seconds
from stream.event_text import (
    Labels,
    Pace,
    clock_time,
    describe_alert,
    describe_drift,
    describe_end,
    describe_loss,
    describe_result,
    describe_stats,
)
from stream.lines import Lines
from stream.run_events import IndexChanged, ModelChanged, Notice, Result, Started, Stats, Stopped


class ConsoleLines(Lines):
    """A line for each event, and for a verdict only when it changes; for logs and pipes.

    With several streams each line names its stream.
    """

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic):
        super().__init__(out)
        self.clock = clock
        self.labels = Labels()
        self.calls: dict[str | None, str] = {}
        """source of each stream that is a track of a call"""
        self.verdicts: dict[str | None, Verdict] = {}
        self.paces: dict[str | None, Pace] = {}

    def write(self, event: Event | Notice, stream: str | None = None) -> None:
        match event:
            case Score():
                self._score(event, stream)
            case Gap(start, end, cause):
                self._say(end, f"gap: {seconds(end - start):.2f} s lost, {cause}", stream)
            case Alert():
                self._say(event.end, describe_alert(event), stream)
            case Sample():
                since = clock_time(seconds(event.start))
                self._say(
                    event.end,
                    f"a sample of the speech since {since} was stored for review; sample "
                    f"{event.id}",
                    stream,
                )
            case Drift():
                self._say(event.end, describe_drift(event), stream)
            case Lost():
                self._say(event.end, describe_loss(event), stream)
            case Started():
                self._start(event, stream)
            case IndexChanged(end, version, added, removed):
                self._say(
                    end,
                    f"index: {added} references added, {removed} removed; overlay version "
                    f"{version}",
                    stream,
                )
            case ModelChanged(end, bundle):
                self._say(end, f"another model is used from here on: {bundle}", stream)
            case Stats():
                self._say(event.end, describe_stats(event), stream)
            case Result():
                self._say(event.end, describe_result(event), stream)
            case Stopped():
                self._say(event.end, describe_end(event), stream)
                self._forget(stream)

    def _forget(self, stream: str | None) -> None:
        """Calls come and go: keep nothing of one that has ended."""
        if stream in self.calls:
            self.labels.forget(stream, self.calls.pop(stream))
            self.verdicts.pop(stream, None)
            del self.paces[stream]

    def _start(self, event: Started, stream: str | None) -> None:
        if event.call is not None:
            self.calls[stream] = event.source
        self.paces[stream] = Pace(event.length_samples, self.clock)
        self.labels.add(stream, event.source)
        self._say(
            0,
            f"listening to {event.source} at {event.native_rate_hz} Hz with {event.bundle}",
            stream,
        )

    def _score(self, score: Score, stream: str | None) -> None:
        if score.verdict not in (
            self.verdicts.get(stream),
            Verdict.SHED,
        ):  # shed hops are reported as a total
            self.verdicts[stream] = score.verdict
            told = (
                score.reason
                if score.p_spoof is None
                else f"p_spoof {score.p_spoof:.2f}, llr {score.llr:+.2f}"
            )
            self._say(score.end, f"{score.verdict.value}: {told}", stream)
        pace = self.paces.get(stream)
        if pace is not None and pace.passed_a_tenth(score.end):
            self._say(score.end, pace.describe(score.end), stream)

    def _say(self, end: int, text: str, stream: str | None) -> None:
        is_one_of_many = len(self.labels) > 1 or stream in self.calls
        named = f"{self.labels[stream]}: " if is_one_of_many and self.labels[stream] else ""
        self.print(f"{clock_time(seconds(end))}  {printable(named + text)}")
