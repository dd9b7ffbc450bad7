"""Reports what the journal cannot store: once when it begins, and each loss once."""

from __future__ import annotations

import logging

from radd.errors import StorageError
from stream.event_journal import EventJournal
from stream.event_text import describe_loss
from stream.run_events import Display

log = logging.getLogger(__name__)


class StorageReport:
    """The problem and the losses of a run's journal."""

    def __init__(self, display: Display):
        self._display = display
        self._problem: str | None = None
        self._lost: set[tuple[str, str | None]] = set()
        """what and of which alert"""

    def look(self, journal: EventJournal) -> None:
        """Report what is new."""
        if journal.problem != self._problem:
            log.warning("storage: %s", journal.problem or "the problem is solved")
            self._problem = journal.problem
        self.tell_losses(journal)

    def tell_losses(self, journal: EventJournal) -> None:
        """Report losses since the last call."""
        for stream, lost in journal.take_losses():
            if (lost.what, lost.id) not in self._lost:
                self._lost.add((lost.what, lost.id))
                self._display.write(lost, stream)
                log.warning("storage: %s", describe_loss(lost))

    def lost(self, what: str) -> int:
        """How much of one kind is lost so far."""
        return sum(each == what for each, _ in self._lost)

    def raise_losses(self) -> None:
        """Raise StorageError if sound or alerts are lost."""
        alerts, sounds = self.lost("alert"), self.lost("sound")
        if alerts or sounds:
            raise StorageError(
                f"{alerts} alerts and the sound of {sounds} others are lost for good, see above: "
                "free space, and look after the database that did not take them"
            )
