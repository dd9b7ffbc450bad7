"""Taps observe a stream beside its audio path: drift watch, sampling, shadow mode."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from radd.types import AudioChunk, Event


class Tap(Protocol):
    """Observes one stream and may add its own events; it changes no others."""

    def observe(self, chunk: AudioChunk, events: Sequence[Event]) -> Iterable[Event]:
        """The tap's own events, after a chunk and its events."""
        ...

    def end(self, events: Sequence[Event]) -> Iterable[Event]:
        """The tap's own events, after the events of the end of the stream."""
        ...


def observed(taps: Sequence[Tap], chunk: AudioChunk, events: Iterable[Event]) -> list[Event]:
    """The events of a chunk, followed by those that the taps add."""
    events = list(events)
    return events + [added for tap in taps for added in tap.observe(chunk, events)]


def ended(taps: Sequence[Tap], events: Iterable[Event]) -> list[Event]:
    """The events of the end of a stream, followed by those that the taps add."""
    events = list(events)
    return events + [added for tap in taps for added in tap.end(events)]
