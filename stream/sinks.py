"""Event output: JSON lines for programs, plain lines for logs; live_view.py is for people at a
terminal.

A display is a Sink that also receives events about the run itself.
"""

from __future__ import annotations

import errno
import json
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Protocol, TextIO

from radd.errors import StorageError, silence_broken_pipe
from radd.flac import clip_sha256
from radd.terminal import printable
from radd.types import (
    Alert,
    AlertState,
    Compared,
    Drift,
    Event,
    Gap,
    Lost,
    Sample,
    Score,
    Verdict,
    seconds,
)
from stream.gap_count import GapCount
from stream.run_events import IndexChanged, ModelChanged, Notice, Started, Stats, Stopped

GONE = {errno.EPIPE, errno.EIO}  # nobody reads any more: a pipe, a terminal that was closed


class EventWriter(Protocol):
    """What takes events, as a Sink does once entered."""

    def write(self, event: Event, stream: str | None = None) -> None: ...


class Fanout:
    """Several sinks as one, written in order: with the journal first, nothing is announced before
    it is stored.
    """

    def __init__(self, *sinks: EventWriter):
        self.sinks = sinks

    def write(self, event: Event, stream: str | None = None) -> None:
        for sink in self.sinks:
            sink.write(event, stream)


class Totals:
    """A sink that counts."""

    def __init__(self):
        self.scores = self.measured = self.shed = self.alerts = 0
        self.losses = GapCount()

    def write(self, event: Event | Notice, stream: str | None = None) -> None:
        match event:
            case Score():
                self.scores += 1
                self.measured += event.llr is not None
                self.shed += event.verdict is Verdict.SHED
            case Alert():
                self.alerts += event.state is AlertState.OPEN
            case Gap():
                self.losses.add(event)


class Lines:
    """A display that writes lines of text, flushed one by one; a closed pipe ends it quietly.

    Raises StorageError if the output cannot be written, for example because the disk is full.
    """

    def __init__(self, out: TextIO):
        self.out = out
        self.closed = False

    def __enter__(self):
        return self

    def __exit__(self, *exc) -> None:
        pass

    def print(self, line: str) -> None:
        """Write one line and flush it."""
        if self.closed:
            return
        try:
            self.out.write(line + "\n")
            self.out.flush()
        except OSError as error:
            self._close()
            if error.errno in GONE:
                return
            raise StorageError(
                f"cannot write the output: {error.strerror}; free space or write elsewhere"
            ) from None

    def _close(self) -> None:
        self.closed = True
        silence_broken_pipe(self.out)


class JsonLines(Lines):
    """One JSON object per line, as docs/events.schema.json describes it."""

    def write(self, event: Event | Notice, stream: str | None = None) -> None:
        named = {} if stream is None else {"stream": stream}
        self.print(json.dumps(as_json(event) | named, allow_nan=False))


def as_json(event: Event | Notice) -> dict:
    """The event as a JSON object; unmeasured values are null."""
    match event:
        case Score():
            return _named(
                "score",
                event.end,
                llr=_finite(event.llr),
                p_spoof=_finite(event.p_spoof),
                verdict=event.verdict.value,
                moved_llr=_finite(event.moved_llr),
                latency_ms=_finite(event.latency_ms),
                neighbours=[asdict(neighbour) for neighbour in event.neighbours],
            )
        case Gap(start, end, cause):
            return _named("gap", end, lost_s=seconds(end - start), cause=cause)
        case Alert():
            return _named(
                "alert",
                event.end,
                state=event.state.value,
                id=event.id,
                began=seconds(event.began),
                **_outcome(event),
            )
        case Sample():
            return _named(
                "sample",
                event.end,
                id=event.id,
                began=seconds(event.start),
                clip_sha256=clip_sha256(event.clip),
            )
        case Drift(end, distance, bound):
            return _named("drift", end, distance=distance, bound=bound)
        case Compared(end):
            return _named(
                "shadow",
                end,
                candidate=event.candidate,
                heard_s=event.heard_s,
                difference=event.difference,
                champion_alert=event.champion_alert,
                candidate_alert=event.candidate_alert,
            )
        case Lost():
            of = {} if event.id is None else {"id": event.id}
            return _named("lost", event.end, what=event.what, cause=event.cause, **of)
        case Started():
            return _named(
                "started",
                0,
                source=event.source,
                bundle=event.bundle,
                native_rate_hz=event.native_rate_hz,
            )
        case IndexChanged(end, version, added, removed):
            return _named("index", end, version=version, added=added, removed=removed)
        case ModelChanged(end, bundle):
            return _named("model", end, bundle=bundle)
        case Stats():
            fields = asdict(event)
            return _named("stats", fields.pop("end"), **fields)
        case Stopped(end, reason, totals):
            return _named("stopped", end, reason=reason, totals=totals)


def _outcome(alert: Alert) -> dict:
    if alert.state is AlertState.OPEN:
        return {}
    return {
        "ended": seconds(alert.end),
        "peak_p_spoof": alert.peak_p_spoof,
        "clip_sha256": clip_sha256(alert.clip),
    }


def _named(name: str, end: int, **fields) -> dict:
    return {"type": name, "t": seconds(end)} | fields


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


