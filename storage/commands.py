"""Commands of operators to running streams: written by the console, carried out by the daemon."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from radd.errors import ConfigError
from storage.database import Database
from storage.records import storable
from storage.retention import utc_now
from storage.review import find
from storage.tables import stream_commands, streams

ACTIONS = ("pause", "resume", "stop")


class NotRunning(ConfigError):
    """A stream that has ended takes no commands."""


class GivenCommand(NamedTuple):
    """A command that has not been carried out yet."""

    id: str
    stream: str
    """id of the stream"""
    action: str
    """one of ACTIONS"""
    by: str


def give(database: Database, stream: str, action: str, by: str) -> GivenCommand:
    """Write a command for the daemon of a running stream, named by the start of its id.

    Raises ConfigError for an unknown action and for an id that matches none or several streams,
    and NotRunning for a stream that has ended.
    """
    if action not in ACTIONS:
        raise ConfigError(f"{action!r} is no command: expected {', '.join(ACTIONS)}")
    with database.transaction() as connection:
        row = find(connection, streams, stream)
        if row["state"] != "running":
            raise NotRunning(f"stream {row['id']} has {row['state']}; expected a running stream")
        command = GivenCommand(str(uuid.uuid4()), row["id"], action, storable(by))
        connection.execute(
            stream_commands.insert().values(
                id=command.id,
                stream_id=command.stream,
                action=command.action,
                given_by=command.by,
                given_utc=utc_now(),
            )
        )
    return command


class GivenCommands:
    """The commands that wait for a daemon. Raises StorageUnreachable like Database."""

    def __init__(self, url: str):
        self._database = Database(url)

    def waiting(self, streams: Sequence[str]) -> list[GivenCommand]:
        """Those for these streams that are not done, oldest first."""
        table = stream_commands
        chosen = sa.select(table.c.id, table.c.stream_id, table.c.action, table.c.given_by).where(
            table.c.stream_id.in_(streams), table.c.done_utc.is_(None)
        )
        with self._database.transaction() as connection:
            rows = connection.execute(chosen.order_by(table.c.given_utc, table.c.id)).all()
        return [GivenCommand(*row) for row in rows]

    def done(self, ids: Sequence[str]) -> None:
        """These were carried out."""
        with self._database.transaction() as connection:
            connection.execute(
                stream_commands.update()
                .where(stream_commands.c.id.in_(ids))
                .values(done_utc=utc_now())
            )

    def close(self) -> None:
        self._database.close()
