"""The messages of one destination: on disk until the receiver has taken them."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from notify.destination import Destination
from notify.messages import Message
from radd.errors import MessageRefused, NotifyError, StorageError
from storage.spool.courier import Courier
from storage.spool.directory import Spool
from storage.spool.entry import Entry, EntryKind

log = logging.getLogger(__name__)

PATIENCE_S = (0.5, 1, 2, 4, 8, 15, 30, 60)
"""a receiver that was down for an hour is served at most a minute later"""
MOST_TOGETHER = 1_000  # messages in one; the next is due at once
HOUR_S = 3_600.0

Delivered = Callable[[str, float], None]
"""called with the kind of the channel and the seconds from event to answer"""


class Outbox:
    """Delivers to one channel, each message at least once, in order, across restarts.

    A message that the receiver rejects for good, or that is older than `give_up_s` when an attempt
    fails, is dropped. `counts` has sent, failed (attempts), refused, given_up and dropped (for lack
    of space).
    """

    def __init__(
        self,
        channel: Destination,
        directory: Path,
        quota_bytes: int,
        give_up_s: float,
        clock: Callable[[], float] = time.time,
        delivered: Delivered = lambda kind, seconds: None,
    ):
        """`clock` returns seconds since 1970."""
        self.channel, self._give_up_s, self._clock = channel, give_up_s, clock
        self._delivered = delivered
        self._spool = Spool(directory / channel.key, quota_bytes)
        self.courier = Courier(f"notify {channel.key}", self._deliver_all, PATIENCE_S)
        self._sent_at: float | None = None
        self._is_told = False
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> Outbox:
        self._spool.__enter__()
        return self

    def __exit__(self, *exc) -> None:
        """Stop; what waits stays on disk."""
        self.courier.close(0)
        self._spool.__exit__()
        self.channel.close()

    @property
    def waiting(self) -> int:
        """Messages that the receiver has not taken yet."""
        return self._spool.waiting

    def put(self, message: Message, queued: float) -> None:
        """Store a message, durable on return; `queued` is when its event was, seconds since 1970.

        If there is no space, it is dropped, counted and reported.
        """
        try:
            self._spool.put(EntryKind.MESSAGE, {"message": message, "queued": queued})
        except StorageError as error:
            self.counts["dropped"] += 1
            log.error("%s is not notified of %s: %s", self.channel.name, message["id"], error)
        self.courier.wake()

    def _deliver_all(self) -> float | None:
        """Returns the seconds until the next group is due, None if nothing waits."""
        most = MOST_TOGETHER if self.channel.group_s else 1
        while self._spool.oldest():
            wait = self._group_wait()
            if wait and not self.courier.closing:
                return wait
            if entries := self._spool.first(most):
                self._deliver(entries)
        return None

    def _give_up(self) -> None:
        """Drop what is too old. Only after a failure: each message is tried at least once, also
        where the clock of the machine was wrong when it was stored.
        """
        for entry in self._spool.first(MOST_TOGETHER):
            age_s = self._clock() - entry.record["queued"]
            if age_s < self._give_up_s:
                return
            self.counts["given_up"] += 1
            log.error(
                "%s is not notified of %s: it did not arrive within %.0f h",
                self.channel.name,
                entry.record["message"]["id"],
                age_s / HOUR_S,
            )
            self._spool.done(entry)

    def _group_wait(self) -> float:
        """Seconds until the next group may be sent. A clock that was set back does not prolong
        it.
        """
        if self._sent_at is None:
            return 0.0
        since = self._clock() - self._sent_at
        return self.channel.group_s - since if 0 <= since < self.channel.group_s else 0.0

    def _deliver(self, entries: list[Entry]) -> None:
        try:
            self._send(entries)
        except MessageRefused as error:
            self._count_refused(entries, error)
            return
        except NotifyError as error:
            self.counts["failed"] += 1
            self._tell(str(error))
            self._give_up()
            raise
        now = self._clock()
        self._sent_at = now
        self.counts["sent"] += 1
        self._tell(None)
        for entry in entries:
            self._delivered(self.channel.kind, now - entry.record["queued"])
            self._spool.done(entry)

    def _send(self, entries: list[Entry]) -> None:
        try:
            self.channel.send([entry.record["message"] for entry in entries])
        except NotifyError:
            raise
        except Exception as error:  # of any type: a fault of a library must not end this thread
            kind = type(error).__name__  # alone, because its text may hold the address
            raise NotifyError(f"{self.channel.name} failed with {kind}") from error

    def _count_refused(self, entries: list[Entry], error: MessageRefused) -> None:
        self.counts["refused"] += 1
        names = ", ".join(entry.record["message"]["id"] for entry in entries)
        log.error("%s is not notified of %s: %s", self.channel.name, names, error)
        for entry in entries:
            self._spool.done(entry)

    def _tell(self, problem: str | None) -> None:
        """Report a failure once, and once that it is over."""
        if problem and not self._is_told:
            log.warning("%s; it is tried again until it answers", problem)
        elif self._is_told and not problem:
            log.warning("%s takes notifications again", self.channel.name)
        self._is_told = bool(problem)


def left_behind(directory: Path, used: set[str]) -> list[Path]:
    """Directories of destinations that are no longer configured and still hold messages."""
    found: list[Path] = []
    with suppress(OSError):
        found = [path for path in directory.iterdir() if path.is_dir() and path.name not in used]
    return sorted(path for path in found if any(path.glob(f"*-{EntryKind.MESSAGE}")))
