"""Read-only queries for pages and reports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from radd.errors import ConfigError
from storage.database import Database
from storage.records import SAMPLE
from storage.tables import (
    alerts,
    clips,
    detectors,
    evidence,
    gaps,
    indexed_clips,
    labels,
    overlay_references,
    streams,
    timeline,
)

Row = dict[str, Any]
NAMES = ("source", "call_id", "track", "host")
STREAM_COLUMNS = ("id", "state", *NAMES, "device", "bundle", "started_utc", "ended_utc")
REPORTED = timedelta(seconds=30)  # a detector that is silent for longer is gone
ORDERS = ("informative", "newest")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Filter for alerts and samples; None: all."""

    review: str | None = None
    """one of storage.review.STATES"""
    kind: str | None = None
    """alert or sample"""
    stream_id: str | None = None
    since: datetime | None = None
    """UTC without a zone"""


class Reader:
    """The stored streams, alerts and clips; safe across threads. Errors of every method are those
    of Database.

    Rows are dictionaries of the columns documented in schema.sql.
    """

    def __init__(self, url: str):
        self._database = Database(url, reads_only=True)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def check(self) -> None:
        """Raise the database's error, if it cannot be read."""
        self._all(sa.select(streams.c.id).limit(1))

    def streams(self, since: datetime) -> list[Row]:
        """Streams that are running or ended since then, newest first; each with its losses, alerts
        and latest second.
        """

        def of_stream(name: str, value, table: sa.Table, *conditions):
            return (
                sa.select(value)
                .where(table.c.stream_id == streams.c.id, *conditions)
                .scalar_subquery()
                .label(name)
            )

        count, lost = sa.func.count(), sa.func.sum(gaps.c.end_samples - gaps.c.start_samples)
        chosen = sa.select(
            *(streams.c[name] for name in STREAM_COLUMNS),
            of_stream("lost_samples", sa.func.coalesce(lost, 0), gaps),
            of_stream("gaps", count, gaps),
            of_stream("alerts", count, alerts, alerts.c.state != SAMPLE),
            of_stream("open_alerts", count, alerts, alerts.c.state == "open"),
            of_stream("second", sa.func.max(timeline.c.second), timeline),
        )
        recent = sa.or_(streams.c.state == "running", streams.c.ended_utc >= since)
        return self._all(chosen.where(recent).order_by(streams.c.started_utc.desc(), streams.c.id))

    def open_alerts(self) -> list[Row]:
        """The alerts that are open now in streams that are running, the latest first."""
        chosen = sa.select(
            *alerts.c["id", "stream_id", "began_utc", "peak_p_spoof"],
            *streams.c[NAMES],
        ).join(streams, alerts.c.stream_id == streams.c.id)
        is_open = streams.c.state == "running", alerts.c.state == "open"
        return self._all(chosen.where(*is_open).order_by(alerts.c.began_utc.desc(), alerts.c.id))

    def judging(self) -> list[Row]:
        """Running streams by `host` and `bundle`: the bundle that judges them, and their number."""
        same = streams.c.host, streams.c.bundle
        counted = sa.select(*same, sa.func.count().label("streams")).group_by(*same)
        return self._all(counted.where(streams.c.state == "running").order_by(*same))

    def streams_between(self, since: datetime, until: datetime, limit: int) -> list[Row]:
        """The streams that ran in a time span (UTC), the latest start first; each with its alerts
        in it, and how many of them wait for review.
        """
        within = (
            alerts.c.stream_id == streams.c.id,
            alerts.c.state != SAMPLE,
            alerts.c.began_utc >= since,
            alerts.c.began_utc < until,
        )
        waiting = sa.func.sum(sa.case((alerts.c.review == "pending", 1), else_=0))
        counts = {"alerts": sa.func.count(), "pending": sa.func.coalesce(waiting, 0)}
        chosen = sa.select(
            *(streams.c[name] for name in STREAM_COLUMNS),
            *(
                sa.select(value).where(*within).correlate(streams).scalar_subquery().label(name)
                for name, value in counts.items()
            ),
        ).where(
            streams.c.started_utc < until,
            sa.or_(
                streams.c.state == "running",
                sa.func.coalesce(streams.c.ended_utc, streams.c.started_utc) >= since,
            ),
        )
        return self._all(chosen.order_by(streams.c.started_utc.desc(), streams.c.id).limit(limit))

    def seconds(self, first: dict[str, int]) -> dict[str, list[Row]]:
        """Timeline rows of each stream, by its id, from a second on."""
        found: dict[str, list[Row]] = {}
        for id, second in first.items():
            chosen = sa.select(timeline).where(
                timeline.c.stream_id == id, timeline.c.second >= second
            )
            found[id] = self._all(chosen.order_by(timeline.c.second))
        return found

    def alerts(
        self, chosen: Chosen, order: str, limit: int, after: str | None
    ) -> tuple[list[Row], str | None]:
        """A page of alerts and samples with their streams and clips, and the start of the next
        page; None at the end.

        Sorted by review priority or newest first. Raises ConfigError for an `after` that no page
        returned.
        """
        column, parse = (
            (alerts.c.informative, float)
            if order == "informative"
            else (alerts.c.began_utc, datetime.fromisoformat)
        )
        query = _with_clip()
        for condition, value in (
            (alerts.c.review, chosen.review),
            (alerts.c.stream_id, chosen.stream_id),
        ):
            query = query.where(condition == value) if value is not None else query
        if chosen.kind is not None:
            query = query.where((alerts.c.state == SAMPLE) == (chosen.kind == SAMPLE))
        if chosen.since is not None:
            query = query.where(alerts.c.began_utc >= chosen.since)
        return self._page(query, column, alerts.c.id, parse, limit, after)

    def alert(self, id: str) -> Row | None:
        """An alert or sample like in `alerts`, with `trace`, `neighbours`, `labels` and `index`;
        None for an unknown id.

        `index` lists the encoders whose index contains it, with the number of blocks.
        """
        columns = evidence.c.trace, evidence.c.neighbours
        found = self._all(_with_clip(*columns).outerjoin(evidence).where(alerts.c.id == id))
        if not found:
            return None
        row = found[0]
        of_clip = [table.c.clip_sha256 == row["clip_sha256"] for table in (labels, indexed_clips)]
        return (
            row
            | {name: json.loads(row[name] or "[]") for name in ("trace", "neighbours")}
            | {
                "labels": self._all(sa.select(labels).where(of_clip[0]).order_by(labels.c.number)),
                "index": self._all(sa.select(indexed_clips).where(of_clip[1])),
            }
        )

    def sound(self, id: str) -> bytes | None:
        """The FLAC bytes of an alert's or a sample's clip; None if there are none."""
        found = self._all(sa.select(clips.c.flac).join(alerts).where(alerts.c.id == id))
        return found[0]["flac"] if found else None

    def clips_of_references(self, ids: Sequence[str]) -> dict[str, str]:
        """For references confirmed from a clip that is still stored: its alerts or samples."""
        query = sa.select(overlay_references.c.id, sa.func.min(alerts.c.id).label("clip"))
        query = (
            query.select_from(overlay_references)
            .join(clips)
            .join(alerts, alerts.c.clip_sha256 == clips.c.sha256)
        )
        query = query.where(overlay_references.c.id.in_(ids), clips.c.state == "stored")
        return {
            row["id"]: row["clip"] for row in self._all(query.group_by(overlay_references.c.id))
        }

    def detectors(self) -> list[Row]:
        """The detectors of a fleet that have reported within REPORTED."""
        since = datetime.now(UTC).replace(tzinfo=None) - REPORTED
        return self._all(
            sa.select(detectors).where(detectors.c.seen_utc > since).order_by(detectors.c.name)
        )

    def reviews(self) -> dict[str, int]:
        """Number of alerts and samples by review state."""
        found = self._all(
            sa.select(alerts.c.review, sa.func.count().label("n")).group_by(alerts.c.review)
        )
        return {row["review"]: row["n"] for row in found}

    def _page(
        self, query, column, id, parse, limit: int, after: str | None
    ) -> tuple[list[Row], str | None]:
        """Sorted by `column` descending; ties by `id` descending."""
        if after is not None:
            value, _, last = after.rpartition("~")
            try:
                value = parse(value)
            except ValueError:
                raise ConfigError(
                    f"after = {after[:80]!r}: expected the `next` of the previous page"
                ) from None
            query = query.where(sa.or_(column < value, sa.and_(column == value, id < last)))
        rows = self._all(query.order_by(column.desc(), id.desc()).limit(limit + 1))
        if len(rows) <= limit:
            return rows, None
        value = rows[limit - 1][column.name]
        text = value.isoformat() if isinstance(value, datetime) else repr(value)
        return rows[:limit], f"{text}~{rows[limit - 1][id.name]}"

    def _all(self, query: sa.Select) -> list[Row]:
        with self._database.transaction() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _with_clip(*further: sa.Column) -> sa.Select:
    clip = [
        clips.c[name].label(f"clip_{name}")
        for name in ("state", "length_samples", "size_bytes", "stored_utc")
    ]
    query = sa.select(alerts, streams.c.source, streams.c.host, *clip, *further)
    return query.select_from(alerts).join(streams).join(clips)
