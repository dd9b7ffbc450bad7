"""Everything that one reviewer did, to list and to undo: labels, and changes of the index."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from storage.overlay import grow, leave
from storage.people import person
from storage.records import storable
from storage.review import Label, Reviews, utc_now
from storage.tables import (
    alerts,
    indexed_clips,
    labels,
    overlay_references,
    overlay_removals,
)

Row = dict[str, Any]


def work_of(reviews: Reviews, reviewer: str) -> dict[str, list[Row]]:
    """The work of a reviewer, oldest first: `labels` with the id of an alert of their clip, `added`
    recordings of the index that are not clips, and `removed` references of the bundle.
    """
    with reviews.database.transaction() as connection:
        return {
            "labels": _labels(connection, reviewer),
            "added": _added(connection, reviewer),
            "removed": _removed(connection, reviewer),
        }


def undo(reviews: Reviews, reviewer: str, by: str, reason: str) -> dict[str, int]:
    """Undo everything that a reviewer did, all or nothing. Returns the numbers of `labels`, `added`
    and `removed`.

    The history stays: each label is followed by one that withdraws it. Clips with a label of this
    reviewer leave the index until they are learned again from the remaining labels.
    """
    with reviews.database.transaction() as connection:
        added, removed = _added(connection, reviewer), _removed(connection, reviewer)
        undone = _withdraw(
            reviews, connection, reviewer, storable(f"undone by {by}: {reason}".rstrip(": "))
        )
        for row in added:
            grow(connection, row["encoder_id"])
            connection.execute(overlay_references.delete().where(*_same(overlay_references, row)))
        for row in removed:
            grow(connection, row["encoder_id"])
            connection.execute(overlay_removals.delete().where(*_same(overlay_removals, row)))
    return {"labels": undone, "added": len(added), "removed": len(removed)}


def _withdraw(reviews: Reviews, connection: sa.Connection, reviewer: str, reason: str) -> int:
    """Withdraw a reviewer's latest label of each clip; returns their number."""
    mine = {row["clip_sha256"] for row in _labels(connection, reviewer)}
    count = 0
    for sha256, history in reviews.lock(connection, mine).items():
        latest = [row for row in history if person(row["reviewer"]) == person(reviewer)][-1]
        if latest["label"] == Label.WITHDRAWN:
            continue
        said = {"label": Label.WITHDRAWN.value, "reason": reason, "labelled_utc": utc_now()}
        reviews.add(connection, sha256, history, [said | {"reviewer": latest["reviewer"]}])
        leave(connection, sha256)
        connection.execute(indexed_clips.delete().where(indexed_clips.c.clip_sha256 == sha256))
        count += 1
    return count


def _labels(connection: sa.Connection, reviewer: str) -> list[Row]:
    names = _names(connection, labels, reviewer)
    alert = (
        sa.select(sa.func.min(alerts.c.id))
        .where(alerts.c.clip_sha256 == labels.c.clip_sha256)
        .scalar_subquery()
        .label("id")
    )
    chosen = sa.select(labels, alert).where(labels.c.reviewer.in_(names))
    return _rows(connection, chosen.order_by(labels.c.labelled_utc, labels.c.clip_sha256))


def _added(connection: sa.Connection, reviewer: str) -> list[Row]:
    table = overlay_references
    columns = table.c["encoder_id", "id", "label", "source", "reviewer", "reason", "added_utc"]
    chosen = sa.select(*columns).where(
        table.c.reviewer.in_(_names(connection, table, reviewer)), table.c.clip_sha256.is_(None)
    )
    return _rows(connection, chosen.distinct().order_by(table.c.added_utc, table.c.id))


def _removed(connection: sa.Connection, reviewer: str) -> list[Row]:
    table = overlay_removals
    chosen = sa.select(table).where(table.c.reviewer.in_(_names(connection, table, reviewer)))
    return _rows(connection, chosen.order_by(table.c.removed_utc))


def _names(connection: sa.Connection, table: sa.Table, reviewer: str) -> Collection[str]:
    """The spellings of a reviewer's name in a table."""
    written = connection.scalars(sa.select(table.c.reviewer).distinct()).all()
    return [name for name in written if person(name) == person(reviewer)]


def _same(table: sa.Table, row: Row) -> list[sa.ColumnElement[bool]]:
    keys = [column.name for column in table.primary_key if column.name in row]
    return [table.c[name] == row[name] for name in keys]


def _rows(connection: sa.Connection, query: sa.Select) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]
