"""Writes spool entries as database rows; writing an entry again has no further effect."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from storage import tables
from storage.call_states import is_superseded, store_state
from storage.reanchoring import reanchor
from storage.review_priority import review_priority
from storage.spool.entry import Entry, EntryKind
from storage.upsert import upsert


def store(connection: sa.Connection, entry: Entry) -> None:
    """Write one entry, inside the transaction of `connection`; an alert never without the row of
    its clip. An entry of a call that another detector has gone on with is skipped.
    """
    if not is_superseded(connection, entry):
        STORES[entry.kind](connection, entry)


def _store_stream(connection: sa.Connection, entry: Entry) -> None:
    row = {name: value for name, value in entry.record.items() if name != "call"}
    if entry.interrupted:
        row["state"] = "interrupted"
    upsert(connection, tables.streams, [row])


def _store_alert(connection: sa.Connection, entry: Entry) -> None:
    alerts = tables.alerts
    row = dict(entry.record["alert"])
    if entry.interrupted:
        row["state"] = "interrupted"
    row["informative"] = review_priority(entry.record)
    known = sa.select(*alerts.c["clip_sha256", "clip_start_samples", "review"]).where(
        alerts.c.id == row["id"]
    )
    before = connection.execute(known).one_or_none()
    if entry.clip is not None or before is None:
        _store_clip(connection, entry)
        row["clip_sha256"] = entry.clip_sha256
    else:  # audio from an earlier version is better than none
        row |= before._mapping
    row["review"] = _review(
        connection, row, before.review if before else None, entry.clip is not None
    )
    upsert(connection, alerts, [row])
    if before is not None:
        _drop_unused_clip(connection, before.clip_sha256)
    texts = {key: json.dumps(entry.record[key]) for key in ("trace", "neighbours")}
    upsert(connection, tables.evidence, [{"alert_id": row["id"]} | texts])


def _review(
    connection: sa.Connection, alert: dict[str, Any], before: str | None, has_sound: bool
) -> str:
    """Existing labels of the clip, perhaps from another alert; expired if there is no audio."""
    alerts = tables.alerts
    twin = sa.select(alerts.c.review).where(
        alerts.c.clip_sha256 == alert["clip_sha256"], alerts.c.id != alert["id"]
    )
    known = connection.scalar(twin.limit(1)) or before or "expired"
    return "pending" if known == "expired" and has_sound else known


def _store_clip(connection: sa.Connection, entry: Entry) -> None:
    row = entry.record["clip"] | {"sha256": entry.clip_sha256, "size_bytes": entry.clip_bytes}
    if entry.clip is not None:
        upsert(
            connection,
            tables.clips,
            [row | {"state": "stored", "flac": entry.clip, "evicted_utc": None}],
        )
    else:
        given_up = row | {"state": "evicted", "evicted_utc": row["stored_utc"]}
        upsert(connection, tables.clips, [given_up], update=["sha256"])


def _drop_unused_clip(connection: sa.Connection, sha256: str) -> None:
    clips, alerts = tables.clips, tables.alerts
    used = sa.exists().where(alerts.c.clip_sha256 == sha256)
    connection.execute(clips.delete().where(clips.c.sha256 == sha256, ~used))


def _store_rows(connection: sa.Connection, entry: Entry) -> None:
    stream = {"stream_id": entry.record["stream_id"]}
    if clock := entry.record.get("clock"):
        reanchor(connection, entry.record["stream_id"], clock)
    for table in (tables.timeline, tables.gaps, tables.drift, tables.shadows):
        upsert(connection, table, [stream | row for row in entry.record.get(table.name, ())])


def _store_call(connection: sa.Connection, entry: Entry) -> None:
    _store_rows(connection, entry)
    store_state(connection, entry)


STORES = {
    EntryKind.STREAM: _store_stream,
    EntryKind.ALERT: _store_alert,
    EntryKind.ROWS: _store_rows,
    EntryKind.CALL: _store_call,
}
