"""What an index lacks since its bundle has another encoder: confirmed recordings whose audio is not
stored.
"""

from __future__ import annotations

import sqlalchemy as sa

from storage.database import Database
from storage.tables import alerts, clips, indexed_clips, streams
from storage.tables import overlay_references as added


def left_behind(database: Database, encoder_id: str) -> list[str]:
    """Confirmed recordings that only other encoders' indices hold and that cannot be encoded again:
    id and source of each, oldest first.
    """
    with database.transaction() as connection:
        return [*_recordings(connection, encoder_id), *_clips(connection, encoder_id)]


def forget_others(database: Database, encoder_id: str) -> int:
    """Delete what only other encoders' indices hold and cannot be encoded again. Returns the number
    of recordings.
    """
    with database.transaction() as connection:
        ids = _ids(connection, encoder_id)
        mine = added.c.encoder_id != encoder_id, added.c.id.in_(ids)
        connection.execute(added.delete().where(*mine))
        gone = connection.scalars(_evicted(encoder_id)).all()
        of_clips = added.c.encoder_id != encoder_id, added.c.clip_sha256.in_(gone)
        connection.execute(added.delete().where(*of_clips))
        connection.execute(indexed_clips.delete().where(indexed_clips.c.clip_sha256.in_(gone)))
        return len(ids) + len(gone)


def _ids(connection: sa.Connection, encoder_id: str) -> list[str]:
    here = sa.select(added.c.id).where(added.c.encoder_id == encoder_id)
    lost = added.c.encoder_id != encoder_id, added.c.clip_sha256.is_(None), added.c.id.not_in(here)
    return list(connection.scalars(sa.select(added.c.id).where(*lost).distinct()))


def _recordings(connection: sa.Connection, encoder_id: str) -> list[str]:
    first = sa.func.min(added.c.added_utc)
    named = (
        sa.select(added.c.id, sa.func.min(added.c.source))
        .where(added.c.id.in_(_ids(connection, encoder_id)))
        .group_by(added.c.id)
        .order_by(first, added.c.id)
    )
    return [f"{id} ({source})" for id, source in connection.execute(named)]


def _evicted(encoder_id: str) -> sa.Select:
    here = sa.select(indexed_clips.c.clip_sha256).where(indexed_clips.c.encoder_id == encoder_id)
    return (
        sa.select(clips.c.sha256)
        .join(indexed_clips, indexed_clips.c.clip_sha256 == clips.c.sha256)
        .where(clips.c.flac.is_(None), clips.c.sha256.not_in(here), indexed_clips.c.blocks > 0)
        .distinct()
    )


def _clips(connection: sa.Connection, encoder_id: str) -> list[str]:
    named = (
        sa.select(sa.func.min(alerts.c.id), sa.func.min(streams.c.source))
        .join(streams, streams.c.id == alerts.c.stream_id)
        .where(alerts.c.clip_sha256.in_(_evicted(encoder_id)))
        .group_by(alerts.c.clip_sha256)
        .order_by(sa.func.min(alerts.c.began_utc))
    )
    return [f"clip {id[:8]} ({source})" for id, source in connection.execute(named)]
