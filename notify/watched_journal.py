"""A journal whose events also go to watchers, in the order that loses no alert to a kill."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack

from notify.watcher import StreamWatcher
from radd.types import Alert, AlertState, Event, Lost
from storage.journal import Journal
from storage.records import StreamInfo
from stream.event_journal import EventJournal


class WatchedJournal:
    """An EventJournal around another one.

    An alert that opens is stored, then announced to the watchers: if the process is killed in
    between, the next start reports it as interrupted. Every other event is announced first: if the
    process is killed in between, the next start announces it again.
    """

    def __init__(
        self,
        journal: EventJournal,
        watchers: Sequence[StreamWatcher],
        streams: Sequence[StreamInfo],
        counts: Callable[[str], Mapping[str, int]],
    ):
        """`streams` are those that `journal` begins with; `counts` returns the counts of the source
        of a stream by its id.
        """
        self._journal, self._watchers = journal, watchers
        self._streams, self._counts = streams, counts
        self._undo = ExitStack()

    def __enter__(self) -> WatchedJournal:
        with ExitStack() as undo:
            undo.enter_context(self._journal)
            for watcher in self._watchers:
                undo.enter_context(watcher)
            self._undo = undo.pop_all()
        for stream in self._streams:
            self._announce(stream)
        return self

    def __exit__(self, *exc) -> None:
        self._undo.__exit__(*exc)

    def begin(self, stream: StreamInfo) -> None:
        """A stream begins while the journal is open."""
        if isinstance(self._journal, Journal):
            self._journal.begin(stream)
        self._announce(stream)

    @property
    def recovered(self) -> Iterable[Alert]:
        """As of the journal inside."""
        return self._journal.recovered

    @property
    def problem(self) -> str | None:
        """As of the journal inside."""
        return self._journal.problem

    def write(self, event: Event, stream: str | None = None) -> None:
        """Store the event and announce it."""
        opens = isinstance(event, Alert) and event.state is AlertState.OPEN
        writers = [*self._watchers, self._journal]
        for writer in reversed(writers) if opens else writers:
            writer.write(event, stream)

    def judged_by(self, bundle: str) -> None:
        """As of the journal inside."""
        self._journal.judged_by(bundle)

    def end(self, stream: str, interrupted: bool) -> None:
        """A stream has ended, for the journal and for the watchers."""
        self._journal.end(stream, interrupted)
        for watcher in self._watchers:
            watcher.end(stream)

    def forget(self, stream: str) -> None:
        """As of the journal inside."""
        self._journal.forget(stream)

    def take_losses(self) -> Sequence[tuple[str, Lost]]:
        """As of the journal inside."""
        return self._journal.take_losses()

    def stats(self) -> dict[str, int]:
        """As of the journal inside."""
        return self._journal.stats()

    def _announce(self, stream: StreamInfo) -> None:
        for watcher in self._watchers:
            watcher.begin(stream, lambda: self._counts(stream.id))
