import json
import sqlite3
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from fixtures_storage import STARTED, alert, rows, score, storage_settings, stream_info, until
from hypothesis import HealthCheck, given
from hypothesis import settings as within
from hypothesis import strategies as st
from mysql.connector.conversion import MySQLConverter

from radd.errors import ConfigError, StorageError
from radd.flac import clip_sha256, flac_bytes
from radd.types import AlertState, Gap, Neighbour, Verdict
from storage.database import Database
from storage.journal import Journal
from storage.packet_limit import _value_bytes
from storage.records import gap_record
from storage.spool.directory import Spool
from storage.spool.entry import EntryKind
from storage.tables import alerts, clips, evidence, gaps, streams, timeline
from storage.timeline import Timeline
from storage.upsert import upsert

BEGAN = STARTED.replace(tzinfo=None)


def stored_clip(settings, sha256):
    (clip,) = [row for row in rows(settings.url, clips) if row["sha256"] == sha256]
    return clip


def test_everything_that_was_heard_is_in_the_database(settings):
    info = stream_info()
    opened = alert(seed=1, length=8_000)
    closed = alert(AlertState.CLOSE, of=opened, seed=2, length=16_000)
    with Journal(settings, info) as journal:
        for hop in range(1, 24):
            journal.write(score(hop * 2_048, llr=float(hop)))
        journal.write(Gap(47_104, 50_000, "overrun"))
        journal.write(opened)
        journal.write(closed)
    assert journal.problem is None and journal.recovered == ()
    (stream,) = rows(settings.url, streams)
    assert stream == {
        "id": info.id,
        "state": "ended",
        "source": "mic",
        "device": "USB Audio",
        "native_rate_hz": 48_000,
        "host": "here",
        "bundle": "default 1",
        "config_hash": "c" * 64,
        "started_utc": BEGAN,
        "ended_utc": BEGAN + timedelta(seconds=3.125),
        "length_samples": 50_000,
        "lost_samples": 2_896,
        "scores": 23,
        "judged": 23,
        "alerts": 1,
        "gaps": 1,
        "call_id": None,
        "track": None,
        "call_details": None,
    }
    (kept,) = rows(settings.url, alerts)
    assert kept == {
        "id": opened.id,
        "stream_id": info.id,
        "state": "close",
        "review": "pending",
        "began_samples": 32_000,
        "end_samples": 48_000,
        "began_utc": BEGAN + timedelta(seconds=2),
        "ended_utc": BEGAN + timedelta(seconds=3),
        "peak_p_spoof": 0.97,
        "min_llr": -4.5,
        "gaps": 2,
        "bundle": "default 1",
        "clip_sha256": clip_sha256(closed.clip),
        "clip_start_samples": 24_000,
        "informative": pytest.approx((0.0873 + 0.17 + 0) / 3, abs=1e-3),
    }
    (clip,) = rows(settings.url, clips)
    assert clip["state"] == "stored" and clip["flac"] == flac_bytes(closed.clip)
    assert (clip["size_bytes"], clip["length_samples"]) == (len(clip["flac"]), 16_000)
    (why,) = rows(settings.url, evidence)
    assert json.loads(why["trace"]) == [[34_048, None], [36_096, -4.5]]
    assert json.loads(why["neighbours"]) == [
        {"id": "ref-1", "label": "spoof", "system": "tts-7", "similarity": 0.83}
    ]
    assert rows(settings.url, gaps) == [
        {"stream_id": info.id, "start_samples": 47_104, "end_samples": 50_000, "cause": "overrun"}
    ]
    seconds = rows(settings.url, timeline)
    assert [(row["second"], row["llr"]) for row in seconds] == [(0, 4.0), (1, 11.5), (2, 19.5)]


def test_an_alert_is_in_the_database_while_it_is_open(settings):
    with Journal(settings, stream_info()) as journal:
        opened = alert()
        journal.write(opened)
        until(lambda: journal.queue_depths() == {"spool": 0})
        (kept,) = rows(settings.url, alerts)
        assert (kept["state"], kept["ended_utc"]) == ("open", None)
        assert stored_clip(settings, kept["clip_sha256"])["flac"] == flac_bytes(opened.clip)
        journal.write(alert(AlertState.CLOSE, of=opened, seed=1))
        until(lambda: journal.queue_depths() == {"spool": 0})
        assert [row["state"] for row in rows(settings.url, alerts)] == ["close"]
        assert len(rows(settings.url, clips)) == 1


