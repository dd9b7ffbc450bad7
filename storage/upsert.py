"""Rows that are inserted or, where their key exists, replaced."""

from __future__ import annotations

from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite


def upsert(
    connection: sa.Connection,
    table: sa.Table,
    rows: list[dict[str, Any]],
    update: list[str] | None = None,
) -> None:
    """Insert rows with equal columns; where the primary key exists, replace those columns, or only
    `update`.
    """
    if not rows:
        return
    rows = [{name: _value(table.c[name], value) for name, value in row.items()} for row in rows]
    keys = table.primary_key.columns.keys()
    names = update or [name for name in rows[0] if name not in keys]
    if connection.dialect.name == "sqlite":
        added = sqlite.insert(table)
        replaced = {name: added.excluded[name] for name in names}
        connection.execute(added.on_conflict_do_update(keys, set_=replaced), rows)
    else:
        insert = mysql.insert(table)
        insert = insert.on_duplicate_key_update({name: insert.inserted[name] for name in names})
        connection.execute(insert, rows)


def _value(column: sa.Column, value: Any) -> Any:
    kind = column.type.python_type
    return kind.fromisoformat(value) if isinstance(value, str) and issubclass(kind, date) else value
