"""Batches the chunks of many streams into one detector call and returns the results to their
streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from radd.errors import RaddError
from radd.ranges import check
from radd.types import AudioChunk, Detector, Event, Judgement, Part, Shed
from stream.monitor import HopBatch, Monitor


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """[engine] of config.toml."""

    streams_at_once: int
    late_ms: int

    def __post_init__(self):
        check(self, streams_at_once=(1, 256), late_ms=(0, 60_000))


class Fed(NamedTuple):
    """A chunk of one of several streams."""

    monitor: Monitor
    chunk: AudioChunk
    shed: Shed = Shed.NOTHING


def feed(detector: Detector, chunks: Sequence[Fed]) -> list[Iterable[Event] | RaddError]:
    """The events of the chunks, each of a different stream; an error if a stream's own events
    cannot be computed.

    Raises what the detector raises, because that affects all streams.
    """
    batches = [fed.monitor.hear(fed.chunk) for fed in chunks]
    filled = [k for k, batch in enumerate(batches) if len(batch.samples)]
    parts = [Part(batches[k].state, batches[k].samples, chunks[k].shed) for k in filled]
    judged = dict(zip(filled, detector.push_many(parts) if parts else [], strict=True))
    return [
        _events(fed.monitor, batch, judged.get(k, []))
        for k, (fed, batch) in enumerate(zip(chunks, batches, strict=True))
    ]


def _events(
    monitor: Monitor, batch: HopBatch, judgements: Sequence[Judgement]
) -> Iterable[Event] | RaddError:
    try:
        return monitor.judged(batch, judgements)
    except RaddError as error:
        return error
