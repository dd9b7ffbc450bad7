"""Calls of a fleet in the database: the state from which another detector goes on, and what the
detectors report about themselves.
"""

from __future__ import annotations

import json
import struct
import zlib
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from storage.database import Database
from storage.retention import utc_now
from storage.spool.entry import Entry
from storage.tables import call_states, detectors
from storage.upsert import upsert

GONE = timedelta(days=1)  # after which a silent detector and the state of a silent call are deleted
LENGTH = struct.Struct("<I")


def pack(state: dict[str, Any], clip: bytes) -> bytes:
    """A state that JSON can hold, and FLAC bytes, as one column."""
    text = zlib.compress(json.dumps(state).encode(), 1)
    return LENGTH.pack(len(text)) + text + clip


def unpack(data: bytes) -> tuple[dict[str, Any], bytes]:
    """What `pack` was given."""
    (length,) = LENGTH.unpack_from(data)
    text, clip = data[LENGTH.size : LENGTH.size + length], data[LENGTH.size + length :]
    return json.loads(zlib.decompress(text)), clip


class SavedCall(NamedTuple):
    """A call's track as its last detector left it."""

    end: int
    """samples up to which everything is stored"""
    sequence: int
    """number of the next chunk"""
    state: bytes
    """as `pack` made it"""


class Heartbeat(NamedTuple):
    """What a detector reports about itself."""

    name: str
    calls: int
    """calls' tracks that it is judging"""
    lag_s: float
    """greatest delay from capture to judgement among the latest chunks"""
    busy: float
    """share of the time in which it worked, 0 to 1"""
    shed_hops: int
    """since its start"""
    dead_letters: int
    """messages that it rejected since its start"""


class CallStates:
    """The states of calls; for one thread. Errors of every method are those of Database."""

    def __init__(self, url: str):
        self._database = Database(url)
        self._prepared = False

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def open(self) -> None:
        """Connect, and check the schema."""
        self._opened()

    def load(self, stream_id: str) -> SavedCall | None:
        """The saved state of a stream; None if there is none."""
        columns = call_states.c["end_samples", "sequence", "state"]
        query = sa.select(*columns).where(call_states.c.stream_id == stream_id)
        with self._opened().transaction() as connection:
            found = connection.execute(query).one_or_none()
        return None if found is None else SavedCall(*found)

    def report(self, beat: Heartbeat) -> None:
        """Store what a detector reports, and forget detectors and calls that are long gone."""
        row = beat._asdict() | {"seen_utc": utc_now()}
        before = utc_now() - GONE
        with self._opened().transaction() as connection:
            upsert(connection, detectors, [row])
        # chosen first, deleted by key: a condition without an index locks every row
        for table, key, last in (
            (detectors, detectors.c.name, detectors.c.seen_utc),
            (call_states, call_states.c.stream_id, call_states.c.updated_utc),
        ):
            self._forget(table, key, last, before)

    def _forget(self, table: sa.Table, key: sa.Column, last: sa.Column, before: datetime) -> None:
        with self._opened().transaction() as connection:
            gone = connection.scalars(sa.select(key).where(last < before)).all()
        if gone:
            with self._opened().transaction() as connection:
                connection.execute(table.delete().where(key.in_(gone), last < before))

    def _opened(self) -> Database:
        if not self._prepared:
            self._database.prepare()
            self._prepared = True
        return self._database


def is_superseded(connection: sa.Connection, entry: Entry) -> bool:
    """Whether another detector has gone on with the entry's call since, so that this one is stale.

    The row stays locked until the transaction ends.
    """
    call = entry.record.get("call")
    if call is None:
        return False
    stored = sa.select(call_states.c.end_samples).where(
        call_states.c.stream_id == call["stream_id"]
    )
    end = connection.scalar(stored.with_for_update())
    return end is not None and end > call["end_samples"]


def store_state(connection: sa.Connection, entry: Entry) -> None:
    """Write the state of an entry of kind CALL."""
    call: dict[str, Any] = entry.record["call"]
    if entry.clip is None:  # the spool dropped it; the next one comes soon
        return
    upsert(connection, call_states, [call | {"state": entry.clip, "updated_utc": utc_now()}])
