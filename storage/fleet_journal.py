"""The journal of a detector in a fleet: what it stores of a call goes with the state from which
another detector can go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from radd.types import Lost
from storage.book import Book
from storage.call_states import pack
from storage.journal import Journal, StorageSettings
from storage.records import StreamInfo, moment, stream_record
from storage.spool.entry import Entry, EntryKind
from storage.wall_clock import Step


class Position(NamedTuple):
    """How far a stream has been judged."""

    number: int
    """of the save, counted by the process that makes it"""
    end: int
    """samples"""
    sequence: int
    """number of the next chunk"""


class FleetJournal(Journal):
    """A Journal whose streams begin, end, and come from and go to other processes meanwhile.

    Its spool only orders the entries. What it holds when the process dies is not needed: the broker
    delivers everything again from which it was made. `on_saved` is called, in another thread, with
    the stream and the number of the save that the database has.
    """

    def __init__(
        self, settings: StorageSettings, detector: str, on_saved: Callable[[str, int], None]
    ):
        """`detector` is the name of this process in the fleet."""
        super().__init__(settings, on_delivered=self._delivered)
        self._detector, self._on_saved = detector, on_saved

    def __exit__(self, kind, *exc) -> None:
        """Deliver for at most the configured time. Streams go on elsewhere."""
        self._delivery.close(self._settings.flush_s)
        self._spool.__exit__()

    def begin(self, info: StreamInfo, snapshot: dict[str, Any] | None = None) -> None:
        """A stream begins here or, with the snapshot of its last state, goes on here."""
        book = self._books[info.id] = Book(info)
        if snapshot is not None:
            book.restore(snapshot)
        self._keep(EntryKind.STREAM, stream_record(info) | {"ended_utc": None})

    def save(self, stream: str, position: Position, state: dict[str, Any], clip: bytes) -> None:
        """Store what was heard of a stream up to `position`, with a state that JSON can hold and
        the FLAC bytes of an open alert's clip.
        """
        self._save(self._books[stream], position, state, clip)

    def finish(
        self, stream: str, position: Position, state: dict[str, Any], interrupted: bool
    ) -> None:
        """The stream has ended; it goes on from `state` only if more of it comes later."""
        book = self._books.pop(stream)
        ended = moment(book.info, book.totals["length_samples"])
        ending = {"state": "interrupted" if interrupted else "ended", "ended_utc": ended}
        call = {"call": {"stream_id": stream, "end_samples": position.end}}
        row = stream_record(book.info) | book.totals | ending
        self._keep(EntryKind.STREAM, row | call)
        self._save(book, position, state, b"", to_the_end=True)

    def hand_over(self, stream: str) -> None:
        """Another process goes on with the stream."""
        self._books.pop(stream, None)

    def _save(
        self,
        book: Book,
        position: Position,
        state: dict[str, Any],
        clip: bytes,
        to_the_end: bool = False,
    ) -> None:
        heard = book.timeline.take(to_the_end)
        rows = {
            "stream_id": book.info.id,
            "timeline": heard,
            "gaps": book.gaps,
            "drift": book.drifts.add(heard),
        }
        book.gaps = []
        call = {
            "stream_id": book.info.id,
            "detector": self._detector,
            "end_samples": position.end,
            "sequence": position.sequence,
        }
        blob = pack(state | {"book": book.snapshot()}, clip)
        self._keep(EntryKind.CALL, rows | {"call": call, "number": position.number}, blob)

    def _delivered(self, entry: Entry) -> None:
        if entry.kind is EntryKind.CALL:
            self._on_saved(entry.record["stream_id"], entry.record["number"])

    def _keep_rows(self, book: Book, to_the_end: bool = False) -> None:
        """Rows wait for the next state, so that both are stored together."""

    def _keep(self, kind: EntryKind, record: dict[str, Any], *rest, **options) -> str | None:
        if stream := record.get("alert", {}).get("stream_id"):
            end = self._books[stream].totals["length_samples"]
            record = record | {"call": {"stream_id": stream, "end_samples": end}}
        return super()._keep(kind, record, *rest, **options)

    def _reanchor(self, step: Step) -> None:
        """Times of calls come from their gateways; the clock of this machine does not matter."""

    def _loss(self, what: str, alert: dict[str, Any], cause: str) -> tuple[str, Lost]:
        stream = alert.get("stream_id", "")
        book = self._books.get(stream)
        end = 0 if book is None else book.totals["length_samples"]
        return stream, Lost(end, what, alert.get("id"), cause)
