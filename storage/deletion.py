"""Permanent deletion on request: audio, rows, labels and index entries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from storage.database import Database
from storage.overlay import leave
from storage.review import find
from storage.tables import (
    alerts,
    clips,
    drift,
    gaps,
    labels,
    overlay_references,
    shadows,
    stream_commands,
    streams,
    timeline,
)

AT_ONCE = 500  # ids per statement, below the limit of variables in SQLite


def delete(
    database: Database,
    ids: Sequence[str] = (),
    stream: str | None = None,
    before: datetime | None = None,
) -> dict[str, int]:
    """Delete all of it or nothing: clips by the ids of their alerts, a stream with all its data, or
    the alerts that began before a time (UTC) and the streams that ended before it. Returns the
    numbers of deleted rows.

    A clip stays while a remaining alert has the same audio. The row of a running stream stays, so
    that its daemon can continue. Raises ConfigError for an id that matches none or several.
    """
    with database.transaction() as connection:
        chosen = {find(connection, alerts, id)["id"] for id in ids}
        gone = []
        if stream is not None:
            row = find(connection, streams, stream)
            chosen |= set(
                connection.scalars(sa.select(alerts.c.id).where(alerts.c.stream_id == row["id"]))
            )
            gone = [row["id"]]
        if before is not None:
            ended = sa.func.coalesce(streams.c.ended_utc, streams.c.started_utc) < before
            gone += connection.scalars(
                sa.select(streams.c.id).where(ended, streams.c.state != "running")
            ).all()
            old = sa.or_(alerts.c.began_utc < before, alerts.c.stream_id.in_(gone))
            chosen |= set(connection.scalars(sa.select(alerts.c.id).where(old)))
        removed = dict.fromkeys(
            ("alerts", "clips", "clip_bytes", "labels", "index_entries", "streams", "seconds"), 0
        )
        ordered = sorted(chosen)
        for start in range(0, len(ordered), AT_ONCE):
            for name, count in _alerts(connection, ordered[start : start + AT_ONCE]).items():
                removed[name] += count
        for id in gone:
            removed["seconds"] += connection.execute(
                timeline.delete().where(timeline.c.stream_id == id)
            ).rowcount
            for told in (gaps, drift, shadows, stream_commands):
                connection.execute(told.delete().where(told.c.stream_id == id))
            connection.execute(streams.update().where(streams.c.id == id).values(call_details=None))
            over = streams.c.id == id, streams.c.state != "running"
            removed["streams"] += connection.execute(streams.delete().where(*over)).rowcount
    return removed


def _alerts(connection: sa.Connection, ids: Sequence[str]) -> dict[str, int]:
    of_them = sa.select(alerts.c.clip_sha256).distinct().where(alerts.c.id.in_(ids))
    sounds = connection.scalars(of_them).all()
    removed = {"alerts": connection.execute(alerts.delete().where(alerts.c.id.in_(ids))).rowcount}
    needed = set(
        connection.scalars(sa.select(alerts.c.clip_sha256).where(alerts.c.clip_sha256.in_(sounds)))
    )
    unused = sorted(set(sounds) - needed)
    mine = clips.c.sha256.in_(unused)
    stored = sa.select(sa.func.coalesce(sa.func.sum(clips.c.size_bytes), 0)).where(
        mine, clips.c.state == "stored"
    )
    removed["clip_bytes"] = int(connection.scalar(stored) or 0)
    removed["labels"] = connection.execute(
        labels.delete().where(labels.c.clip_sha256.in_(unused))
    ).rowcount
    learnt = (
        sa.select(overlay_references.c.clip_sha256)
        .distinct()
        .where(overlay_references.c.clip_sha256.in_(unused))
    )
    removed["index_entries"] = sum(
        leave(connection, sha256) for sha256 in connection.scalars(learnt).all()
    )
    removed["clips"] = connection.execute(clips.delete().where(mine)).rowcount
    return removed