class Labels:
    """Display name of each stream of a run: its source, with a number if the source is not
    unique.
    """

    def __init__(self):
        self._labels: dict[str | None, str] = {}
        self._sources: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, stream: str | None) -> str:
        return self._labels.get(stream, "")

    def add(self, stream: str | None, source: str) -> None:
        """Register the source of a stream."""
        self._sources[source] += 1
        number = self._sources[source]
        self._labels[stream] = source if number == 1 else f"{source} #{number}"


class ConsoleLines(Lines):
    """A line for each event, and for a verdict only when it changes; for logs and pipes.

    With several streams each line names its stream.
    """

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic):
        super().__init__(out)
        self.clock = clock
        self.labels = Labels()
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
                self.paces[stream] = Pace(event.length_samples, self.clock)
                self.labels.add(stream, event.source)
                self._say(
                    0,
                    f"listening to {event.source} at {event.native_rate_hz} Hz with {event.bundle}",
                    stream,
                )
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
            case Stopped():
                self._say(event.end, describe_end(event), stream)

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
        named = f"{self.labels[stream]}: " if len(self.labels) > 1 and self.labels[stream] else ""
        self.print(f"{clock_time(seconds(end))}  {printable(named + text)}")


class Pace:
    """Progress through a recording, and the remaining time."""

    def __init__(self, length_samples: int | None, clock: Callable[[], float] = time.monotonic):
        self.length_samples = length_samples or 0  # too short for tenths, like an unknown length
        self.clock = clock
        self.began = clock()
        self.tenth = 0

    def passed_a_tenth(self, end: int) -> bool:
        """Whether another tenth of a recording of a minute or more is done since the last call that
        returned True.
        """
        if seconds(self.length_samples) < 60:
            return False
        tenth = 10 * end // self.length_samples
        passed, self.tenth = self.tenth < tenth < 10, tenth
        return passed

    def describe(self, end: int) -> str:
        """Progress and remaining time at sample `end`."""
        done = end / self.length_samples
        left_s = (self.clock() - self.began) * (1 / done - 1) if done else 0.0
        return (
            f"{done:.0%} of {clock_time(seconds(self.length_samples))}, {clock_time(left_s)} left"
        )


def describe_alert(alert: Alert) -> str:
    """An alert as a line of text."""
    since = f"since {clock_time(seconds(alert.began))}, peak p_spoof {alert.peak_p_spoof:.2f}"
    match alert.state:
        case AlertState.OPEN:
            like = (
                f", most like {alert.neighbours[0].system} ({alert.neighbours[0].label})"
                if alert.neighbours
                else ""
            )
            return f"ALERT synthetic voice {since}{like}; alert {alert.id}"
        case AlertState.CLOSE:
            return f"alert over, synthetic voice {since}; alert {alert.id}"
        case AlertState.INTERRUPTED:
            return (
                f"the last run was interrupted during an alert, synthetic voice {since}; "
                f"alert {alert.id}"
            )


def describe_drift(drift: Drift) -> str:
    """Drift as a line of text."""
    return (
        "notice: the voices of the last minutes are unlike those the model knows: distance "
        f"{drift.distance:.3f}, expected up to {drift.bound:.3f}; scores may be wrong, see "
        "train.py drift"
    )


def describe_loss(lost: Lost) -> str:
    """What was given up for want of space in a line for people."""
    match lost.what:
        case "sound":
            gone = f"the sound of alert {lost.id} is lost, its row stays"
        case "alert":
            gone = f"alert {lost.id} is lost"
        case _:
            gone = "rows of the timeline are lost from here on, the oldest first"
    return f"{gone}: {lost.cause}; free space, or raise [storage] spool_quota_mb"


def describe_stats(stats: Stats) -> str:
    """Health of the run as a line of text."""
    queues = "".join(f", {depth} in the {name} queue" for name, depth in stats.queue_depths.items())
    shed = f", {stats.shed_hops} hops shed" if stats.shed_hops else ""
    if stats.sounds_lost or stats.alerts_lost:
        shed += f", {stats.alerts_lost} alerts and the sound of {stats.sounds_lost} others lost"
    return (
        f"{stats.chunks} chunks, {stats.drops} dropped, {stats.overruns} overruns{shed}{queues}, "
        f"{stats.real_time_factor:.3f} of real time, {stats.memory_mb:.0f} MB"
    )


def describe_end(stopped: Stopped) -> str:
    """The end of a run as a line of text; of the journal's counts only those that are not zero."""
    counts = stopped.totals
    stored = "".join(
        f", {name.replace('_', ' ')} {count}" for name, count in counts["storage"].items() if count
    )
    shed = f", {counts['shed_hops']} hops shed" if counts["shed_hops"] else ""
    return (
        f"stopped ({stopped.reason.replace('_', ' ')}) after {counts['sound_s']:.1f} s of sound: "
        f"{counts['measured']} of {counts['scores']} scores measured, {counts['alerts']} alerts, "
        f"{counts['lost_s']:.1f} s lost in {counts['gaps']} gaps, {counts['drops']} chunks "
        f"dropped, {counts['overruns']} overruns{shed}{stored}"
    )


def clock_time(span_s: float) -> str:
    """Seconds as H:MM:SS."""
    minutes, rest_s = divmod(int(span_s), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest_s:02d}"
