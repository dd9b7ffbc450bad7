"""The durable sink: events go to a spool on disk first and from there to the database."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from radd.errors import StorageError
from radd.flac import flac_bytes
from radd.ranges import check
from radd.types import Alert, AlertState, Compared, Event, Gap, Lost, Sample, Score
from storage.book import Book
from storage.database import parse_url
from storage.delivery import Delivery
from storage.records import (
    StreamInfo,
    alert_record,
    clock_record,
    gap_record,
    interrupted_alert,
    moment,
    sample_record,
    stream_record,
)
from storage.retention import Retention
from storage.spool.directory import GivenUp, Spool
from storage.spool.entry import Entry, EntryKind
from storage.wall_clock import Step, WallClock

log = logging.getLogger(__name__)

MEGABYTE = 1_000_000
ROWS_TOGETHER = 10  # one spool entry per ten seconds instead of one per second and stream
# up to this many live streams report every second; with more, each reports less often
STREAMS_A_SECOND = 8


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """The section [storage] of config.toml."""

    url: str
    spool: str
    clip_quota_mb: int
    spool_quota_mb: int
    flush_s: float
    sample_per_hour: float
    keep_days_pending: int
    keep_days_labelled: int
    keep_days_timeline: int
    keep_days_enrolled: int

    def __post_init__(self):
        parse_url(self.url)
        check(
            self,
            clip_quota_mb=(0, 1_000_000),
            spool_quota_mb=(1, 1_000_000),
            flush_s=(0, 3_600),
            sample_per_hour=(0, 400),
            keep_days_pending=(0, 36_500),
            keep_days_labelled=(0, 36_500),
            keep_days_timeline=(0, 36_500),
            keep_days_enrolled=(0, 36_500),
        )

    @property
    def spool_directory(self) -> Path:
        """Directory of the spool: as configured, else beside an SQLite file, else in the working
        directory.
        """
        url = parse_url(self.url)
        if self.spool:
            return Path(self.spool)
        if url.drivername == "sqlite" and url.database:
            file = Path(url.database)
            return file.with_name(f"{file.stem}-spool")
        return Path("radd-spool")


class Journal:
    """Stores the events of a daemon's streams; a Sink, to be entered before detection begins.

    An alert is durable when `write` returns. Entering raises StorageError if another daemon uses
    the spool, or if the database is reachable but not usable (password, name, schema). A
    temporarily unreachable database is not an error. After entering, `recovered` holds the alerts
    that a killed daemon left open, with state INTERRUPTED.
    """

    def __init__(
        self,
        settings: StorageSettings,
        *streams: StreamInfo,
        clock: WallClock | None = None,
        on_delivered: Callable[[Entry], None] | None = None,
    ):
        """`on_delivered` is called in another thread with each entry that the database has."""
        self._settings = settings
        self._clock = clock or WallClock()
        self._books = {info.id: Book(info) for info in streams}
        self._forgotten: set[str] = set()
        self._spool = Spool(settings.spool_directory, settings.spool_quota_mb * MEGABYTE)
        retention = Retention(
            settings.clip_quota_mb * MEGABYTE,
            settings.keep_days_pending,
            settings.keep_days_labelled,
            settings.keep_days_timeline,
            settings.keep_days_enrolled,
        )
        self._delivery = Delivery(self._spool, settings.url, retention, on_delivered)
        self._spool_problem: str | None = None
        self._timeline_told = False
        self._left: dict[str, Entry] = {}
        self.recovered: tuple[Alert, ...] = ()

    def __enter__(self) -> Journal:
        with ExitStack() as undo:
            undo.enter_context(self._spool)
            left = [entry for entry in self._spool.left() if entry.kind is EntryKind.ALERT]
            self._delivery.start()
            undo.callback(self._delivery.close, 0)
            for book in self._books.values():
                book.entry = self._spool.put(EntryKind.STREAM, stream_record(book.info), live=True)
            self._delivery.wake()
            self.recovered = tuple(filter(None, map(self._recover, left)))
            undo.pop_all()
        return self

    def __exit__(self, kind, *exc) -> None:
        """End the running streams, then deliver for at most the configured time; the rest stays in
        the spool.
        """
        for stream in self._books:
            self.end(stream, kind is not None)
        self._delivery.close(self._settings.flush_s)
        self._spool.__exit__()

    def begin(self, info: StreamInfo) -> None:
        """A stream begins while the journal is open."""
        book = self._books[info.id] = Book(info)
        book.entry = self._keep(EntryKind.STREAM, stream_record(info), live=True) or ""

    def end(self, stream: str, interrupted: bool) -> None:
        """The stream with this id has ended and gets no more rows. Has no effect the second
        time.
        """
        book = self._books[stream]
        if book.ended:
            return
        book.ended = True
        self._keep_rows(book, to_the_end=True)
        ended = moment(book.info, book.totals["length_samples"])
        state = {"state": "interrupted" if interrupted else "ended", "ended_utc": ended}
        self._keep(
            EntryKind.STREAM,
            stream_record(book.info) | book.totals | state,
            name=book.entry or None,
        )

    def forget(self, stream: str) -> None:
        """Keep nothing in memory of a stream that has ended; of the last one, only that."""
        self._forgotten.add(stream)
        for each in sorted(self._forgotten):
            if len(self._books) > 1:
                del self._books[each]
                self._forgotten.remove(each)

    def write(self, event: Event, stream: str | None = None) -> None:
        """Store one event; an alert is durable on return.

        Never raises for lack of space or database: losses are counted in `stats` and described by
        `problem`.
        """
        if step := self._clock.step():
            self._reanchor(step)
        if isinstance(event, Alert) and event.state is AlertState.INTERRUPTED:
            self._settle(event.id)
            return
        book = self._books[stream or next(iter(self._books))]
        totals = book.totals
        totals["length_samples"] = max(totals["length_samples"], event.end)
        if isinstance(event, Score):
            totals["scores"] += 1
            totals["judged"] += event.llr is not None
            book.timeline.push(event)
            live = event.latency_ms is not None  # somebody may be watching
            live_rows = min(ROWS_TOGETHER, -(-len(self._books) // STREAMS_A_SECOND))
            if len(book.timeline) >= (live_rows if live else ROWS_TOGETHER):
                self._keep_rows(book)
        elif isinstance(event, Gap):
            totals["gaps"] += 1
            totals["lost_samples"] += event.end - event.start
            book.gaps.append(gap_record(event))
            self._keep_rows(book)
        elif isinstance(event, Sample):
            self._keep(EntryKind.ALERT, sample_record(event, book.judge), flac_bytes(event.clip))
        elif isinstance(event, Compared):
            self._keep(
                EntryKind.ROWS, {"stream_id": book.info.id, "shadows": [book.shadows.add(event)]}
            )
        elif isinstance(event, Alert):
            self._keep_alert(book, event)

    def judged_by(self, bundle: str) -> None:
        """Alerts and samples from now on belong to this bundle; a stream's row keeps the one it
        began with.
        """
        for book in self._books.values():
            self._keep_rows(book)
            book.judge = replace(book.info, bundle=bundle)
            book.drifts.restart()

    @property
    def problem(self) -> str | None:
        """What keeps events from the database or the spool, in words for the user; None if nothing
        does.
        """
        return self._spool_problem or self._delivery.problem or self._delivery.refusal

    def take_losses(self) -> list[tuple[str, Lost]]:
        """Data dropped since the last call for lack of space, each with the stream that
        reports it.
        """
        losses = []
        while self._spool.given_up:
            gone = self._spool.given_up.popleft()
            if gone.what is EntryKind.ROWS:
                self._timeline_told, told = True, self._timeline_told
                losses += [] if told else [self._loss("timeline", {}, gone.cause)]
            elif gone.what in (EntryKind.ALERT, None) and not self._is_to_come(gone):
                what = "sound" if gone.what is None else "alert"
                losses.append(self._loss(what, gone.record["alert"], gone.cause))
        return losses

    def queue_depths(self) -> dict[str, int]:
        """Spool entries that are not in the database yet."""
        return {"spool": self._spool.waiting}

    def stats(self) -> dict[str, int]:
        """Counts since the start: pending, delivered, and everything that was dropped."""
        dropped = self._spool.dropped
        return {
            "spool_entries": self._spool.waiting,
            "spool_bytes": self._spool.bytes,
            "delivered": self._delivery.delivered,
            "delivery_failures": self._delivery.failures,
            "clips_evicted": self._delivery.evicted,
            "clips_dropped": dropped["clip"],
            "alerts_lost": dropped[EntryKind.ALERT],
            "timeline_dropped": dropped[EntryKind.ROWS],
            "refused": self._spool.refused,
            "damaged": self._spool.damaged,
        }

    def _is_to_come(self, gone: GivenUp) -> bool:
        """Whether the final version of an open alert will contain all the audio again."""
        return any(gone.name in book.open.values() for book in self._books.values())

    def _reanchor(self, step: Step) -> None:
        """The wall clock was set, or the machine slept: correct what is written of running
        streams.
        """
        log.warning("%s; times of this run are corrected", _told(step))
        for book in self._books.values():
            if not book.ended:
                self._keep_rows(book)
                book.reanchor(step)
                name = book.entry
                self._keep(EntryKind.STREAM, stream_record(book.info), live=True, name=name)
                clock = {"stream_id": book.info.id, "clock": clock_record(book.info)}
                self._keep(EntryKind.ROWS, clock)

    def _loss(self, what: str, alert: dict[str, Any], cause: str) -> tuple[str, Lost]:
        """Reported by the stream of the alert, or by another one if that has ended."""
        stream = alert.get("stream_id", "")
        stream = stream if stream in self._books else next(iter(self._books), stream)
        end = self._books[stream].totals["length_samples"] if stream in self._books else 0
        return stream, Lost(end, what, alert.get("id"), cause)

    def _recover(self, entry: Entry) -> Alert | None:
        alert = interrupted_alert(entry)
        if alert is None:
            log.warning(
                "spool entry %s is an alert that another version of this program left open: it "
                "goes to the database as it is, or is set aside",
                entry.name,
            )
        else:
            self._left[alert.id] = entry
        return alert

    def _settle(self, alert_id: str) -> None:
        """The interruption of this alert has been reported; later starts do not repeat it."""
        if entry := self._left.pop(alert_id, None):
            state = {"alert": entry.record["alert"] | {"state": "interrupted"}}
            self._spool.finish(entry.name, entry.record | state)

    def _keep_alert(self, book: Book, alert: Alert) -> None:
        opening = alert.state is AlertState.OPEN
        book.totals["alerts"] += opening
        name = book.open.pop(alert.id, None)
        name = self._keep(
            EntryKind.ALERT, alert_record(alert, book.judge), flac_bytes(alert.clip), opening, name
        )
        if opening and name:
            book.open[alert.id] = name

    def _keep_rows(self, book: Book, to_the_end: bool = False) -> None:
        heard = book.timeline.take(to_the_end)
        record = {
            "stream_id": book.info.id,
            "timeline": heard,
            "gaps": book.gaps,
            "drift": book.drifts.add(heard),
        }
        book.gaps = []
        if record["timeline"] or record["gaps"]:
            self._keep(EntryKind.ROWS, record)

    def _keep(self, *entry, **options) -> str | None:
        """The entry's name in the spool, None if the spool could not take it; arguments as for
        `Spool.put`.
        """
        try:
            name = self._spool.put(*entry, **options)
        except StorageError as error:
            self._spool_problem = str(error)
            return None
        self._spool_problem = None
        self._delivery.wake()
        return name


def _told(step: Step) -> str:
    told = [f"the clock of this machine was set by {step.set_by_s:+.0f} s"] if step.set_by_s else []
    told += [f"this machine slept for {step.slept_s:.0f} s"] if step.slept_s else []
    return ", ".join(told)
