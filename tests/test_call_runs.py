"""Calls inside a run: their events, rows, commands of operators, and what is left of them."""

import asyncio
import gc
import json
import threading
import uuid
from collections import Counter
from contextlib import contextmanager
from datetime import datetime, timedelta

import jsonschema
import numpy as np
import pytest
import sqlalchemy as sa
import websockets
from fixtures_calls import SETTINGS, listening, sending, texts, twilio_messages
from fixtures_console import REVIEWER, VIEWER
from fixtures_detector import BrightnessDetector, monitor
from fixtures_house import ROOT
from fixtures_patience import PATIENCE_S
from fixtures_rtp import bye, packets, send
from fixtures_storage import rows, until

from notify.metrics import DaemonMetrics
from notify.settings import MetricsSettings
from notify.watched_journal import WatchedJournal
from radd.prometheus import generate_latest, text_string_to_metric_families
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ, AudioChunk, Gap, Score
from storage import tables
from storage.commands import GivenCommands, give
from storage.database import Database
from storage.journal import Journal
from storage.records import StreamInfo
from storage.retention import Retention
from stream.command_poll import CommandPoll
from stream.ending import Ending
from stream.engine import EngineSettings
from stream.event_journal import NoJournal
from stream.json_lines import JsonLines
from stream.pause import Pause
from stream.run_changes import NoCommands, RunChanges
from stream.run_events import Started, Stopped
from stream.run_stream import Stream
from stream.runtime import Run, RunSettings

ENGINE = EngineSettings(streams_at_once=8, late_ms=0)
TONE = (np.sin(np.arange(16_000) * 0.3) * 8_000).astype("<i2")
PACKAGES = ("radd.", "stream.", "storage.", "notify.")
SCHEMA = json.loads((ROOT / "docs/events.schema.json").read_text("utf-8"))


class Kept:
    """A display in memory that can be waited for."""

    closed = False

    def __init__(self):
        self.told, self._come = [], threading.Condition()

    def write(self, event, stream=None):
        with self._come:
            self.told.append((stream, event))
            self._come.notify_all()

    def of(self, *kinds):
        return [event for _, event in self.told if isinstance(event, kinds)]

    def until(self, condition):
        with self._come:
            assert self._come.wait_for(lambda: condition(self), PATIENCE_S)


class Lines(JsonLines):
    """The lines of --json, as objects."""

    def __init__(self):
        super().__init__(None)
        self.objects = []

    def print(self, line):
        self.objects.append(json.loads(line))


class Entered:
    """The Arrivals of a server that listens already."""

    def __init__(self, server):
        self._server = server
        self.take, self.notify, self.close = server.take, server.notify, server.close

    open = property(lambda self: self._server.open)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass


@contextmanager
def running(calls, open_journal=NoJournal, commands=None):
    """A run that judges what `calls` brings."""
    calls.server.notify(lambda: None)  # from now on the run takes them
    detector, display, lines, ending = BrightnessDetector(), Kept(), Lines(), Ending()

    def newcomer(source, journal):
        id = str(uuid.uuid4())
        if isinstance(journal, Journal | WatchedJournal):
            begun = datetime.now().astimezone()
            info = (id, source.name, None, source.native_rate_hz, "here", "b 1", "c" * 64, begun)
            journal.begin(StreamInfo(*info, call=source.call))
        return Stream(id, source, monitor(detector, id))

    class Both(Kept):
        def write(self, event, stream=None):
            lines.write(event, stream)
            display.write(event, stream)

    changes = RunChanges(
        arrivals=Entered(calls.server), newcomer=newcomer, commands=commands or NoCommands()
    )
    run = Run([], detector, open_journal, Both(), ending, RunSettings(ENGINE), changes)
    thread = threading.Thread(target=run.listen)
    thread.start()
    display.lines, display.run = lines, run
    try:
        yield display
    finally:
        ending.ask("sigterm")
        thread.join(PATIENCE_S)


async def call(url, *messages):
    async with websockets.connect(url) as connection:
        for one in messages:
            await connection.send(one)
        await connection.wait_closed()