def test_equal_clips_are_kept_once_and_not_lost_with_one_of_their_alerts(settings):
    with Journal(settings, stream_info()) as journal:
        first, second = alert(seed=5), alert(seed=5)
        closed = (
            alert(AlertState.CLOSE, of=first, seed=6),
            alert(AlertState.CLOSE, of=second, seed=5),
        )
        for event in (first, second, *closed):
            journal.write(event)
            until(lambda: journal.queue_depths() == {"spool": 0})
    named = {row["clip_sha256"] for row in rows(settings.url, alerts)}
    assert {row["sha256"] for row in rows(settings.url, clips)} == named and len(named) == 2


def hear_an_alert(settings, info, opened):
    journal = Journal(settings, info).__enter__()
    journal.write(opened)
    until(lambda: journal.stats()["spool_entries"] == 0)


def test_what_a_killed_daemon_left_open_is_interrupted_once(settings, killed_after):
    info, opened = stream_info(), alert()
    killed_after(hear_an_alert, settings, info, opened)
    assert [row["state"] for row in rows(settings.url, alerts)] == ["open"]
    with Journal(settings, stream_info()) as journal:
        (told,) = journal.recovered
        journal.write(told)
        until(lambda: journal.queue_depths() == {"spool": 0})
    assert replace(told, clip=None) == replace(opened, state=AlertState.INTERRUPTED, clip=None)
    assert np.allclose(told.clip, opened.clip, atol=2**-16)
    (kept,) = rows(settings.url, alerts)
    assert (kept["state"], kept["ended_utc"], kept["clip_sha256"]) == (
        "interrupted",
        None,
        clip_sha256(opened.clip),
    )
    assert {row["id"]: row["state"] for row in rows(settings.url, streams)}[
        info.id
    ] == "interrupted"
    with Journal(settings, stream_info()) as journal:
        assert journal.recovered == ()


def test_a_database_that_is_away_at_the_start_costs_nothing(mariadb, mariadb_url, tmp_path):
    settings = storage_settings(mariadb_url, tmp_path / "spool")
    opened = alert()
    mariadb.stop()
    try:
        with Journal(settings, stream_info()) as journal:
            assert "cannot be used now" in journal.problem
            journal.write(opened)
            journal.write(alert(AlertState.CLOSE, of=opened))
        assert journal.stats()["spool_entries"] == 2 and journal.stats()["delivered"] == 0
    finally:
        mariadb.start()
    with Journal(settings, stream_info()) as journal:
        assert journal.problem is None and journal.recovered == ()
    assert [(row["id"], row["state"]) for row in rows(mariadb_url, alerts)] == [
        (opened.id, "close")
    ]


def test_a_database_that_goes_away_and_comes_back_gets_everything(mariadb, mariadb_url, tmp_path):
    settings = storage_settings(mariadb_url, tmp_path / "spool")
    heard = [alert(seed=seed) for seed in range(6)]
    with Journal(settings, stream_info()) as journal:
        for opened in heard[:3]:
            journal.write(opened)
        until(lambda: journal.queue_depths() == {"spool": 0})
        mariadb.stop()
        try:
            for opened in heard:
                journal.write(alert(AlertState.CLOSE, of=opened, seed=9))
            assert "cannot be used now" in until(lambda: journal.problem)
        finally:
            mariadb.start()
        until(lambda: journal.queue_depths() == {"spool": 0})
        assert journal.problem is None
    assert {row["id"]: row["state"] for row in rows(mariadb_url, alerts)} == {
        opened.id: "close" for opened in heard
    }


