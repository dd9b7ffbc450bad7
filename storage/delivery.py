"""The thread that delivers the spool to the database."""

from __future__ import annotations

import math
import threading
import time

from radd.errors import EntryRefused, StorageError, StorageUnreachable
from storage.database import Database
from storage.records import MISFIT
from storage.retention import Retention
from storage.rows import store
from storage.spool.directory import Spool
from storage.spool.entry import Entry, EntryKind

PATIENCE_S = (0.5, 1, 2, 4, 8)
"""waiting times after the first, second ... failure in a row"""
TIDY_EVERY_S = 3_600
"""how often old clips are evicted when no new ones arrive"""


class Delivery:
    """Delivers the spool entry by entry to the database, each in one transaction, and retries while
    it is unreachable.

    It owns the only connection. `problem` is the current error, `refusal` what the database
    rejected; None if there is none.
    """

    def __init__(self, spool: Spool, url: str, retention: Retention):
        self._spool = spool
        self._database = Database(url)
        self._retention = retention
        self._prepared = False
        self._tidied = -math.inf
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        self.delivered = 0
        self.evicted = 0
        self.failures = 0
        self.problem: str | None = None
        self.refusal: str | None = None

    def start(self) -> None:
        """Check the database, then deliver in the background.

        Raises StorageError if it is reachable but not usable. An unreachable one is retried in the
        background.
        """
        try:
            self._prepare()
        except StorageUnreachable as error:
            self.problem = str(error)
        self._thread.start()

    def wake(self) -> None:
        """The spool has a new entry."""
        self._wake.set()

    def close(self, flush_s: float) -> None:
        """Deliver pending entries, for at most `flush_s` seconds and until the first failure; the
        rest stays in the spool.
        """
        self._closing.set()
        self._wake.set()
        self._thread.join(flush_s)
        if not self._thread.is_alive():
            self._database.close()

    def _run(self) -> None:
        in_a_row = 0
        while True:
            last_round = self._closing.is_set()
            self._wake.clear()
            try:
                self._deliver_all()
                in_a_row, self.problem = 0, None
                pause = None
            except StorageError as error:
                self.failures += 1
                self.problem = str(error)
                pause = PATIENCE_S[min(in_a_row, len(PATIENCE_S) - 1)]
                in_a_row += 1
            if last_round:
                return
            (self._wake if pause is None else self._closing).wait(pause)

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
            tidy = due or entry.kind is not EntryKind.ROWS
            evicted = self._retention.apply(connection) if tidy else 0
            if due:
                self._retention.forget_timeline(connection)
        self._tidied = time.monotonic() if due else self._tidied
        self.delivered += 1
        self.problem = None
        self.evicted += evicted

    def _prepare(self) -> None:
        if not self._prepared:
            self._database.prepare()
            self._prepared = True
