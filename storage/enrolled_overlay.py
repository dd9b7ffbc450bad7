"""Enrolled recordings in the database, as the overlay of one encoder contains them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa

from radd.enrolled import LINE, Enrolled, EnrolledLine, OperatingPoint, OwnVoice, passages
from storage.tables import enrolled_blocks as blocks
from storage.tables import enrolled_recordings as recordings
from storage.tables import enrolments, operating_points

FLOAT32 = np.dtype("<f4")


def read_enrolled(connection: sa.Connection, encoder_id: str) -> Enrolled:
    """What is in effect: the newest line, and every own voice that was measured."""
    order = enrolments.c.began_utc, enrolments.c.id
    found = connection.execute(sa.select(enrolments.c.id, enrolments.c.kind).order_by(*order)).all()
    lines = [id for id, kind in found if kind == LINE]
    own = [id for id, kind in found if kind != LINE]
    return Enrolled(
        _line(connection, encoder_id, lines[-1]) if lines else None,
        tuple(voice for id in own for voice in _own(connection, encoder_id, id)),
    )


def _line(connection: sa.Connection, encoder_id: str, id: str) -> EnrolledLine:
    points = {
        bundle: OperatingPoint(**json.loads(point)) for bundle, point in _points(connection, id)
    }
    real, fake = (
        passages(*_blocks(connection, encoder_id, id, label)) for label in ("bonafide", "spoof")
    )
    return EnrolledLine(real, fake, points)


def _own(connection: sa.Connection, encoder_id: str, id: str) -> list[OwnVoice]:
    thresholds = [json.loads(point) for of, point in _points(connection, id) if of == encoder_id]
    _, _, vectors = _blocks(connection, encoder_id, id, "own_voice")
    return [OwnVoice(vectors, **told) for told in thresholds if len(vectors)]


def _points(connection: sa.Connection, id: str) -> Sequence[sa.Row]:
    mine = operating_points.c.enrolment_id == id
    return connection.execute(
        sa.select(operating_points.c.bundle, operating_points.c.point).where(mine)
    ).all()


def _blocks(
    connection: sa.Connection, encoder_id: str, id: str, label: str
) -> tuple[list[str], list[int], np.ndarray]:
    """Recordings, starts and vectors float32 (n, width) of the blocks with one label."""
    chosen = (
        sa.select(blocks.c.sha256, blocks.c.start_samples, blocks.c.embedding)
        .join(recordings)
        .where(
            blocks.c.encoder_id == encoder_id,
            blocks.c.enrolment_id == id,
            recordings.c.label == label,
        )
        .order_by(blocks.c.sha256, blocks.c.start_samples)
    )
    rows = connection.execute(chosen).all()
    vectors = np.frombuffer(b"".join(row.embedding for row in rows), FLOAT32)
    return (
        [row.sha256 for row in rows],
        [row.start_samples for row in rows],
        vectors.reshape(len(rows), -1) if rows else np.zeros((0, 0), np.float32),
    )
