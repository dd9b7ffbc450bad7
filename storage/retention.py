"""How much evidence the database keeps."""

from datetime import UTC, datetime

import sqlalchemy as sa

from storage.tables import alerts, clips

AT_ONCE = 64


def evict(connection: sa.Connection, quota_bytes: int) -> int:
    """Empty the oldest clips, unreviewed ones first, until the rest fits the quota; returns how many.

    Their rows stay, with state `evicted`.
    """
    stored = clips.c.state == "stored"
    total = connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(clips.c.size_bytes), 0)).where(stored))
    reviewed = sa.exists().where(alerts.c.clip_sha256 == clips.c.sha256, alerts.c.review != "pending")
    oldest = sa.select(clips.c.sha256, clips.c.size_bytes).where(stored).order_by(clips.c.stored_utc).limit(AT_ONCE)
    now, evicted = datetime.now(UTC).replace(tzinfo=None), 0
    for candidates in (oldest.where(~reviewed), oldest):
        while total > quota_bytes and (found := connection.execute(candidates).all()):
            for sha256, size_bytes in found:
                if total <= quota_bytes:
                    break
                emptied = {"state": "evicted", "flac": None, "evicted_utc": now}
                connection.execute(clips.update().where(clips.c.sha256 == sha256).values(emptied))
                total -= size_bytes
                evicted += 1
    return evicted
