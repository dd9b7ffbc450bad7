"""Batches the chunks of many streams into one detector call and returns the results to their
streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from radd.errors import RaddError
from radd.ranges import check
from radd.types import AudioChunk, Detector, Event, Judgement, Part, Shed
from stream.monitor import HopBatch


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """[engine] of config.toml."""

    streams_at_once: int
    late_ms: int

    def __post_init__(self):
        check(self, streams_at_once=(1, 256), late_ms=(0, 60_000))


class Listener(Protocol):
    """Turns the chunks of one stream into events; the implementation is in stream/monitor.py."""

    def hear(self, chunk: AudioChunk) -> HopBatch:
        """Prepare a chunk for scoring. judged() must follow before the next chunk."""
        ...

    def judged(self, heard: HopBatch, judgements: Sequence[Judgement]) -> Iterable[Event]: ...
    def flush(self) -> Iterable[Event]: ...


class Fed(NamedTuple):
    """A chunk of one of several streams."""

    listener: Listener
    chunk: AudioChunk
    shed: Shed = Shed.NOTHING


def feed(detector: Detector, chunks: Sequence[Fed]) -> list[Iterable[Event] | RaddError]:
    """The events of the chunks, each of a different stream; an error if a stream's own events
    cannot be computed.

    Raises what the detector raises, because that affects all streams.
    """
    heard = [fed.listener.hear(fed.chunk) for fed in chunks]
    asked = [k for k, one in enumerate(heard) if len(one.samples)]
    parts = [Part(heard[k].state, heard[k].samples, chunks[k].shed) for k in asked]
    judged = dict(zip(asked, detector.push_many(parts) if parts else [], strict=True))
    return [
        _events(fed.listener, one, judged.get(k, []))
        for k, (fed, one) in enumerate(zip(chunks, heard, strict=True))
    ]


def _events(
    listener: Listener, heard: HopBatch, judgements: Sequence[Judgement]
) -> Iterable[Event] | RaddError:
    try:
        return listener.judged(heard, judgements)
    except RaddError as error:
        return error
