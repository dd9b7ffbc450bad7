import itertools
import re
import socket
import subprocess
import sys
import uuid
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import alembic.command
import alembic.config
import numpy as np
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from fixtures_mariadb import PASSWORD, PASSWORD_IN_URL
from fixtures_storage import SumEncoder, alert, rows, score, stream_info

from radd.errors import ConfigError, StorageError, StorageUnreachable
from radd.index import Reference
from radd.types import AlertState, Compared, Gap, Sample
from retraining.confirmed_clips import index_confirmed
from storage import tables
from storage.call_states import CallStates, Heartbeat
from storage.commands import give
from storage.database import ALEMBIC, Database, parse_url
from storage.enrolments import EnrolledRecording, Enrolments, Measured
from storage.fleet_journal import FleetJournal, Position
from storage.journal import Journal
from storage.learning import Learning
from storage.overlay import OverlayStore, Review
from storage.records import stream_record
from storage.review import Label, Reviews
from storage.uploads import UploadSource, add_upload

CALL = "6e3a2f5c-40a1-4f0e-9d3c-8f2b8f7e1d11"
SCHEMA_SQL = Path(__file__).parent.parent / "schema.sql"


LOOK = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as database:
    print(*database.execute("SELECT count(*) FROM leases").fetchone())
database.close()
"""


def confirm(url):
    """Add a reference to the overlay and hide one of the bundle."""
    with OverlayStore(url, "encoder") as store:
        store.add(
            [Reference("r", "spoof", "tts", "call", "-", 0.0)],
            np.eye(1, 8, dtype=np.float32),
            Review("ann", ""),
        )
        store.remove(["wrong"], {"wrong"}, Review("ann", "a person"))


@pytest.fixture
def open_database():
    opened = []

    def open_(url):
        opened.append(Database(url))
        return opened[-1]

    yield open_
    for database in opened:
        database.close()


@pytest.fixture
def by_hand(monkeypatch):
    """Alembic as an administrator calls it."""

    def run(command, url, revision):
        monkeypatch.setenv("RADD_STORAGE_URL", url)
        getattr(alembic.command, command)(alembic.config.Config(ALEMBIC), revision)

    return run


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://a:geheim@h/d",
        "postgresql://a:geheim@h/d",
        "mysql+mysqlconnector://a:geheim@h",
        "mysql+mysqlconnector://a:geheim@h:port/d",
        "://a:geheim@",
    ],
)
def test_an_unusable_url_is_a_configuration_error_without_its_password(url):
    with pytest.raises(ConfigError, match="^url = .*expected sqlite:///FILE or mysql") as told:
        parse_url(url)
    assert "geheim" not in str(told.value)


def test_an_empty_database_gets_its_tables_and_a_second_look_changes_nothing(
    database_url, open_database
):
    for _ in range(2):
        open_database(database_url).prepare()
    assert not any(rows(database_url, table) for table in tables.METADATA.sorted_tables)


def test_the_newest_migration_is_the_schema_that_the_program_expects():
    assert (
        ScriptDirectory.from_config(alembic.config.Config(ALEMBIC)).get_current_head()
        == tables.SCHEMA
    )


def test_migrations_make_what_the_program_expects(database_url, open_database):
    database = open_database(database_url)
    database.prepare()
    with database.transaction() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, tables.METADATA) == []


def test_schema_sql_is_what_the_migrations_make(mariadb, mariadb_url, open_database):
    open_database(mariadb_url).prepare()
    name = parse_url(mariadb_url).database

    def made():
        names = [*tables.METADATA.tables, "alembic_version"]
        return {t: mariadb.execute(f"SHOW CREATE TABLE {t}", database=name)[0][1] for t in names}

    migrated, version = made(), mariadb.execute("SELECT * FROM alembic_version", database=name)
    mariadb.execute(f"DROP DATABASE {name}")
    mariadb.execute(f"CREATE DATABASE {name}")
    for statement in re.sub("--.*", "", SCHEMA_SQL.read_text("utf-8")).split(";"):
        if statement.strip():
            mariadb.execute(statement, database=name)
    assert made() == migrated
    assert mariadb.execute("SELECT * FROM alembic_version", database=name) == version


def test_a_migration_that_was_killed_half_way_is_completed(mariadb, mariadb_url, open_database):
    open_database(mariadb_url).prepare()
    name = parse_url(mariadb_url).database
    for statement in (
        "DROP TABLE timeline",
        "DROP INDEX ix_alerts_queue ON alerts",
        "DELETE FROM alembic_version",
    ):
        mariadb.execute(statement, database=name)
    database = open_database(mariadb_url)
    database.prepare()
    with database.transaction() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.METADATA) == []


class Killed(BaseException):
    """Ends a start between two statements, as kill -9 does: what MySQL has committed stays."""


def first_start_killed_before_change(number, url):
    """Whether it came that far."""
    database, changes = Database(url), itertools.count()

    def kill(connection, cursor, statement, parameters, context, executemany):
        if statement.split()[0] in ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE") and (
            next(changes) == number
        ):
            raise Killed

    sa.event.listen(database._engine, "before_cursor_execute", kill)
    try:
        database.prepare()
    except Killed:
        return True
    finally:
        database.close()
    return False


def test_a_first_start_that_was_killed_anywhere_is_completed_by_the_next(
    mariadb, mariadb_url, open_database
):
    name = parse_url(mariadb_url).database
    for number in itertools.count(0, 3):
        if not first_start_killed_before_change(number, mariadb_url):
            break
        database = open_database(mariadb_url)
        database.prepare()
        with database.transaction() as connection:
            assert compare_metadata(MigrationContext.configure(connection), tables.METADATA) == []
        mariadb.execute(f"DROP DATABASE {name}")
        mariadb.execute(f"CREATE DATABASE {name}")
    assert number > len(tables.METADATA.tables)


def start_together(together, url):
    database = Database(url)
    together.wait()
    database.prepare()
    database.close()


def test_first_starts_at_the_same_time_all_succeed(database_url, processes):
    together = processes.Barrier(4)
    starts = [
        processes.Process(target=start_together, args=(together, database_url)) for _ in range(4)
    ]
    for one in starts:
        one.start()
    for one in starts:
        one.join()
    assert [one.exitcode for one in starts] == [0, 0, 0, 0]


def test_an_older_database_that_holds_nothing_is_brought_up_by_the_start(
    settings, by_hand, open_database
):
    open_database(settings.url).prepare()
    by_hand("downgrade", settings.url, "0002")
    with Journal(settings, stream_info()) as journal:
        journal.write(alert())
    assert journal.problem is None and len(rows(settings.url, tables.alerts)) == 1


def test_migrations_go_down_and_up_on_a_filled_database(settings, by_hand, open_database):
    with Journal(settings, stream_info()) as journal:
        opened = alert()
        journal.write(opened)
        journal.write(alert(AlertState.CLOSE, of=opened))
        journal.write(replace(score(2_048), neighbours=opened.neighbours))
        journal.write(Gap(2_048, 4_096, "overrun"))
        journal.write(Compared(4_096, "radd 2", 12.3, 0.1, False, True))
    with FleetJournal(settings, "detector-1", lambda stream, number: None) as fleet:
        fleet.begin(stream_info(id=CALL))
        fleet.save(CALL, Position(1, 4_096, 2), {}, b"")
    states = CallStates(settings.url)
    states.report(Heartbeat("detector-1", 1, 0.0, 0.5, 0, 0))
    states.close()
    confirm(settings.url)
    with Learning(settings.url) as learning:
        learning.lease.__enter__()
        learning.begin("20 new labels", "default", "r1")
        learning.decide("refuse", "r1", "radd 1", "default", "worse on the telephone")
    running = replace(stream_info(), id=str(uuid.UUID(int=9)))
    with open_database(settings.url).transaction() as connection:
        connection.execute(
            tables.streams.insert().values(
                stream_record(running) | {"started_utc": datetime(2026, 3, 1)}
            )
        )
    give(open_database(settings.url), running.id, "pause", "ann")
    with Enrolments(settings.url) as enrolments:
        one = EnrolledRecording("ab", "bonafide", "1.wav", "ann", 9, b"", [0], np.eye(1, 8))
        enrolments.add("line", ("ann", ""), [one], Measured("radd 1", "encoder", {}, {}))
    with Reviews(settings.url, 1) as reviews:
        reviews.label([opened.id], Label.FAKE, "ann", "")
        assert list(index_confirmed(reviews, SumEncoder()).values()) == [0], "noise is no speech"
        sample = Sample(str(uuid.UUID(int=8)), 0, 0.9, -2.0, np.ones(9_000, np.float32), (), (), 0)
        said = UploadSource("voice.flac", "a podcast", "CC BY 4.0", "ann")
        add_upload(reviews, sample, Label.FAKE, said, "default 1", 100)
    assert all(rows(settings.url, table) for table in tables.METADATA.sorted_tables)
    by_hand("downgrade", settings.url, "base")
    with pytest.raises(StorageError), open_database(settings.url).transaction() as connection:
        connection.execute(sa.select(tables.alerts))
    by_hand("upgrade", settings.url, "head")
    assert rows(settings.url, tables.alerts) == []


def test_a_database_of_the_first_schema_keeps_its_alerts_and_learns_of_the_overlay(
    settings, by_hand, open_database
):
    with Journal(settings, stream_info()) as journal:
        journal.write(alert())
    before = rows(settings.url, tables.alerts)
    by_hand("downgrade", settings.url, "0001")
    with pytest.raises(StorageError, match="schema 0001, older"):
        open_database(settings.url).prepare()
    by_hand("upgrade", settings.url, "head")
    confirm(settings.url)
    assert rows(settings.url, tables.alerts) == [row | {"informative": 0.0} for row in before]
    assert [row["version"] for row in rows(settings.url, tables.overlay_versions)] == [2]


@pytest.mark.parametrize(
    "version, words",
    [("0000", "older.*back it up, then run .*alembic"), ("9999", "newer.*update this program")],
)
def test_another_schema_is_refused_with_what_to_do(database_url, open_database, version, words):
    database = open_database(database_url)
    database.prepare()
    with database.transaction() as connection:
        held = {"name": "retraining", "holder": "1 here", "until_utc": datetime(2026, 3, 1)}
        connection.execute(tables.leases.insert().values(held))
        connection.execute(
            sa.text("UPDATE alembic_version SET version_num = :version"), {"version": version}
        )
    with pytest.raises(StorageError, match=f"schema {version}, {words}") as told:
        open_database(database_url).prepare()
    assert not isinstance(told.value, StorageUnreachable)


def test_a_table_of_somebody_else_is_noticed(database_url, open_database):
    database = open_database(database_url)
    with database.transaction() as connection:
        connection.execute(sa.text("CREATE TABLE gaps (start_samples INTEGER)"))
    with pytest.raises(StorageError, match="table gaps of the database lacks cause, end_samples"):
        database.prepare()


def test_a_wrong_password_is_told_as_such_and_stays_secret(mariadb, mariadb_url, open_database):
    url = mariadb.url(parse_url(mariadb_url).database, password="geheim")
    with pytest.raises(
        StorageError, match="rejected user radd: check user name and password"
    ) as told:
        open_database(url).prepare()
    assert not isinstance(told.value, StorageUnreachable)
    assert "geheim" not in str(told.value)


def test_an_unknown_database_is_told_as_such(mariadb, open_database):
    with pytest.raises(StorageError, match="no database radd_nowhere: create it") as told:
        open_database(mariadb.url("radd_nowhere")).prepare()
    assert not isinstance(told.value, StorageUnreachable)


def test_a_missing_right_is_told_as_such(mariadb, open_database):
    with pytest.raises(StorageError, match="user radd lacks rights in mysql.*grant") as told:
        open_database(mariadb.url("mysql")).prepare()
    assert not isinstance(told.value, StorageUnreachable)


def test_a_port_where_nobody_answers_means_away(open_database):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"mysql+mysqlconnector://radd:{PASSWORD_IN_URL}@127.0.0.1:{closed.getsockname()[1]}/radd"
        with pytest.raises(StorageUnreachable, match="cannot be used now") as told:
            open_database(url).prepare()
    assert PASSWORD not in str(told.value) and PASSWORD_IN_URL not in str(told.value)


def test_a_host_that_does_not_exist_means_away(open_database):
    with pytest.raises(StorageUnreachable, match="nowhere.invalid:3306 cannot be used now"):
        open_database("mysql+mysqlconnector://radd:x@nowhere.invalid/radd").prepare()


def test_a_file_that_is_no_database_is_told_as_such(tmp_path, open_database):
    (tmp_path / "radd.db").write_text("Dear diary, " * 1_000)
    with pytest.raises(StorageError, match="file is not a database; move it away") as told:
        open_database(f"sqlite:///{tmp_path}/radd.db").prepare()
    assert not isinstance(told.value, StorageUnreachable)


def test_a_missing_directory_is_told_as_such(tmp_path, open_database):
    with pytest.raises(StorageError, match="its directory must exist") as told:
        open_database(f"sqlite:///{tmp_path}/missing/radd.db").prepare()
    assert not isinstance(told.value, StorageUnreachable)


def test_what_is_committed_stays_though_another_process_opened_and_closed_the_file(
    tmp_path, open_database
):
    url = f"sqlite:///{tmp_path}/radd.db"
    first, second = open_database(url), open_database(url)
    first.prepare()
    second.prepare()
    look = [sys.executable, "-c", LOOK, str(tmp_path / "radd.db")]
    for count in (1, 2):
        with first.transaction() as connection:
            connection.execute(tables.leases.insert().values(
                name=f"lease {count}", holder="here", until_utc=datetime(2026, 3, 1)
            ))  # fmt: skip
        assert subprocess.run(look, capture_output=True, text=True).stdout == f"{count}\n"
