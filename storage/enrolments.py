"""Enrolments in the database: recordings of a site's line and of its own voices, their blocks, and
the operating points that were measured on them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from radd.enrolled import LINE
from radd.errors import ConfigError
from storage.database import Database
from storage.enrolled_overlay import FLOAT32
from storage.overlay import grow
from storage.records import storable
from storage.review import utc_now
from storage.tables import (
    decisions,
    enrolled_blocks,
    enrolled_recordings,
    enrolments,
    operating_points,
)

Row = dict[str, Any]
ENROL, UNDO = "enrol", "undo_enrolment"
"""actions among the decisions about bundles"""


@dataclass(frozen=True, slots=True)
class EnrolledRecording:
    """One recording of an enrolment."""

    sha256: str
    """of its samples"""
    label: str
    """bonafide, spoof or own_voice"""
    name: str
    speaker: str
    length_samples: int
    flac: bytes | None
    """None if the audio is not kept"""
    starts: Sequence[int] = ()
    """of its blocks, in samples"""
    vectors: np.ndarray | None = None
    """of its blocks, float32 (n, width)"""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured on an enrolment with one bundle."""

    bundle: str
    """name and version; of own voices the id of the encoder, because bundles share it"""
    encoder_id: str
    point: Mapping[str, float]
    report: Mapping[str, Any]


class Enrolments:
    """The enrolments of a database; a context manager that creates missing tables. With
    `reads_only` every change is rejected. Errors are those of Database.
    """

    def __init__(self, url: str, reads_only: bool = False):
        self._database = Database(url, reads_only)

    def __enter__(self) -> Enrolments:
        self._database.prepare()
        return self

    def __exit__(self, *exc) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def add(
        self,
        kind: str,
        who: tuple[str, str],
        recordings: Sequence[EnrolledRecording],
        measured: Measured,
    ) -> str:
        """Enrol recordings, all or none; `who` is the admin and the reason. Returns the id."""
        id, (admin, reason) = str(uuid.uuid4()), map(storable, who)
        with self._database.transaction() as connection:
            began = connection.scalar(sa.select(sa.func.max(enrolments.c.began_utc)))
            now = max(utc_now(), began) if began else utc_now()
            connection.execute(
                enrolments.insert().values(
                    id=id, kind=kind, admin=admin, reason=reason, began_utc=now
                )
            )
            same = ("sha256", "label", "name", "speaker", "length_samples", "flac")
            connection.execute(
                enrolled_recordings.insert(),
                [
                    {name: getattr(one, name) for name in same}
                    | {"enrolment_id": id, "name": storable(one.name)}
                    | {"speaker": storable(one.speaker)}
                    for one in recordings
                ],
            )
            _measure(connection, id, recordings, measured)
            _note(connection, ENROL, kind, measured.bundle, f"{id} by {admin or '-'}: {reason}")
        return id

    def undo(self, id: str | None, by: str) -> Row:
        """Delete an enrolment with all that belongs to it, the newest for None, so that everything
        is as it was before. Returns its row. Raises ConfigError if there is none.
        """
        with self._database.transaction() as connection:
            row = _found(connection, id)
            mine = enrolled_blocks.c.enrolment_id == row["id"]
            points = operating_points.c.enrolment_id == row["id"]
            encoders = set(
                connection.scalars(sa.select(enrolled_blocks.c.encoder_id).where(mine).distinct())
            ) | set(connection.scalars(sa.select(operating_points.c.encoder_id).where(points)))
            for table in (enrolled_blocks, operating_points, enrolled_recordings):
                connection.execute(table.delete().where(table.c.enrolment_id == row["id"]))
            connection.execute(enrolments.delete().where(enrolments.c.id == row["id"]))
            for encoder_id in encoders:
                grow(connection, encoder_id)
            _note(connection, UNDO, row["kind"], "-", f"{row['id']} by {storable(by) or '-'}")
        return row

    def entries(self) -> list[Row]:
        """All enrolments, oldest first, with counts of their recordings and what was measured."""
        kept = enrolled_recordings.c.flac.is_not(None)
        counted = sa.select(
            enrolled_recordings.c.enrolment_id,
            enrolled_recordings.c.label,
            sa.func.count().label("clips"),
            sa.func.count(sa.distinct(enrolled_recordings.c.speaker)).label("speakers"),
            sa.func.sum(sa.case((kept, 1), else_=0)).label("kept"),
        ).group_by(enrolled_recordings.c.enrolment_id, enrolled_recordings.c.label)
        order = enrolments.c.began_utc, enrolments.c.id
        with self._database.transaction() as connection:
            rows = _rows(connection, sa.select(enrolments).order_by(*order))
            counts = _rows(connection, counted)
            points = _rows(connection, sa.select(operating_points))
        lines = [row["id"] for row in rows if row["kind"] == LINE]
        for row in rows:
            row["in_effect"] = row["kind"] != LINE or row["id"] == lines[-1]
            row["recordings"] = [one for one in counts if one["enrolment_id"] == row["id"]]
            row["measured"] = [
                one | {name: json.loads(one[name]) for name in ("point", "report")}
                for one in points
                if one["enrolment_id"] == row["id"]
            ]
        return rows

    def recordings(self, id: str) -> list[EnrolledRecording]:
        """The recordings of an enrolment with their audio, without blocks."""
        mine = enrolled_recordings.c.enrolment_id == id
        same = ("sha256", "label", "name", "speaker", "length_samples", "flac")
        columns = enrolled_recordings.c[same]
        with self._database.transaction() as connection:
            rows = connection.execute(sa.select(*columns).where(mine).order_by(columns.sha256))
            return [EnrolledRecording(*row) for row in rows]

    def measure(self, id: str, recordings: Sequence[EnrolledRecording], measured: Measured) -> None:
        """Add what was measured with another bundle; blocks of an encoder are added once."""
        with self._database.transaction() as connection:
            if _found(connection, id):
                _measure(connection, id, recordings, measured)


