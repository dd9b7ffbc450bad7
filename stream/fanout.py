"""Several sinks as one."""

from __future__ import annotations

from typing import Protocol

from radd.types import Event


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