def test_calls_come_and_go_and_nothing_of_them_stays():
    with listening("twilio://127.0.0.1:0/calls") as calls, running(calls) as display:
        before = threading.active_count()
        for number in range(5):
            messages = twilio_messages(TONE, f"CA{number}", ("inbound", "outbound"))
            sending(call(calls.url, *texts(messages)))
        display.until(lambda told: len(told.of(Stopped)) == 10)
        run = display.run
        assert not run.running and not run.untold and not run.ending.sources
        assert not run.inlet._readers and not calls.admission._places
        for thread in threading.enumerate():
            if thread.name.startswith("source "):
                thread.join(PATIENCE_S)
        assert threading.active_count() <= before
    for started, stopped in zip(display.of(Started), display.of(Stopped), strict=True):
        assert started.call.track in ("inbound", "outbound") and stopped.reason == "end"
        assert stopped.totals["sound_s"] == 2.0 and stopped.totals["gaps"] == 0
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for one in display.lines.objects:
        validator.validate(one)
        assert one["call"].startswith("CA") and one["track"] and one["stream"]
    assert not display.lines._calls


def objects():
    """How many objects of each class of this project are alive."""
    gc.collect()
    ours = [type(one) for one in gc.get_objects() if str(type(one).__module__).startswith(PACKAGES)]
    return Counter(f"{each.__module__}.{each.__qualname__}" for each in ours)


def series(metrics):
    """Names and labels of all that a scrape says."""
    found = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {(each.name, *each.labels.items()) for family in found for each in family.samples}


def call_by(scheme, calls, number):
    """One call of a second, to its end."""
    if scheme == "twilio":
        both = twilio_messages(TONE[:8_000], f"CA{number}", ("inbound", "outbound"))
        sending(call(calls.url, *texts(both)))
    elif scheme == "ws":
        close = '{"type": "close"}'
        sending(call(f"{calls.url}?call={number}&channels=2", TONE.tobytes(), close))
    else:
        send(calls.listener.port, [*packets(TONE[:8_000] / 32_768, "pcmu"), bye()])


@pytest.mark.parametrize(("scheme", "tracks"), [("twilio", 2), ("ws", 2), ("rtp", 1)])
def test_calls_leave_neither_objects_nor_metrics_behind(scheme, tracks, local):
    journal = Journal(local)
    metrics = DaemonMetrics(MetricsSettings("127.0.0.1:0"), journal.stats, None)
    url = "rtp://127.0.0.1:0" if scheme == "rtp" else f"{scheme}://127.0.0.1:0/calls"
    with (
        listening(url) as calls,
        running(calls, lambda: WatchedJournal(journal, [metrics], [], lambda id: {})) as display,
    ):

        def come_and_go(first, count):
            for number in range(first, first + count):
                call_by(scheme, calls, number)
                display.until(lambda told: len(told.of(Stopped)) == tracks)
                display.told.clear()
            until(lambda: len(journal._books) == 1)  # the last one stays until the next begins
            for thread in threading.enumerate():
                if thread.name.startswith(("source ", "decoder ")):
                    thread.join(PATIENCE_S)
            if scheme != "rtp":
                calls.settle()
            until(lambda: not journal.stats()["spool_entries"])
            return objects(), series(metrics)

        before = come_and_go(0, 3)
        come_and_go(3, 12)
        until(lambda: (objects(), series(metrics)) == before)
    assert before[0]["stream.runtime.Run"] == 1 and ("radd_detect_streams",) in before[1]


def test_the_row_of_a_call_says_whose_it_is_and_details_go_with_the_clips(settings):
    with (
        listening("twilio://127.0.0.1:0/calls", keep="from") as calls,
        running(calls, lambda: Journal(settings)) as display,
    ):
        parameters = {"from": "+44", "to": "+33"}
        sending(call(calls.url, *texts(twilio_messages(TONE, parameters=parameters))))
        display.until(lambda told: told.of(Stopped))
    (row,) = rows(settings.url, tables.streams)
    assert (row["call_id"], row["track"], row["state"]) == ("CA1", "inbound", "ended")
    assert json.loads(row["call_details"]) == {"from": "+44"}
    database = Database(settings.url)
    for days, left in ((0, {"from": "+44"}), (8, {"from": "+44"}), (6, None)):
        with database.transaction() as connection:
            earlier = row["ended_utc"] - timedelta(days=7)
            connection.execute(tables.streams.update().values(ended_utc=earlier))
            Retention(1, days, days, 0, 0).forget_calls(connection)
            kept = connection.scalar(sa.select(tables.streams.c.call_details))
        assert (kept and json.loads(kept)) == left
    database.close()


