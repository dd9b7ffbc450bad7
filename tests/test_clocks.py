"""A wall clock that steps, and a machine that sleeps, while streams are stored."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fixtures_storage import alert, rows, score, stream_info, until
from hypothesis import given
from hypothesis import strategies as st

from radd.flac import clip_sha256
from radd.types import SAMPLE_RATE_HZ, AlertState, Compared
from storage.database import Database
from storage.journal import Journal
from storage.tables import alerts, clips, shadows, streams
from storage.wall_clock import Reading, Step, WallClock, read_clocks

UNSET = datetime(1970, 1, 1, 0, 5, tzinfo=UTC)
YEARS = timedelta(days=20_500)


class Clocks:
    """Clocks that a test sets."""

    def __init__(self):
        self.now = Reading(1_000.0, 100.0, 100.0)

    def __call__(self) -> Reading:
        return self.now

    def run(self, seconds: float, slept: float = 0.0, set_by: float = 0.0):
        wall, since_boot, awake = self.now
        passed = seconds + slept
        self.now = Reading(wall + passed + set_by, since_boot + passed, awake + seconds)


@given(st.floats(0, 1e6), st.floats(0, 1e6) | st.just(0.0), st.floats(-1e9, 1e9) | st.just(0.0))
def test_each_step_is_told_once_with_what_it_was(ran, slept, set_by):
    clocks = Clocks()
    clock = WallClock(clocks)
    clocks.run(ran, slept, set_by)
    step = clock.step() or Step(0.0, 0.0)
    assert step.slept_s == pytest.approx(slept, abs=1.01 if slept < 1.01 else 1e-3)
    assert step.set_by_s == pytest.approx(set_by, abs=1.01 if abs(set_by) < 1.01 else 1e-3)
    clocks.run(ran)
    assert clock.step() is None


def test_the_clocks_of_this_machine_agree_with_themselves():
    clock = WallClock()
    before, after = read_clocks(), read_clocks()
    assert all(one <= other for one, other in zip(before, after, strict=True))
    assert clock.step() is None and abs(before.wall_s - datetime.now().timestamp()) < 60


def opened_and_closed(journal, seed):
    opened = alert(seed=seed)
    journal.write(opened)
    journal.write(alert(AlertState.CLOSE, of=opened, seed=seed))
    return opened


def test_a_clock_that_is_set_corrects_the_times_of_the_whole_run(settings, caplog):
    clocks, info = Clocks(), stream_info(started=UNSET)
    truth = (UNSET + YEARS).replace(tzinfo=None)
    with Journal(settings, info, clock=WallClock(clocks)) as journal:
        before = opened_and_closed(journal, 1)
        journal.write(Compared(16_000, "radd 2", 12.3, 0.1, False, True))
        going_on = alert(seed=2)
        journal.write(going_on)
        until(lambda: journal.queue_depths() == {"spool": 0})
        assert {row["began_utc"].year for row in rows(settings.url, alerts)} == {1970}
        clocks.run(5.0, set_by=YEARS.total_seconds())
        journal.write(alert(AlertState.CLOSE, of=going_on, seed=2))
        after = opened_and_closed(journal, 3)
    kept = {row["id"]: row for row in rows(settings.url, alerts)}
    for one in (before, going_on, after):
        assert kept[one.id]["began_utc"] == truth + timedelta(seconds=2)
        assert kept[one.id]["ended_utc"] == truth + timedelta(seconds=2.5)
    (stream,) = rows(settings.url, streams)
    assert stream["started_utc"] == truth and stream["ended_utc"] > truth
    assert rows(settings.url, shadows) == []
    assert "was set by +1771200000 s; times of this run are corrected" in caplog.text
    stored = {row["sha256"]: row["stored_utc"] for row in rows(settings.url, clips)}
    assert stored[clip_sha256(before.clip)] == truth + timedelta(seconds=2.5)


def test_a_machine_that_slept_leaves_earlier_times_and_moves_later_ones(settings, caplog):
    clocks, info = Clocks(), stream_info()
    began = info.started.replace(tzinfo=None)
    night = timedelta(hours=9)
    with Journal(settings, info, clock=WallClock(clocks)) as journal:
        before = opened_and_closed(journal, 1)
        journal.write(score(60 * SAMPLE_RATE_HZ))
        clocks.run(60.0, slept=night.total_seconds())
        later = replace(alert(AlertState.CLOSE, seed=2), began=70 * SAMPLE_RATE_HZ, end=1_200_000)
        journal.write(later)
    kept = {row["id"]: row["began_utc"] for row in rows(settings.url, alerts)}
    assert kept[before.id] == began + timedelta(seconds=2)
    assert kept[later.id] == began + timedelta(seconds=70) + night
    (stream,) = rows(settings.url, streams)
    assert stream["started_utc"] == began
    assert stream["ended_utc"] == began + timedelta(seconds=75) + night
    assert "this machine slept for 32400 s" in caplog.text


def test_a_clip_that_was_stored_before_the_clock_was_set_does_not_expire_at_once(settings):
    with Journal(settings, stream_info(started=UNSET)) as journal:
        one = opened_and_closed(journal, 1)
    stored_at(settings.url, UNSET.replace(tzinfo=None))
    with Journal(replace(settings, keep_days_pending=30), stream_info()) as journal:
        opened_and_closed(journal, 2)
    (clip,) = [c for c in rows(settings.url, clips) if c["sha256"] == clip_sha256(one.clip)]
    assert clip["state"] == "stored" and clip["flac"] and clip["stored_utc"].year > 2020


def stored_at(url, when):
    database = Database(url)
    with database.transaction() as connection:
        connection.execute(clips.update().values(stored_utc=when))
    database.close()
