"""The database behind a URL: connecting, creating or checking the schema, translating errors."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from radd.errors import ConfigError, EntryRefused, StorageError, StorageUnreachable
from radd.private_files import make_file
from storage.packet_limit import PacketLimit
from storage.tables import METADATA, SCHEMA

log = logging.getLogger(__name__)

DRIVERS = ("sqlite", "mysql+mysqlconnector", "mariadb+mysqlconnector")
CONNECT_S = 3  # the audio path never waits for it, but a start does
ANSWER_S = 30  # a stuck server counts as unreachable, and the spool takes over
MIGRATE_S = 60  # another program may be migrating a large table
READERS = 4

WRONG_ACCOUNT = {1045, 1698}
UNKNOWN_DATABASE = {1049}
NO_RIGHT = {1044, 1130, 1142, 1227}
TOO_LARGE = {1153}
SQLITE_PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR")

ALEMBIC = Path(__file__).with_name("alembic.ini")
UPGRADE = "RADD_STORAGE_URL=... python -m alembic -c storage/alembic.ini upgrade head"


def parse_url(text: str) -> sa.URL:
    """Parse a database URL. Raises ConfigError, without the password, if it is not usable."""
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        url = None
    if (
        url is None
        or url.drivername not in DRIVERS
        or not url.database
        or url.database == ":memory:"
    ):
        shown = "not a database URL" if url is None else url.render_as_string(hide_password=True)
        raise ConfigError(
            f"url = {shown}: expected sqlite:///FILE or "
            "mysql+mysqlconnector://USER:PASSWORD@HOST/DATABASE (special characters in the "
            "password written as %XX)"
        )
    return url


def _open_engine(text: str, reads_only: bool) -> sa.Engine:
    """An engine for one writer (one connection, every commit durable) or for readers. Does not
    connect yet.
    """
    url = parse_url(text)
    pool = {"hide_parameters": True, "pool_size": READERS if reads_only else 1, "max_overflow": 0}
    if url.drivername == "sqlite":
        begin = "BEGIN" if reads_only else "BEGIN IMMEDIATE"
        engine = sa.create_engine(url, **pool)
        sa.event.listen(engine, "do_connect", _make_private)
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        if reads_only:
            sa.event.listen(
                engine,
                "connect",
                lambda connection, _: connection.execute("PRAGMA query_only = ON"),
            )
        return engine
    arguments = {
        "connection_timeout": CONNECT_S,
        "read_timeout": ANSWER_S,
        "write_timeout": ANSWER_S,
        "charset": "utf8mb4",
        "collation": "utf8mb4_unicode_ci",
        "sql_mode": "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION",
    }
    if reads_only:
        arguments["init_command"] = "SET SESSION TRANSACTION READ ONLY"
    engine = sa.create_engine(url, **pool, pool_pre_ping=True, connect_args=arguments)
    PacketLimit(engine)
    return engine


def _make_private(dialect, record, arguments, options) -> None:
    """SQLite gives the companion files of a database the mode of the database."""
    file = Path(arguments[0])
    with suppress(OSError):  # the connection then reports why it does not open
        make_file(file)
        if file.stat().st_mode & 0o007:
            log.warning("everyone on this machine can read %s, which holds voices: chmod 600", file)


def _prepare_sqlite(connection: sqlite3.Connection, _record) -> None:
    connection.isolation_level = (
        None  # SQLAlchemy begins transactions; Python's own would exclude DDL
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


class Database:
    """One database and the only connection to it, or with `reads_only` several that cannot change
    anything.

    Errors of every method: StorageUnreachable if it cannot be reached now, EntryRefused if it
    rejects a row permanently, StorageError with a remedy otherwise. No message contains a password.
    """

    def __init__(self, url: str, reads_only: bool = False):
        self._engine = _open_engine(url, reads_only)

    def prepare(self) -> None:
        """Create the tables in a database without rows, completing an interrupted start; check them
        in any other.

        Raises StorageError for a schema that is older or newer than this program's.
        """
        with self.transaction() as connection:
            version = _version(connection)
            if version is None or (version < SCHEMA and _is_empty(connection)):
                _migrate(connection)
                version = _version(connection)
            _check(connection, version)

    def is_current(self) -> bool:
        """Whether its tables are those of this program; False for an empty database."""
        with self.transaction() as connection:
            return _version(connection) == SCHEMA

    def check(self) -> str | None:
        """The version of the tables, None in a database without any; changes nothing.

        Raises StorageError for a schema that is older or newer than this program's.
        """
        with self.transaction() as connection:
            version = _version(connection)
            if version is not None:
                _check(connection, version)
            return version

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A connection whose statements are committed together at the end, or not at all."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            raise _told_apart(error, self._engine.url) from None
        except sa.exc.TimeoutError:
            raise StorageUnreachable(
                "all connections to the database are busy; try again"
            ) from None
        except (sa.exc.StatementError, sa.exc.CompileError) as error:
            raise EntryRefused(f"rows do not fit the tables: {error}") from None
        except sa.exc.InvalidRequestError as error:  # follows on a broken connection
            raise StorageUnreachable(f"the connection to the database broke: {error}") from None

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _is_empty(connection: sa.Connection) -> bool:
    """Whether none of our tables has a row, so that no migration can lose one."""
    known = set(sa.inspect(connection).get_table_names())
    ours = [table for table in METADATA.sorted_tables if table.name in known]
    first = (connection.scalar(sa.select(sa.literal(1)).select_from(t).limit(1)) for t in ours)
    return not any(first)


def _migrate(connection: sa.Connection) -> None:
    import alembic.command
    import alembic.config

    config = alembic.config.Config(ALEMBIC)
    config.attributes["connection"] = connection
    if connection.dialect.name == "sqlite":  # its transaction already locks out others
        alembic.command.upgrade(config, "head")
        return
    lock = {"name": f"radd {connection.engine.url.database}"[:64], "seconds": MIGRATE_S}
    if connection.execute(sa.text("SELECT GET_LOCK(:name, :seconds)"), lock).scalar() != 1:
        raise StorageUnreachable(
            "another program has been creating the tables of this database for too long; stop it "
            "and try again"
        )
    try:
        connection.exec_driver_sql("COMMIT")  # otherwise it would see the state before the lock
        alembic.command.upgrade(config, "head")
        # otherwise the next holder of the lock would not see it
        connection.exec_driver_sql("COMMIT")
    finally:
        with suppress(sa.exc.SQLAlchemyError):  # a broken connection no longer has the lock
            connection.execute(sa.text("SELECT RELEASE_LOCK(:name)"), lock)


def _check(connection: sa.Connection, version: str | None) -> None:
    if version is None:
        raise StorageError(
            "the tables of the database have no schema version; use another database"
        )
    if version != SCHEMA:
        age = "older" if version < SCHEMA else "newer"
        todo = (
            f"back it up, then run {UPGRADE}"
            if version < SCHEMA
            else "update this program or use another database"
        )
        raise StorageError(
            f"the database has schema {version}, {age} than this program's {SCHEMA}: {todo}"
        )
    tables = sa.inspect(connection).get_multi_columns()
    found = {name: {column["name"] for column in columns} for (_, name), columns in tables.items()}
    for table in METADATA.sorted_tables:
        missing = sorted(set(table.columns.keys()) - found.get(table.name, set()))
        if missing:
            raise StorageError(
                f"table {table.name} of the database lacks {', '.join(missing)} though its schema "
                f"says {version}: it was changed by hand or belongs to another program; restore "
                "it or use another database"
            )


def _told_apart(error: sa.exc.DBAPIError, url: sa.URL) -> StorageError:
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_error(error, url.database or "the database")
    code, server = (
        getattr(error.orig, "errno", None),
        f"{url.host or 'localhost'}:{url.port or 3306}",
    )
    if code in WRONG_ACCOUNT:
        return StorageError(
            f"{server} rejected user {url.username}: check user name and password in [storage] url"
        )
    if code in UNKNOWN_DATABASE:
        return StorageError(
            f"{server} has no database {url.database}: create it, or correct [storage] url"
        )
    if code in NO_RIGHT:
        return StorageError(
            f"user {url.username} lacks rights in {url.database} on {server} ({error.orig}):"
            " grant that user all rights on that database"
        )
    if code in TOO_LARGE:
        return EntryRefused(
            f"{server} rejects a clip of this size: raise max_allowed_packet on the server"
        )
    if isinstance(error, sa.exc.IntegrityError | sa.exc.DataError):
        return EntryRefused(f"{server} rejects rows: {error.orig}")
    if isinstance(error, sa.exc.ProgrammingError):
        return StorageError(
            f"the tables in {url.database} on {server} do not match this program: {error.orig}"
        )
    return StorageUnreachable(f"the database at {server} cannot be used now: {error.orig}")


def _sqlite_error(error: sa.exc.DBAPIError, file: str) -> StorageError:
    name = getattr(error.orig, "sqlite_errorname", None) or ""
    if isinstance(error, sa.exc.IntegrityError | sa.exc.DataError):
        return EntryRefused(f"{file} rejects rows: {error.orig}")
    if name.startswith(SQLITE_PASSING):
        return StorageUnreachable(f"{file} cannot be used now: {error.orig}")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
        return StorageError(f"{file}: {error.orig}; its directory must exist and be writable")
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return StorageError(
            f"{file}: {error.orig}; move it away or name another file in [storage] url"
        )
    return StorageError(f"{file}: {error.orig}")
