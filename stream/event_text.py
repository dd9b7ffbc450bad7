"""Events in the words of the plain lines and the live view."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from radd.types import Alert, AlertState, Drift, Lost, seconds
from radd.wording import FINDINGS, clock, percent
from stream.run_events import Result, Stats, Stopped


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

    def forget(self, stream: str | None, source: str) -> None:
        """A stream whose source's name does not come again has ended."""
        self._labels.pop(stream, None)
        del self._sources[source]


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


def describe_result(result: Result) -> str:
    """What a stream was found to be, as a line of text: the finding, how probable, and where."""
    parts = f", {describe_parts(result)}" if result.alerts else ""
    return f"{describe_finding(result)}{parts}"


def describe_finding(result: Result) -> str:
    """The finding, and how probable it is or why nothing was measured."""
    if (p := result.p_told) is not None:
        return f"{FINDINGS[result.finding]} (probability of a synthetic voice {percent(p)})"
    return f"{FINDINGS[result.finding]}: {result.reason or 'there was no sound'}"


def describe_parts(result: Result, most: int = 2) -> str:
    """Where a synthetic voice was heard: the first parts, and how many more; "-" for none."""
    if not result.alerts:
        return "-"
    spans = [f"{clock(seconds(p.began))} to {clock(seconds(p.end))}" for p in result.parts[:most]]
    more = result.alerts - len(spans)
    return ", ".join(spans) + (f" and {more} more" if more else "")


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