def forget_audio(connection: sa.Connection, before: datetime) -> int:
    """Delete the audio of what was enrolled before a time (UTC); its blocks and numbers stay.
    Returns the number of recordings.
    """
    old = sa.select(enrolments.c.id).where(enrolments.c.began_utc < before)
    kept = enrolled_recordings.c.flac.is_not(None)
    return connection.execute(
        enrolled_recordings.update()
        .where(kept, enrolled_recordings.c.enrolment_id.in_(old))
        .values(flac=None)
    ).rowcount


def _measure(
    connection: sa.Connection, id: str, recordings: Sequence[EnrolledRecording], measured: Measured
) -> None:
    table, points = enrolled_blocks, operating_points
    mine = table.c.enrolment_id == id, table.c.encoder_id == measured.encoder_id
    known = set(connection.scalars(sa.select(table.c.sha256).where(*mine).distinct()))
    rows = [
        {
            "encoder_id": measured.encoder_id,
            "enrolment_id": id,
            "sha256": one.sha256,
            "start_samples": at,
            "embedding": vector.astype(FLOAT32).tobytes(),
        }
        for one in recordings
        if one.vectors is not None and one.sha256 not in known
        for at, vector in zip(one.starts, one.vectors, strict=True)
    ]
    if rows:
        connection.execute(table.insert(), rows)
    same = points.c.enrolment_id == id, points.c.bundle == measured.bundle
    connection.execute(points.delete().where(*same))
    connection.execute(
        points.insert().values(
            enrolment_id=id,
            bundle=measured.bundle,
            encoder_id=measured.encoder_id,
            point=json.dumps(dict(measured.point)),
            report=json.dumps(measured.report),
            measured_utc=utc_now(),
        )
    )
    grow(connection, measured.encoder_id)


def _found(connection: sa.Connection, id: str | None) -> Row:
    newest = sa.select(enrolments).order_by(enrolments.c.began_utc.desc(), enrolments.c.id.desc())
    rows = _rows(connection, newest)
    found = [row for row in rows if id is None or row["id"].startswith(id)]
    if not found or (id is not None and len(found) > 1):
        several = "more than one enrolment begins with" if found else "there is no enrolment"
        raise ConfigError(f"{several} {id or 'to undo'}; train.py enrol --list shows them")
    return found[0]


def _note(connection: sa.Connection, action: str, kind: str, bundle: str, reason: str) -> None:
    """Keep in the history of decisions who changed how this site decides."""
    connection.execute(
        decisions.insert().values(
            id=str(uuid.uuid4()),
            action=action,
            model=kind,
            version=bundle,
            before="-",
            reason=reason,
            numbers=json.dumps(None),
            decided_utc=utc_now(),
        )
    )


def _rows(connection: sa.Connection, query: sa.Select) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]