def test_a_database_locked_by_somebody_else_is_waited_for(local):
    with Journal(local, stream_info()) as journal:
        other = sqlite3.connect(local.url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        journal.write(alert())
        assert "locked" in until(lambda: journal.problem)
        other.execute("ROLLBACK")
        other.close()
        until(lambda: journal.queue_depths() == {"spool": 0})
    assert len(rows(local.url, alerts)) == 1


def test_the_wrong_password_ends_the_start_and_frees_the_spool(mariadb, mariadb_url, tmp_path):
    settings = storage_settings(mariadb_url, tmp_path)
    wrong = replace(settings, url=mariadb.url(mariadb_url.rpartition("/")[2], password="geheim"))
    for _ in range(2):
        with pytest.raises(StorageError, match="check user name and password"):
            Journal(wrong, stream_info()).__enter__()
    with Journal(settings, stream_info()):
        pass
    assert len(rows(mariadb_url, streams)) == 1


def test_two_daemons_on_one_spool_are_one_too_many(local):
    with Journal(local, stream_info()) as first:
        with pytest.raises(StorageError, match="in use by process"):
            Journal(local, stream_info()).__enter__()
        first.write(alert())
    assert len(rows(local.url, alerts)) == 1


def test_two_daemons_with_a_spool_each_share_a_database(settings, tmp_path):
    other = replace(settings, spool=str(tmp_path / "other"))
    with Journal(settings, stream_info()) as one, Journal(other, stream_info()) as two:
        for seed in range(10):
            one.write(alert(seed=seed))
            two.write(alert(seed=seed))
    assert one.problem is None and two.problem is None
    assert (len(rows(settings.url, alerts)), len(rows(settings.url, clips))) == (20, 10)


def test_beyond_the_quota_the_oldest_unreviewed_clips_go_and_their_rows_stay(settings):
    tight = replace(settings, clip_quota_mb=1)
    heard = [alert(AlertState.CLOSE, seed=seed, length=180_000) for seed in range(5)]
    with Journal(tight, stream_info()) as journal:
        for number, closed in enumerate(heard):
            journal.write(closed)
            until(lambda: journal.queue_depths() == {"spool": 0})
            if number == 0:
                review(tight.url, closed.id, "fake")
    state = {row["sha256"]: (row["state"], row["flac"] is None) for row in rows(tight.url, clips)}
    assert [state[clip_sha256(closed.clip)] for closed in heard] == [
        ("stored", False),
        ("evicted", True),
        ("evicted", True),
        ("stored", False),
        ("stored", False),
    ]
    kept = sum(row["size_bytes"] for row in rows(tight.url, clips) if row["state"] == "stored")
    assert kept <= 1_000_000 and len(rows(tight.url, alerts)) == 5
    assert journal.stats()["clips_evicted"] == sum(evicted for _, evicted in state.values())


def review(url, alert_id, label):
    database = Database(url)
    with database.transaction() as connection:
        connection.execute(alerts.update().where(alerts.c.id == alert_id).values(review=label))
    database.close()


def test_a_second_version_leaves_the_review_alone(settings):
    with Journal(settings, stream_info()) as journal:
        opened = alert()
        journal.write(opened)
        until(lambda: journal.queue_depths() == {"spool": 0})
        review(settings.url, opened.id, "fake")
        journal.write(alert(AlertState.CLOSE, of=opened))
    assert [(row["state"], row["review"]) for row in rows(settings.url, alerts)] == [
        ("close", "fake")
    ]


def test_an_alert_whose_clip_was_given_up_says_so_and_keeps_an_earlier_clip(local):
    small = replace(local, spool_quota_mb=1)
    with Journal(small, stream_info()) as journal:
        opened = alert(length=8_000)
        journal.write(opened)
        until(lambda: journal.queue_depths() == {"spool": 0})
        journal.write(alert(AlertState.CLOSE, of=opened, length=900_000))
        huge = alert(AlertState.CLOSE, length=900_000)
        journal.write(huge)
    assert journal.stats()["clips_dropped"] >= 2 and journal.problem is None
    kept = {row["id"]: row for row in rows(small.url, alerts)}
    assert kept[opened.id]["state"] == "close"
    assert stored_clip(small, kept[opened.id]["clip_sha256"])["flac"] == flac_bytes(opened.clip)
    gone = stored_clip(small, kept[huge.id]["clip_sha256"])
    assert (gone["state"], gone["flac"], gone["length_samples"]) == ("evicted", None, 900_000)


def test_rows_that_the_database_refuses_do_not_hold_up_the_rest(settings):
    with Journal(settings, stream_info()) as journal:
        journal.write(alert(gaps=None))
        journal.write(alert(seed=1))
    assert journal.stats()["refused"] == 1 and "rejects rows" in journal.problem
    assert len(rows(settings.url, alerts)) == 1


@pytest.mark.parametrize(
    "record", [{}, {"id": 1, "colour": "red"}, {"id": 2**80}, {"started_utc": "yesterday"}]
)
def test_an_entry_that_fits_no_table_is_set_aside(settings, record):
    with Spool(settings.spool_directory, 1_000_000) as spool:
        spool.put(EntryKind.STREAM, record)
    with Journal(settings, stream_info()) as journal:
        pass
    assert journal.stats()["refused"] == 1 and journal.problem
    assert len(rows(settings.url, streams)) == 1


def test_a_spool_that_vanished_is_counted_and_told_and_listening_goes_on(local, tmp_path):
    with Journal(local, stream_info()) as journal:
        until(lambda: journal.queue_depths() == {"spool": 0})
        (tmp_path / "spool").rename(tmp_path / "elsewhere")
        journal.write(alert())
        assert "took no more: No such file or directory" in journal.problem
        assert journal.stats()["alerts_lost"] == 1
        (tmp_path / "elsewhere").rename(tmp_path / "spool")
        journal.write(alert())
        assert journal.problem is None


HOSTILE = st.text(max_size=50) | st.sampled_from(
    [
        "'; DROP TABLE alerts; --",
        '"\\%_`',
        "<script>alert(1)</script>",
        "\U0001f399\ufe0f\u202e",
        "a\0b",
        "\udce4",
        "\U0001f399" * 20_000,
    ]
)


@within(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(names=st.tuples(HOSTILE, HOSTILE, HOSTILE, HOSTILE))
def test_any_text_is_kept_as_it_is_or_cut(settings, names):
    source, device, cause, system = names
    info = stream_info(source=source, device=device)
    opened = alert(AlertState.CLOSE, neighbours=(Neighbour(system, "spoof", system, 0.5),))
    with Journal(settings, info) as journal:
        journal.write(Gap(1, 2, cause))
        journal.write(opened)
    assert journal.problem is None
    stream = next(row for row in rows(settings.url, streams) if row["id"] == info.id)
    gap = next(row for row in rows(settings.url, gaps) if row["stream_id"] == info.id)
    expected = [
        name.encode("utf-8", "backslashreplace").decode()[:10_000]
        for name in (source, device, cause)
    ]
    assert [stream["source"], stream["device"], gap["cause"]] == expected
    why = next(row for row in rows(settings.url, evidence) if row["alert_id"] == opened.id)
    assert json.loads(why["neighbours"])[0]["system"] == system


def test_what_is_no_number_is_stored_as_none(settings):
    with Journal(settings, stream_info()) as journal:
        journal.write(
            alert(AlertState.CLOSE, min_llr=float("-inf"), trace=((2_048, float("nan")),))
        )
        journal.write(score(2_048, llr=None, verdict=Verdict.NO_SPEECH, level_dbfs=-120.0))
    assert rows(settings.url, alerts)[0]["min_llr"] is None
    assert json.loads(rows(settings.url, evidence)[0]["trace"]) == [[2_048, None]]
    assert [(row["llr"], row["verdict"]) for row in rows(settings.url, timeline)] == [
        (None, "no_speech")
    ]


@given(
    st.lists(
        st.tuples(st.sampled_from(Verdict), st.none() | st.floats(-20, 20), st.floats(-120, 0)),
        max_size=60,
    )
)
def test_the_timeline_has_one_row_for_each_second_that_was_heard(heard):
    line = Timeline()
    for hop, (verdict, llr, level_dbfs) in enumerate(heard, 1):
        line.push(score(hop * 2_048, llr, verdict, level_dbfs))
    made = line.take(to_the_end=True)
    assert [row["second"] for row in made] == list(range(-(-len(heard) * 2_048 // 16_000)))
    assert len(line) == 0 and line.take(to_the_end=True) == []
    for row in made:
        inside = [
            h for hop, h in enumerate(heard, 1) if (hop * 2_048 - 1) // 16_000 == row["second"]
        ]
        llrs = [llr for _, llr, _ in inside if llr is not None]
        assert row["llr"] == (pytest.approx(sum(llrs) / len(llrs)) if llrs else None)
        assert row["verdict"] in {verdict.value for verdict, _, _ in inside}
        levels = [level for _, _, level in inside]
        assert min(levels) - 1e-6 <= row["level_dbfs"] <= max(levels) + 1e-6


def test_the_gravest_verdict_of_a_second_is_the_one_that_is_kept():
    line = Timeline()
    for hop, verdict in enumerate(
        [Verdict.NO_SPEECH, Verdict.BONAFIDE, Verdict.SPOOF, Verdict.SUSPECT], 1
    ):
        line.push(score(hop * 2_048, verdict=verdict))
    assert line.take(to_the_end=True)[0]["verdict"] == "spoof"


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"url": "mysql://a:geheim@b/c"}, "^url = "),
        ({"clip_quota_mb": -1}, "^clip_quota_mb = -1"),
        ({"spool_quota_mb": 0}, "^spool_quota_mb = 0"),
        ({"flush_s": -0.5}, "^flush_s = -0.5"),
    ],
)
def test_impossible_settings_are_refused_by_name(local, changes, words):
    with pytest.raises(ConfigError, match=words):
        replace(local, **changes)


@pytest.mark.parametrize(
    "url, spool, directory",
    [
        ("sqlite:////data/radd.db", "", "/data/radd-spool"),
        ("sqlite:///radd.db", "", "radd-spool"),
        ("sqlite:///radd.db", "/var/spool/radd", "/var/spool/radd"),
        ("mysql+mysqlconnector://a:b@c/d", "", "radd-spool"),
    ],
)
def test_the_spool_lies_beside_the_database_unless_configured(url, spool, directory):
    assert str(storage_settings(url, spool).spool_directory) == directory


@pytest.fixture
def small_packets(mariadb):
    """The server takes 64 KiB at once."""
    ((usual,),) = mariadb.execute("SELECT @@global.max_allowed_packet")
    mariadb.execute("SET GLOBAL max_allowed_packet = 65536")
    yield 65_536
    mariadb.execute(f"SET GLOBAL max_allowed_packet = {usual}")


def test_a_clip_larger_than_the_server_takes_is_set_aside_and_the_rest_delivered(
    small_packets, mariadb, mariadb_url, tmp_path
):
    settings = storage_settings(mariadb_url, tmp_path / "spool")
    large, small = alert(AlertState.CLOSE, length=160_000), alert(AlertState.CLOSE, seed=1)
    with Journal(settings, stream_info()) as journal:
        journal.write(large)
        journal.write(small)
    assert [row["id"] for row in rows(mariadb_url, alerts)] == [small.id]
    assert journal.stats()["refused"] == 1
    assert "65536 bytes at once (its max_allowed_packet)" in journal.problem
    mariadb.execute("SET GLOBAL max_allowed_packet = 16777216")
    with Journal(settings, stream_info()) as journal:
        pass
    assert journal.problem is None and len(rows(mariadb_url, alerts)) == 2


def test_many_rows_that_exceed_the_limit_together_are_sent_in_parts(
    small_packets, mariadb_url, tmp_path
):
    info, cause = stream_info(), "overrun " * 1_000
    with Journal(storage_settings(mariadb_url, tmp_path / "spool"), info):
        pass
    many = [{"stream_id": info.id} | gap_record(Gap(k, k + 1, cause)) for k in range(20)]
    database = Database(mariadb_url)
    with database.transaction() as connection:
        upsert(connection, gaps, many)
    database.close()
    assert [row["cause"] for row in rows(mariadb_url, gaps)] == [cause] * 20


@given(st.binary(max_size=2_000))
def test_the_size_of_a_value_in_a_statement_is_never_underestimated(value):
    assert len(b"_binary'" + MySQLConverter.escape(value) + b"'") <= _value_bytes(value)


def test_what_a_full_spool_costs_is_told_with_the_id_of_each_alert(mariadb, mariadb_url, tmp_path):
    settings = storage_settings(mariadb_url, tmp_path / "spool", spool_quota_mb=1, flush_s=0)
    info = stream_info()
    heard = [alert(AlertState.CLOSE, seed=seed, length=180_000) for seed in range(5)]
    mariadb.stop()
    try:
        with Journal(settings, info) as journal:
            for closed in heard:
                journal.write(closed)
            told = journal.take_losses()
            assert journal.take_losses() == []
        kept = sum(path.stat().st_size > 100_000 for path in (tmp_path / "spool").glob("*-alert"))
    finally:
        mariadb.start()
    assert [(stream, lost.what, lost.id) for stream, lost in told] == [
        (info.id, "sound", closed.id) for closed in heard[: len(told)]
    ]
    assert len(told) == len(heard) - kept == journal.stats()["clips_dropped"] > 0
    assert all("quota is used up" in lost.cause for _, lost in told)


def test_an_alert_that_is_lost_as_a_whole_is_told_with_its_id(local, tmp_path):
    with Journal(local, stream_info()) as journal:
        until(lambda: journal.queue_depths() == {"spool": 0})
        (tmp_path / "spool").rename(tmp_path / "elsewhere")
        opened = alert()
        journal.write(opened)
        ((_, lost),) = journal.take_losses()
        (tmp_path / "elsewhere").rename(tmp_path / "spool")
    assert (lost.what, lost.id, lost.cause) == ("alert", opened.id, "No such file or directory")


def test_an_interrupted_alert_is_told_once_while_the_database_is_away(
    mariadb, mariadb_url, tmp_path, killed_after
):
    settings = storage_settings(mariadb_url, tmp_path / "spool", flush_s=0)
    opened = alert()
    mariadb.stop()
    try:
        killed_after(hear_an_alert_unstored, settings, opened)
        told = []
        for _ in range(3):
            with Journal(settings, stream_info()) as journal:
                for one in journal.recovered:
                    told.append(one.id)
                    journal.write(one)
    finally:
        mariadb.start()
    assert told == [opened.id]
    with Journal(storage_settings(mariadb_url, tmp_path / "spool"), stream_info()) as journal:
        assert journal.recovered == ()
    (kept,) = rows(mariadb_url, alerts)
    assert (kept["id"], kept["state"], kept["clip_sha256"]) == (
        opened.id,
        "interrupted",
        clip_sha256(opened.clip),
    )
    assert stored_clip(settings, kept["clip_sha256"])["flac"] == flac_bytes(opened.clip)


def hear_an_alert_unstored(settings, opened):
    Journal(settings, stream_info()).__enter__().write(opened)


@pytest.mark.parametrize(
    "record",
    [
        {},
        [],
        {"alert": []},
        {"alert": {"id": "x", "state": "open"}},
        {"alert": {"id": str(uuid.UUID(int=1)), "state": "open", "began_samples": "long ago"}},
    ],
)
def test_an_open_alert_in_another_versions_shape_stops_no_start(settings, record, caplog):
    with Spool(settings.spool_directory, 1_000_000) as spool:
        spool.put(EntryKind.ALERT, record, b"sound", live=True)
    with Journal(settings, stream_info()) as journal:
        assert journal.recovered == ()
        journal.write(alert())
    assert journal.stats()["refused"] == 1 and "does not match" in journal.problem
    assert len(rows(settings.url, alerts)) == 1
    assert "another version of this program" in caplog.text


def test_the_verdicts_of_seconds_go_after_their_days_and_the_alerts_stay(settings):
    day, now = timedelta(days=1), datetime.now(UTC)
    old, young = stream_info(started=now - 40 * day), stream_info(started=now - 1 * day)
    long = stream_info(started=now - 31 * day)
    with Journal(settings, old, young, long) as journal:
        for info in (old, young, long):
            journal.write(score(2_048), info.id)
            journal.write(Gap(2_048, 4_096, "overrun"), info.id)
        two_days = 2 * 86_400 * 16_000
        journal.write(score(two_days), long.id)
        journal.write(Gap(two_days, two_days + 1, "overrun"), long.id)
        journal.write(alert(AlertState.CLOSE), old.id)
    with Journal(replace(settings, keep_days_timeline=30), stream_info()) as journal:
        pass
    left = {(row["stream_id"], row["second"]) for row in rows(settings.url, timeline)}
    assert left == {(young.id, 0), (long.id, 2 * 86_400 - 1)}
    assert {(row["stream_id"], row["start_samples"]) for row in rows(settings.url, gaps)} == {
        (young.id, 2_048),
        (long.id, two_days),
    }
    assert len(rows(settings.url, alerts)) == 1 and len(rows(settings.url, streams)) == 4


def test_sound_that_was_given_up_while_it_went_on_and_came_at_the_end_is_no_loss(local):
    with Journal(replace(local, spool_quota_mb=1), stream_info()) as journal:
        opened = alert(length=900_000)
        journal.write(opened)
        assert journal.stats()["clips_dropped"] == 1 and journal.take_losses() == []
        journal.write(alert(AlertState.CLOSE, of=opened))
        assert journal.take_losses() == []
    assert [row["state"] for row in rows(local.url, clips) if row["flac"]] == ["stored"]
