"""Streams, alerts and both kinds of database for the tests of storage/."""

import multiprocessing
import multiprocessing.forkserver
import os
import signal
import sys
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event

import numpy as np
import pytest
import sqlalchemy as sa
from fixtures_patience import PATIENCE_S

from radd.types import Alert, AlertState, Neighbour, Score, Verdict
from storage.database import Database
from storage.journal import StorageSettings
from storage.records import StreamInfo

STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def storage_settings(url, spool, **changes):
    roomy = {
        "clip_quota_mb": 100,
        "spool_quota_mb": 100,
        "flush_s": PATIENCE_S,
        "sample_per_hour": 0.0,
        "keep_days_pending": 0,
        "keep_days_labelled": 0,
        "keep_days_timeline": 0,
        "keep_days_enrolled": 0,
    }
    return StorageSettings(url, str(spool), **roomy | changes)


class SumEncoder:
    """An Encoder whose vectors are the sums of eighths of a block."""

    id, width = "encoder", 8

    def embed(self, block):
        sums = block.reshape(8, -1).sum(axis=1) + np.float32(1e-6)
        return sums / np.linalg.norm(sums), 0.0


def stream_info(**changes):
    info = StreamInfo(
        id=str(uuid.uuid4()),
        source="mic",
        device="USB Audio",
        native_rate_hz=48_000,
        host="here",
        bundle="default 1",
        config_hash="c" * 64,
        started=STARTED,
    )
    return replace(info, **changes)


def alert(state=AlertState.OPEN, of=None, seed=0, length=8_000, **changes):
    """An alert about noise; a closing one of an open one with `of`."""
    clip = np.random.default_rng(seed).normal(0, 0.1, length).astype(np.float32)
    made = Alert(
        id=of.id if of else str(uuid.uuid4()),
        state=state,
        began=32_000,
        end=32_000 + length,
        peak_p_spoof=0.97,
        min_llr=-4.5,
        clip=clip,
        clip_start=24_000,
        trace=((34_048, None), (36_096, -4.5)),
        neighbours=(Neighbour("ref-1", "spoof", "tts-7", 0.83),),
        gaps=2,
    )
    return replace(made, **changes)


def score(end, llr=1.5, verdict=Verdict.BONAFIDE, level_dbfs=-30.0):
    return Score(
        end,
        verdict,
        None if llr is not None else "quiet",
        llr,
        None,
        (),
        64_000,
        2.0,
        level_dbfs,
        None,
    )


def until(condition):
    """Wait until something that happens in another thread or process has happened."""
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {PATIENCE_S} s in vain"
        Event().wait(0.01)
    return found


def rows(url, table):
    """All rows of a table, in the order of its primary key."""
    database = Database(url)
    try:
        with database.transaction() as connection:
            found = connection.execute(sa.select(table).order_by(*table.primary_key.columns))
            return [dict(row) for row in found.mappings()]
    finally:
        database.close()


@pytest.fixture(params=["sqlite", "mariadb"])
def database_url(request, tmp_path):
    """An empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/radd.db"
    return request.getfixturevalue("mariadb_url")


@pytest.fixture
def settings(database_url, tmp_path):
    return storage_settings(database_url, tmp_path / "spool")


@pytest.fixture
def local(tmp_path):
    """Settings with an SQLite database."""
    return storage_settings(f"sqlite:///{tmp_path}/radd.db", tmp_path / "spool")


@pytest.fixture(scope="session")
def processes():
    """A multiprocessing context whose processes start at once, because they are forked from one
    that has imported.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["fixtures_storage", "soundfile", "mysql.connector", "sqlalchemy.dialects.sqlite"]
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        multiprocessing.forkserver.ensure_running()
    return context


@pytest.fixture
def killed_after(processes):
    """Run a function of a test module in a process of its own, which is killed with -9 as soon as
    it returns.
    """

    def run(target, *arguments):
        process = processes.Process(target=_call_and_die, args=(target, arguments))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL

    return run


def _call_and_die(target, arguments):
    target(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
