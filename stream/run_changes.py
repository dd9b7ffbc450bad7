"""What may change while a run goes on: calls that come, commands of operators, another model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from radd.types import Source
from stream.event_journal import EventJournal
from stream.hot_reload import HotReload, NoReload
from stream.run_stream import Stream

PAUSE, RESUME, STOP = "pause", "resume", "stop"


class Arrivals(Protocol):
    """Sources that come while a run goes on, such as calls. A context manager: entering begins to
    listen.
    """

    @property
    def open(self) -> bool:
        """Whether more may come; a run goes on until then."""
        ...

    def __enter__(self) -> Arrivals: ...
    def __exit__(self, *exc) -> None: ...
    def take(self) -> Sequence[Source]:
        """The sources that have come since the last call, each already entered."""
        ...

    def notify(self, wake: Callable[[], None]) -> None:
        """Call `wake`, from any thread, whenever a source has come."""
        ...

    def close(self) -> None:
        """Let no more come; those that are here go on."""
        ...


class NoArrivals:
    """Nothing comes: the sources of the start are all."""

    open = False

    def __enter__(self) -> NoArrivals:
        return self

    def __exit__(self, *exc) -> None:
        pass

    def take(self) -> Sequence[Source]:
        return ()

    def notify(self, wake: Callable[[], None]) -> None:
        pass

    def close(self) -> None:
        pass


class Command(NamedTuple):
    """An operator's order about one stream."""

    id: str
    stream: str
    """id of the stream"""
    action: str
    """PAUSE, RESUME or STOP"""
    by: str
    """who gave it"""


class Commands(Protocol):
    """Orders of operators, looked up off the audio path; a context manager."""

    def __enter__(self) -> Commands: ...
    def __exit__(self, *exc) -> None: ...
    def take(self, streams: Sequence[str]) -> Sequence[Command]:
        """New orders for these streams, in the order in which they were given."""
        ...

    def done(self, command: Command) -> None:
        """Report that an order was carried out."""
        ...

    def leave(self, command: Command) -> None:
        """Report that an order was not carried out, because its stream goes on elsewhere."""
        ...


class NoCommands:
    """Nobody gives orders."""

    def __enter__(self) -> NoCommands:
        return self

    def __exit__(self, *exc) -> None:
        pass

    def take(self, streams: Sequence[str]) -> Sequence[Command]:
        return ()

    def done(self, command: Command) -> None:
        pass

    def leave(self, command: Command) -> None:
        pass


def _refuse(source: Source, journal: EventJournal) -> Stream:
    raise ValueError(f"{source.name} came, but this run makes no streams of what comes")


@dataclass(frozen=True, slots=True)
class RunChanges:
    """What may change while a run goes on; by default nothing does."""

    index: NoReload | HotReload = field(default_factory=NoReload)
    arrivals: Arrivals = field(default_factory=NoArrivals)
    newcomer: Callable[[Source, EventJournal], Stream] = _refuse
    """makes the stream of a source that has come, and its row in the journal"""
    parted: Callable[[str], None] = lambda stream: None
    """is told the id of a stream that came and has ended"""
    commands: Commands = field(default_factory=NoCommands)
