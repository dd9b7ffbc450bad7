"""Delivers the spool to the database."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from radd.errors import EntryRefused, StorageUnreachable
from storage.database import Database
from storage.records import MISFIT
from storage.retention import Retention
from storage.rows import store
from storage.spool.courier import Courier
from storage.spool.directory import PASSING, Spool
from storage.spool.entry import Entry

TIDY_EVERY_S = 3_600
"""how often old clips are evicted when no new ones arrive"""


class Delivery:
    """Delivers the spool entry by entry to the database, each in one transaction, and retries while
    it is unreachable.

    It owns the only connection. `problem` is the current error, `refusal` what the database
    rejected; None if there is none.
    """

    def __init__(
        self,
        spool: Spool,
        url: str,
        retention: Retention,
        on_delivered: Callable[[Entry], None] | None = None,
    ):
        """`on_delivered` is called in the thread with each entry that the database has."""
        self._on_delivered = on_delivered
        self._spool = spool
        self._database = Database(url)
        self._retention = retention
        self._prepared = False
        self._tidied = -math.inf
        self._courier = Courier("delivery", self._deliver_all)
        self.delivered = 0
        self.evicted = 0
        self.refusal: str | None = None

    @property
    def problem(self) -> str | None:
        """Why the database does not take entries now; None if it does."""
        return self._courier.problem

    @property
    def failures(self) -> int:
        """Failed rounds since the start."""
        return self._courier.failures

    def start(self) -> None:
        """Check the database, then deliver in the background.

        Raises StorageError if it is reachable but not usable. An unreachable one is retried in the
        background.
        """
        try:
            self._prepare()
        except StorageUnreachable as error:
            self._courier.problem = str(error)
        self._courier.start()

    def wake(self) -> None:
        """The spool has a new entry."""
        self._courier.wake()

    def close(self, flush_s: float) -> None:
        """Deliver pending entries, for at most `flush_s` seconds and until the first failure; the
        rest stays in the spool.
        """
        if self._courier.close(flush_s):
            self._database.close()

    def _deliver_all(self) -> None:
        self._prepare()
        while entry := self._spool.oldest():
            try:
                self._deliver(entry)
                self._spool.done(entry)
            except EntryRefused as error:
                self.refusal = str(error)
                self._spool.refuse(entry)

    def _deliver(self, entry: Entry) -> None:
        with self._database.transaction() as connection:
            try:
                store(connection, entry)
            except MISFIT as error:
                raise EntryRefused(
                    f"spool entry {entry.name} does not match the tables: {error!r}"
                ) from None
            due = time.monotonic() - self._tidied > TIDY_EVERY_S
            tidy = due or entry.kind not in PASSING
            evicted = self._retention.apply(connection) if tidy else 0
            if due:
                self._retention.forget_timeline(connection)
                self._retention.forget_enrolled(connection)
                self._retention.forget_calls(connection)
        if self._on_delivered is not None:
            self._on_delivered(entry)
        self._tidied = time.monotonic() if due else self._tidied
        self.delivered += 1
        self._courier.problem = None
        self.evicted += evicted

    def _prepare(self) -> None:
        if not self._prepared:
            self._database.prepare()
            self._prepared = True
