"""Rows whose times a wrong wall clock told, once it is known what they were."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from radd.types import seconds
from storage.tables import alerts, clips, drift, shadows

SAME = timedelta(seconds=1)


def reanchor(connection: sa.Connection, stream: str, clock: dict[str, Any]) -> None:
    """Correct the alerts of a stream, the age of their clips, and rows that lie before its
    start; `clock` is a records.clock_record.
    """
    started = datetime.fromisoformat(clock["started_utc"])

    def moment(samples: int) -> datetime:
        slept_s = sum(for_s for after, for_s in clock["slept"] if samples > after)
        return started + timedelta(seconds=seconds(samples) + slept_s)

    of_stream = sa.select(alerts).where(alerts.c.stream_id == stream)
    for row in connection.execute(of_stream).mappings().all():
        began, end = moment(row["began_samples"]), moment(row["end_samples"])
        if abs(began - row["began_utc"]) < SAME:
            continue
        ended = None if row["ended_utc"] is None else end
        times = alerts.update().where(alerts.c.id == row["id"])
        connection.execute(times.values(began_utc=began, ended_utc=ended))
        sound = clips.update().where(clips.c.sha256 == row["clip_sha256"])
        connection.execute(sound.values(stored_utc=end))
    early_days = drift.c.stream_id == stream, drift.c.day < started.date()
    connection.execute(drift.delete().where(*early_days))
    early_hours = shadows.c.stream_id == stream, shadows.c.hour_utc < started - timedelta(hours=1)
    connection.execute(shadows.delete().where(*early_hours))