def test_an_operator_pauses_resumes_and_stops_a_stream(local):
    async def talk(url):
        async with websockets.connect(url) as connection:

            async def speak():
                while True:
                    await connection.send(TONE[:320].tobytes())
                    await asyncio.sleep(0.005)

            speaking = asyncio.create_task(speak())
            await asyncio.to_thread(operate)
            speaking.cancel()
            await connection.wait_closed()
            return connection.close_reason

    def operate():
        display.until(lambda told: len(told.of(Score)) > 4)
        stream = display.told[0][0]
        database = Database(local.url)
        display.until(lambda told: rows(local.url, tables.streams))
        give(database, stream, "pause", "ann")
        display.until(lambda told: told.of(Gap))
        scores = len([s for s in display.of(Score) if s.llr is not None])
        display.until(lambda told: len(told.of(Gap)) > 2)
        assert len([s for s in display.of(Score) if s.llr is not None]) == scores
        give(database, stream, "resume", "ann")
        display.until(lambda told: len([s for s in told.of(Score) if s.llr is not None]) > scores)
        give(database, stream, "stop", "ann")
        display.until(lambda told: told.of(Stopped))
        database.close()

    commands = CommandPoll(GivenCommands(local.url), SETTINGS.commands_s)
    with (
        listening("ws://127.0.0.1:0/calls") as calls,
        running(calls, lambda: Journal(local), commands) as display,
    ):
        assert sending(talk(f"{calls.url}?call=A1")) == "the call was stopped here"
    (stopped,) = display.of(Stopped)
    assert stopped.reason == "stopped"
    assert {gap.cause for gap in display.of(Gap)} == {"paused by ann"}
    given = [row for row in rows(local.url, tables.stream_commands) if row["done_utc"]]
    assert {row["action"] for row in given} == {"pause", "resume", "stop"}


def test_a_pause_drops_what_is_said_and_reports_it_every_second():
    pause, told = Pause("paused by ann"), []
    for number in range(20):
        chunk = AudioChunk(np.ones(HOP_SAMPLES, np.float32), number * HOP_SAMPLES)
        if (heard := pause.applied(chunk)) is not None:
            told.append(heard)
    assert all(not len(chunk.samples) and chunk.cause == "paused by ann" for chunk in told)
    assert 2 <= len(told) <= 20 * HOP_SAMPLES / SAMPLE_RATE_HZ + 1
    pause.over = True
    assert len(pause.applied(chunk).samples) == HOP_SAMPLES


@pytest.mark.parametrize(
    ("token", "state", "action", "status"),
    [
        (REVIEWER, "running", "pause", 202),
        (VIEWER, "running", "pause", 403),
        (REVIEWER, "ended", "stop", 409),
        (REVIEWER, None, "resume", 404),
        (REVIEWER, "running", "shout", 422),
    ],
)
def test_the_console_takes_commands_of_reviewers(console, tmp_path, token, state, action, status):
    url = f"sqlite:///{tmp_path}/console.db"
    client = console(url, viewer_token=VIEWER, reviewer_token=REVIEWER, reviewers="")
    stream = str(uuid.uuid4())
    if state is not None:
        row = {"id": stream, "state": state, "source": "ws A1 1", "native_rate_hz": 8_000}
        row |= {"host": "here", "bundle": "b 1", "config_hash": "c" * 64}
        database = Database(url)
        with database.transaction() as connection:
            began = {"started_utc": datetime(2026, 3, 1)}
            connection.execute(tables.streams.insert().values(row | began))
        database.close()
    answer = client.post(
        f"/v1/streams/{stream}/{action}", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == status, answer.text
    waiting = GivenCommands(url).waiting([stream])
    assert [one.by for one in waiting] == (["reviewer"] if status == 202 else [])
