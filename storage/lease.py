"""Mutual exclusion across processes and machines: a database row that its holder renews."""

from __future__ import annotations

import os
import platform
from datetime import timedelta

import sqlalchemy as sa

from radd.errors import StorageError
from storage.database import Database
from storage.review import utc_now
from storage.tables import leases

LASTS = timedelta(minutes=10)


class Lease:
    """A context manager; entering raises StorageError if another live process holds the lease."""

    def __init__(self, database: Database, name: str):
        self._database, self._name = database, name
        self._holder = f"{os.getpid()} {platform.node()}"[:255]

    def __enter__(self) -> Lease:
        with self._database.transaction() as connection:
            mine = sa.select(leases).where(leases.c.name == self._name).with_for_update()
            row = connection.execute(mine).one_or_none()
            if row is not None and _is_held(row):
                raise StorageError(
                    f"another {self._name} is running (process {row.holder}); only one may run at "
                    "a "
                    "time, so wait until it has ended"
                )
            if row is not None:
                connection.execute(leases.delete().where(leases.c.name == self._name))
            connection.execute(
                leases.insert().values(
                    name=self._name, holder=self._holder, until_utc=utc_now() + LASTS
                )
            )
        return self

    def holder(self) -> str | None:
        """The process that holds it, as number and machine, or None."""
        with self._database.transaction() as connection:
            row = connection.execute(
                sa.select(leases).where(leases.c.name == self._name)
            ).one_or_none()
        return row.holder if row is not None and _is_held(row) else None

    def renew(self) -> None:
        """Extend the lease. Raises StorageError if another process took it because this one was
        suspended.
        """
        mine = (leases.c.name == self._name) & (leases.c.holder == self._holder)
        with self._database.transaction() as connection:
            if connection.scalar(sa.select(leases.c.name).where(mine)) is None:
                raise StorageError(
                    f"{self._name} was taken over by another process; start it again"
                )
            connection.execute(leases.update().where(mine).values(until_utc=utc_now() + LASTS))

    def __exit__(self, *exc) -> None:
        mine = (leases.c.name == self._name) & (leases.c.holder == self._holder)
        with self._database.transaction() as connection:
            connection.execute(leases.delete().where(mine))


def _is_held(row: sa.Row) -> bool:
    return row.until_utc > utc_now() and not _is_gone(row.holder)


def _is_gone(holder: str) -> bool:
    """Whether it was a process of this machine that has ended. A process with our own number was an
    earlier one.
    """
    pid, _, machine = holder.partition(" ")
    if machine != platform.node():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return int(pid) == os.getpid()
