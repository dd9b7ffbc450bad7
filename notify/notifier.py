"""From events to notifications: a durable inbox, and an outbox for each destination."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from notify.answers import Answers
from notify.destination import Destination
from notify.messages import Message, Sender
from notify.outbox import HOUR_S, Delivered, Outbox, left_behind
from notify.settings import NotifySettings
from notify.watcher import Counts
from radd.errors import StorageError
from radd.types import Alert, Event
from storage.records import StreamInfo
from storage.spool.courier import Courier
from storage.spool.directory import Spool
from storage.spool.entry import EntryKind

log = logging.getLogger(__name__)

MEGABYTE = 1_000_000
INBOX = "inbox"
AGAIN_S = 60.0  # so old may a message be that is sent again by the process that goes on
AGAIN = 8  # messages of a stream at most


class Notifier:
    """A StreamWatcher that notifies all channels of alerts, and of calls by their deadline.

    `write` stores one file for an alert and returns; everything else happens in other threads: the
    inbox is distributed to an outbox for each channel, and each outbox delivers at its own pace.
    Whatever was stored is delivered at least once, also after a kill.
    """

    def __init__(
        self,
        settings: NotifySettings,
        sender: Sender,
        directory: Path,
        channels: Sequence[Destination],
        answers: Answers | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ):
        """`directory` is for the spools; `clock` returns seconds since 1970, `monotonic` those of a
        clock that nobody sets, for deadlines.
        """
        self._sender, self._directory, self._answers = sender, directory, answers
        self._clock, self._monotonic = clock, monotonic
        quota_bytes = settings.spool_quota_mb * MEGABYTE
        self._inbox = Spool(directory / INBOX, quota_bytes)
        self._courier = Courier("notify", self._distribute)
        self.delivered: Delivered = lambda kind, seconds: None
        self._outboxes = [
            Outbox(
                channel,
                directory,
                quota_bytes,
                settings.give_up_h * HOUR_S,
                clock,
                lambda kind, seconds: self.delivered(kind, seconds),
            )
            for channel in channels
        ]
        self._flush_s = settings.timeout_s
        self._streams: dict[str, StreamInfo] = {}
        self._latest: defaultdict[str, deque[tuple[Message, float]]]
        self._latest = defaultdict(lambda: deque(maxlen=AGAIN))
        self._undo = ExitStack()
        self.dropped = 0
        """messages that found no space in the inbox"""

    def __enter__(self) -> Notifier:
        """Raises StorageError if another process uses the directory."""
        with ExitStack() as undo:
            undo.enter_context(self._inbox)
            for outbox in self._outboxes:
                undo.enter_context(outbox)
            self._undo = undo.pop_all()
        used = {INBOX, *(outbox.channel.key for outbox in self._outboxes)}
        for path in left_behind(self._directory, used):
            log.warning(
                "%s holds notifications of a destination that is no longer configured; delete it, "
                "or configure the destination again",
                path,
            )
        for courier in self._couriers():
            courier.start()
        return self

    def __exit__(self, *exc) -> None:
        """Deliver what waits, for at most [notify] timeout_s; the rest stays for the next start."""
        for stream in list(self._streams):
            self.end(stream)
        deadline = time.monotonic() + self._flush_s
        for courier in self._couriers():
            courier.close(max(0.0, deadline - time.monotonic()))
        self._undo.close()

    def begin(self, stream: StreamInfo, counts: Counts) -> None:
        """A stream begins."""
        self._streams[stream.id] = stream
        if self._answers:
            self._answers.begin(stream, self._monotonic())
            self._courier.wake()

    def write(self, event: Event, stream: str | None = None) -> None:
        """Take in an event; an alert is durable on return."""
        if isinstance(event, Alert):
            now = self._clock()
            message = self._sender.alert(event, self._streams.get(stream or ""), now)
            self._keep(message, now)
            self._latest[stream or ""].append((message, now))
        if self._answers and self._answers.write(event, stream):
            self._courier.wake()

    def end(self, stream: str) -> None:
        """A stream has ended."""
        self._latest.pop(stream, None)
        if self._streams.pop(stream, None) and self._answers:
            self._answers.end(stream)
            self._courier.wake()

    def leave(self, stream: str) -> None:
        """A stream goes on in another process, which answers for its call."""
        self._latest.pop(stream, None)
        if self._streams.pop(stream, None) and self._answers:
            self._answers.leave(stream)

    def carried(self, stream: str) -> dict[str, Any]:
        """What another process needs to go on with a stream, as JSON can hold it: the latest
        messages, which this process may not have delivered if it dies now, and the evidence of its
        call's answer.
        """
        since = self._clock() - AGAIN_S
        latest = [[message, at] for message, at in self._latest[stream] if at > since]
        answer = self._answers.snapshot(stream) if self._answers else None
        return {"messages": latest, "answer": answer}

    def carry_on(self, stream: str, carried: dict[str, Any]) -> None:
        """Go on with a stream, after begin(). Its latest messages are sent again, with the same
        idempotency keys.
        """
        now = self._clock()
        for message, at in carried.get("messages", ()):
            if at > now - AGAIN_S:
                self._keep(message, at)
                self._latest[stream].append((message, at))
        if self._answers and (answer := carried.get("answer")):
            monotonic = self._monotonic()
            began = monotonic - (now - self._streams[stream].started.timestamp())
            self._answers.restore(stream, answer, began, monotonic)
            self._courier.wake()

    def counts(self) -> dict[str, Counter[str]]:
        """Counts since the start by kind of channel: sent, failed, refused, given_up, dropped; of
        the inbox only dropped.
        """
        found = {INBOX: Counter(dropped=self.dropped)}
        for outbox in self._outboxes:
            found.setdefault(outbox.channel.kind, Counter()).update(outbox.counts)
        return found

    def waiting(self) -> dict[str, int]:
        """Messages that are not delivered yet, by kind of channel, and the inbox."""
        found = Counter({INBOX: self._inbox.waiting})
        for outbox in self._outboxes:
            found[outbox.channel.kind] += outbox.waiting
        return dict(found)

    def _couriers(self) -> list[Courier]:
        return [self._courier, *(outbox.courier for outbox in self._outboxes)]

    def _keep(self, message: Message, now: float) -> None:
        try:
            self._inbox.put(EntryKind.MESSAGE, {"message": message, "queued": now})
        except StorageError as error:
            self.dropped += 1
            log.error("nobody is notified of %s: %s", message["id"], error)
        self._courier.wake()

    def _distribute(self) -> float | None:
        """Inbox to outboxes; returns the seconds until a call has to be answered."""
        for answer in self._answers.due(self._monotonic()) if self._answers else ():
            now = self._clock()
            message = self._sender.answer(answer, now)
            self._keep(message, now)
            self._latest[answer.stream.id].append((message, now))
        while entries := self._inbox.first(1):
            message, queued = entries[0].record["message"], entries[0].record["queued"]
            for outbox in self._outboxes:
                if outbox.channel.wants(message):
                    outbox.put(message, queued)
            self._inbox.done(entries[0])
        return self._answers.next_due(self._monotonic()) if self._answers else None
