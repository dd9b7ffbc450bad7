"""What is told of the run itself, a stream at a time, and what a display must be to be told it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from radd.types import Event


@dataclass(frozen=True, slots=True)
class Started:
    """Listening to a source has begun."""

    source: str
    bundle: str
    native_rate_hz: int
    length_samples: int | None
    """length of a recording; None where the end is not known"""


@dataclass(frozen=True, slots=True)
class IndexChanged:
    """From here on the sound is compared with other references; what was said before stays said."""

    end: int
    version: int
    """of the overlay of the index, grows with every change"""
    added: int
    """references that came"""
    removed: int
    """references that went"""


@dataclass(frozen=True, slots=True)
class ModelChanged:
    """From here on another bundle judges; its windows grow anew."""

    end: int
    bundle: str


@dataclass(frozen=True, slots=True)
class Stats:
    """How a stream does, once a minute of its sound; counts are since its start."""

    end: int
    chunks: int
    drops: int
    overruns: int
    queue_depths: dict[str, int]
    """what waits now, by the queue's name"""
    real_time_factor: float
    """seconds of work for a second of sound in the last minute; below 1 keeps up"""
    memory_mb: float
    """resident memory of the process"""
    shed_hops: int = 0
    """that were not scored, because the stream was late"""
    brief_hops: int = 0
    """that were judged without what Shed.BLOCKS leaves out, because the stream was very late"""
    sounds_lost: int = 0
    """alerts and samples of all streams whose sound could not be stored"""
    alerts_lost: int = 0
    """alerts and samples of all streams that could not be stored at all"""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Listening to a source has ended, in order."""

    end: int
    reason: str
    """end, duration, sigint, sigterm, output_closed or error"""
    totals: dict[str, int | float | dict[str, int]]
    """counts of the stream; under `storage` those of the journal, of all streams"""


Notice = Started | IndexChanged | ModelChanged | Stats | Stopped


class Display(Protocol):
    """A Sink that takes notices too; `closed` once nobody can read it any more.

    Of each stream it is told a Started first, and what its source is called with that.
    """

    closed: bool

    def __enter__(self) -> Display: ...
    def __exit__(self, *exc) -> None: ...
    def write(self, event: Event | Notice, stream: str | None = None) -> None: ...
