"""How much audio the database keeps, and for how long; and how long per-second verdicts are kept.

Rows of alerts and streams stay and record that their audio is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from radd.types import SAMPLE_RATE_HZ
from storage.enrolments import forget_audio
from storage.tables import alerts, clips, gaps, streams, timeline

AT_ONCE = 64
HOURS_AT_ONCE = 48  # rows per stream and call: the deletion of years must not delay delivery
CLOCK_WAS_SET = datetime(2020, 1, 1)  # earlier times are those of a clock that nobody had set
UNANSWERED = ("pending", "expired")


@dataclass(frozen=True, slots=True)
class Retention:
    """Retention settings from [storage]."""

    quota_bytes: int
    """of all clips together"""
    keep_days_pending: int
    """for clips that nobody has reviewed; 0: forever"""
    keep_days_labelled: int
    """for clips that somebody has reviewed; 0: forever"""
    keep_days_timeline: int
    """of the rows of seconds and gaps; 0: forever"""
    keep_days_enrolled: int
    """for the audio of enrolled recordings; 0: forever"""

    def apply(self, connection: sa.Connection) -> int:
        """Evict the audio of clips that are too old, then of the oldest, unreviewed first, until
        the rest fits. Returns their number.

        A clip still waiting for a label becomes `expired`.
        """
        now = utc_now()
        stored = clips.c.state == "stored"
        reviewed = sa.exists().where(
            alerts.c.clip_sha256 == clips.c.sha256, alerts.c.review.not_in(UNANSWERED)
        )
        oldest = (
            sa.select(clips.c.sha256, clips.c.size_bytes)
            .where(stored)
            .order_by(clips.c.stored_utc)
            .limit(AT_ONCE)
        )
        evicted = 0
        unknown = clips.c.stored_utc < CLOCK_WAS_SET
        if now >= CLOCK_WAS_SET:  # their days begin to count now
            connection.execute(clips.update().where(stored, unknown).values(stored_utc=now))
        for days, whose in (
            (self.keep_days_pending, ~reviewed),
            (self.keep_days_labelled, reviewed),
        ):
            expired = oldest.where(whose, clips.c.stored_utc < now - timedelta(days=days))
            while days and (found := connection.execute(expired).all()):
                evicted += _empty(connection, [row.sha256 for row in found], now)
        total = connection.scalar(sa.select(sa.func.sum(clips.c.size_bytes)).where(stored)) or 0
        for candidates in (oldest.where(~reviewed), oldest):
            while total > self.quota_bytes and (found := connection.execute(candidates).all()):
                too_many = []
                for sha256, size_bytes in found:
                    if total <= self.quota_bytes:
                        break
                    too_many.append(sha256)
                    total -= size_bytes
                evicted += _empty(connection, too_many, now)
        return evicted

    def forget_enrolled(self, connection: sa.Connection) -> int:
        """Delete the audio of enrolled recordings that are too old. Returns their number."""
        if not self.keep_days_enrolled:
            return 0
        return forget_audio(connection, utc_now() - timedelta(days=self.keep_days_enrolled))

    def forget_calls(self, connection: sa.Connection) -> int:
        """Delete the details of calls as their clips are deleted: keep_days_pending days after the
        end, and not before the audio of their last clip. Returns the number of calls.
        """
        if not self.keep_days_pending:
            return 0
        before = utc_now() - timedelta(days=self.keep_days_pending)
        kept = sa.exists().where(
            alerts.c.stream_id == streams.c.id,
            alerts.c.clip_sha256 == clips.c.sha256,
            clips.c.state == "stored",
        )
        old = sa.func.coalesce(streams.c.ended_utc, streams.c.started_utc) < before
        over = streams.c.call_details.is_not(None), streams.c.state != "running", old, ~kept
        return connection.execute(streams.update().where(*over).values(call_details=None)).rowcount

    def forget_timeline(self, connection: sa.Connection) -> int:
        """Delete rows of seconds and gaps that are too old, at most HOURS_AT_ONCE hours per stream.
        Returns the number of seconds.
        """
        if not self.keep_days_timeline:
            return 0
        before = utc_now() - timedelta(days=self.keep_days_timeline)
        forgotten = 0
        for id, started, first in connection.execute(_older_streams(before)).all():
            age_s = int((before - started).total_seconds())
            end = min(age_s, first + HOURS_AT_ONCE * 3_600)
            old = timeline.c.stream_id == id, timeline.c.second < end
            forgotten += connection.execute(timeline.delete().where(*old)).rowcount
            over = gaps.c.stream_id == id, gaps.c.end_samples <= end * SAMPLE_RATE_HZ
            connection.execute(gaps.delete().where(*over))
        return forgotten


def utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _older_streams(before: datetime) -> sa.Select:
    """Streams that began before a time and still have rows, with their first remaining second."""
    first = sa.func.min(timeline.c.second)
    mine = sa.select(first).where(timeline.c.stream_id == streams.c.id).scalar_subquery()
    return sa.select(streams.c.id, streams.c.started_utc, mine.label("first")).where(
        streams.c.started_utc.between(CLOCK_WAS_SET, before), mine.is_not(None)
    )


def _empty(connection: sa.Connection, sha256s: Sequence[str], now: datetime) -> int:
    emptied = {"state": "evicted", "flac": None, "evicted_utc": now}
    connection.execute(clips.update().where(clips.c.sha256.in_(sha256s)).values(emptied))
    waiting = alerts.c.clip_sha256.in_(sha256s), alerts.c.review == "pending"
    connection.execute(alerts.update().where(*waiting).values(review="expired"))
    return len(sha256s)
