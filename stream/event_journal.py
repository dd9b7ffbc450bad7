"""What a run needs of its journal; storage/journal.py has the implementation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from radd.types import Alert, Event, Lost, Sink


class EventJournal(Sink, Protocol):
    """The sink that stores events; the implementation is in storage/journal.py."""

    def __enter__(self) -> EventJournal: ...

    @property
    def recovered(self) -> Iterable[Alert]:
        """The alerts that an interrupted run left open, known once entered."""
        ...

    @property
    def problem(self) -> str | None:
        """What prevents events from being stored, in words for the user; None if nothing does."""
        ...

    def judged_by(self, bundle: str) -> None:
        """Alerts and samples from now on belong to this bundle."""
        ...

    def end(self, stream: str, interrupted: bool) -> None:
        """The stream with this id has ended, `interrupted` by an error or not."""
        ...

    def forget(self, stream: str) -> None:
        """Keep nothing in memory of a stream that has ended."""
        ...

    def take_losses(self) -> Sequence[tuple[str, Lost]]:
        """What has been lost for good since the last call, each with the id of a stream to tell it
        of.
        """
        ...

    def stats(self) -> dict[str, int]:
        """Counts so far; `spool_entries` is how many are waiting to be stored."""
        ...


class NoJournal:
    """Stores nothing."""

    recovered = ()
    problem = None

    def __enter__(self) -> NoJournal:
        return self

    def __exit__(self, *exc) -> None:
        pass

    def write(self, event: Event, stream: str | None = None) -> None:
        pass

    def judged_by(self, bundle: str) -> None:
        pass

    def end(self, stream: str, interrupted: bool) -> None:
        pass

    def forget(self, stream: str) -> None:
        pass

    def take_losses(self) -> Sequence[tuple[str, Lost]]:
        return ()

    def stats(self) -> dict[str, int]:
        return {}
