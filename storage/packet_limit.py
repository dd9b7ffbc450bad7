"""Splits statements larger than the server accepts: MySQL closes the connection for one, with a
misleading message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from radd.errors import EntryRefused

LIMIT = "max_allowed_packet"
ESCAPED = [bytes([each]) for each in b"\0\n\r\\'\"\x1a"]  # a backslash is inserted before each
AROUND_BYTES = 32  # quotes, commas, the name of a character set
NUMBER_BYTES = 32  # the longest text of a number or date in a statement


class PacketLimit:
    """Queries the server's limit at each connection, splits batches of rows that exceed it, and
    raises EntryRefused for a single row that does.
    """

    def __init__(self, engine: sa.Engine):
        self._most_bytes: int | None = None
        sa.event.listen(engine, "connect", self._ask)
        sa.event.listen(engine, "do_execute", self._check)
        sa.event.listen(engine, "do_executemany", self._send_in_parts)

    def _ask(self, connection, record) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SELECT @@{LIMIT}")
        self._most_bytes = int(cursor.fetchone()[0])
        cursor.close()

    def _check(self, cursor, statement: str, parameters, context) -> None:
        size = len(statement.encode()) + _row_bytes(parameters or ())
        if self._most_bytes is not None and size > self._most_bytes:
            raise _too_large(size, self._most_bytes)

    def _send_in_parts(self, cursor, statement: str, parameters: Sequence, context) -> bool:
        """Whether the rows have been sent; False: they fit together, so send them as usual."""
        if self._most_bytes is None:
            return False
        parts = list(_parts(parameters, len(statement.encode()), self._most_bytes))
        if len(parts) == 1:
            return False
        for part in parts:
            cursor.executemany(statement, part)
        return True


def _parts(rows: Sequence, statement_bytes: int, most_bytes: int) -> Iterator[list]:
    part: list = []
    filled = statement_bytes
    for row in rows:
        size = _row_bytes(row)
        if statement_bytes + size > most_bytes:
            raise _too_large(statement_bytes + size, most_bytes)
        if part and filled + size > most_bytes:
            yield part
            part, filled = [], statement_bytes
        part.append(row)
        filled += size
    yield part


def _row_bytes(row: Mapping[str, Any] | Sequence) -> int:
    return sum(map(_value_bytes, row.values() if isinstance(row, Mapping) else row))


def _value_bytes(value: Any) -> int:
    """Size of a value in a statement; never too small."""
    if isinstance(value, str):
        value = value.encode()
    if not isinstance(value, bytes):
        return NUMBER_BYTES
    return len(value) + sum(value.count(each) for each in ESCAPED) + AROUND_BYTES


def _too_large(size: int, most_bytes: int) -> EntryRefused:
    return EntryRefused(
        f"the database takes at most {most_bytes} bytes at once (its {LIMIT}), and a clip with "
        f"its row needs {size}: raise {LIMIT} on the server, or lower [alerts] max_clip_s"
    )
