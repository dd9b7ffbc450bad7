"""Events about the run itself, per stream, and the interface of a display that receives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypedDict

from radd.types import Call, Event
from radd.wording import Finding


@dataclass(frozen=True, slots=True)
class Started:
    """A source was opened."""

    source: str
    bundle: str
    native_rate_hz: int
    length_samples: int | None
    """length of a recording; None if the end is unknown"""
    call: Call | None = None
    """None if the source is no call"""


@dataclass(frozen=True, slots=True)
class IndexChanged:
    """Later audio is compared with other references; past verdicts are not revised."""

    end: int
    version: int
    """of the index overlay, incremented by every change"""
    added: int
    """references added"""
    removed: int
    """references removed"""


@dataclass(frozen=True, slots=True)
class ModelChanged:
    """Another bundle scores from here on; its windows start again."""

    end: int
    bundle: str


@dataclass(frozen=True, slots=True)
class Stats:
    """Health of a stream, once per minute of its audio; counts are since its start."""

    end: int
    chunks: int
    drops: int
    overruns: int
    queue_depths: dict[str, int]
    """queued items, by the queue's name"""
    real_time_factor: float
    """seconds of work per second of audio in the last minute; below 1 keeps up"""
    memory_mb: float
    """resident memory of the process"""
    shed_hops: int = 0
    """not scored because the stream was late"""
    brief_hops: int = 0
    """scored without what Shed.BLOCKS skips, because the stream was very late"""
    sounds_lost: int = 0
    """alerts and samples of all streams whose sound could not be stored"""
    alerts_lost: int = 0
    """alerts and samples of all streams that could not be stored at all"""


class RunTotals(TypedDict):
    """Counts of a stream from its start to its end."""

    sound_s: float
    chunks: int
    scores: int
    measured: int
    alerts: int
    gaps: int
    lost_s: float
    drops: int
    overruns: int
    shed_hops: int
    brief_hops: int
    storage: dict[str, int]
    """of the journal, for all streams"""


class SyntheticPart(NamedTuple):
    """A part of a stream with a synthetic voice: an alert from its start to its end."""

    alert: str
    """id"""
    began: int
    """samples, like the next"""
    end: int
    peak_p_spoof: float
    """highest posterior of spoof, 0 to 1"""


@dataclass(frozen=True, slots=True)
class Result:
    """What a stream was found to be as a whole, told before it stops."""

    end: int
    finding: Finding
    llr: float | None
    """mean over the longest windows, nats, higher = bona fide; None if nothing was measured"""
    p_spoof: float | None
    """posterior probability of spoof for `llr` at the configured prior, 0 to 1"""
    reason: str | None
    """why nothing was measured; None if something was"""
    parts: tuple[SyntheticPart, ...]
    """the first alerts"""
    alerts: int
    """all alerts"""

    @property
    def p_told(self) -> float | None:
        """The probability that belongs to `finding`: of the whole, or of its synthetic parts."""
        if self.finding is Finding.PARTLY and self.parts:
            return max(part.peak_p_spoof for part in self.parts)
        return self.p_spoof


@dataclass(frozen=True, slots=True)
class Stopped:
    """A source was closed, in order."""

    end: int
    reason: str
    """end, stopped, duration, sigint, sigterm, sighup, output_closed, error; in a fleet also
    handed_over to another detector, and idle
    """
    totals: RunTotals


Notice = Started | IndexChanged | ModelChanged | Stats | Result | Stopped


class Display(Protocol):
    """A Sink that also receives run events; `closed` once nobody can read it any more.

    The first event of each stream is a Started, which also names its source.
    """

    @property
    def closed(self) -> bool: ...

    def __enter__(self) -> Display: ...
    def __exit__(self, *exc) -> None: ...
    def write(self, event: Event | Notice, stream: str | None = None) -> None: ...
