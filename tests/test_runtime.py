"""The loop: order of the end, duration, stats, signals, systemd, exit codes. Sound comes from an
array.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator

import numpy as np
import pytest
from fixtures_house import ROOT

from app.exit import exit_code
from radd.errors import AudioError, ConfigError, DeviceError, ModelError, StorageError
from radd.types import (
    HOP_SAMPLES,
    SAMPLE_RATE_HZ,
    Alert,
    AlertState,
    AudioChunk,
    Detector,
    Gap,
    Judgement,
    Score,
)
from stream.alerts import AlertSettings
from stream.decision import DecisionSettings
from stream.ending import Ending
from stream.engine import EngineSettings
from stream.event_journal import NoJournal
from stream.json_lines import JsonLines
from stream.monitor import Monitor
from stream.multiplexer import AHEAD_SAMPLES
from stream.run_counts import resident_mb
from stream.run_events import Started, Stats, Stopped
from stream.run_stream import Stream
from stream.runtime import Run, RunSettings
from stream.service import Service

DECISION = DecisionSettings(
    prior=0.5,
    suspect_p=0.5,
    spoof_p=0.9,
    open_evidence=4.0,
    drift_llr=0.5,
    max_llr=6.0,
    close_bonafide_s=1.0,
    close_silence_s=10.0,
    refractory_s=1.0,
)
ENGINE = EngineSettings(streams_at_once=8, late_ms=400)
ALERTS = AlertSettings(pre_roll_s=1.0, max_clip_s=20.0, neighbours=3)


class LoudIsFake(Detector):
    """A detector without weights: loud hops are synthetic, quiet ones a person's."""

    name = "loud-is-fake 1"

    def start(self) -> object:
        return None

    def push(self, state: object, samples: np.ndarray) -> list[Judgement]:
        levels = np.abs(samples.reshape(-1, HOP_SAMPLES)).mean(axis=1)
        llrs = [-5.0 if level > 0.5 else 5.0 for level in levels]
        return [Judgement(llr, None, None, (), HOP_SAMPLES, 0.1, -20.0) for llr in llrs]


class ArraySource:
    """Plays chunks that are there already; `at_chunk` is called before each, with its number."""

    name, native_rate_hz, native_channels = "array", 48_000, 2

    def __init__(self, chunks: list[AudioChunk], at_chunk=lambda number: None):
        self.chunks, self.at_chunk = chunks, at_chunk
        self.told, self.stopped, self.is_open = 0, False, False

    def __enter__(self) -> "ArraySource":
        self.is_open = True
        return self

    def __exit__(self, *exc) -> None:
        self.is_open = False

    def __iter__(self) -> Iterator[AudioChunk]:
        for chunk in self.chunks:
            self.at_chunk(self.told)
            if self.stopped:
                return
            self.told += 1
            yield chunk

    def stop(self) -> None:
        self.stopped = True

    def stats(self) -> dict[str, int | float]:
        return {"chunks": self.told, "drops": 0, "overruns": 0, "queue_depth": 0}


class Kept(NoJournal):
    """A journal in memory that notes what happened in which order."""

    def __init__(self, order: list, recovered: tuple[Alert, ...] = ()):
        self.order, self.recovered = order, recovered

    def __exit__(self, *exc) -> None:
        self.order.append("journal closed")

    def write(self, event, stream=None) -> None:
        self.order.append(("kept", event))

    def stats(self) -> dict[str, int]:
        return {"spool_entries": 3}


class Shown:
    """A display in memory, noting into the same list."""

    closed = False

    def __init__(self, order: list):
        self.order = order

    def __enter__(self) -> "Shown":
        return self

    def __exit__(self, *exc) -> None:
        pass

    def write(self, event, stream=None) -> None:
        self.order.append(("shown", event))


def sound(
    level: float, hops: int, start_hops: int = 0, cause: str | None = None
) -> list[AudioChunk]:
    hop = np.full(HOP_SAMPLES, level, np.float32)
    chunks = [AudioChunk(hop, (start_hops + i) * HOP_SAMPLES) for i in range(hops)]
    return chunks[:0] if not hops else [AudioChunk(hop, chunks[0].start, cause), *chunks[1:]]


def listen(
    source: ArraySource, recovered=(), duration_samples=None, ending=None, display=None
) -> list:
    order = []
    ending = ending or Ending()
    detector, stream_id = LoudIsFake(), str(uuid.UUID(int=3))
    stream = Stream(stream_id, source, Monitor(detector, DECISION, ALERTS, stream_id))
    run = Run(
        [stream],
        detector,
        lambda: Kept(order, recovered),
        display or Shown(order),
        ending,
        RunSettings(ENGINE, duration_samples),
    )
    with ending:
        try:
            run.listen()
        except Exception as error:
            order.append(error)
    return order


def shown(order: list, kind: type) -> list:
    return [
        each[1]
        for each in order
        if isinstance(each, tuple) and each[0] == "shown" and isinstance(each[1], kind)
    ]


def test_a_run_starts_scores_and_stops_with_totals():
    order = listen(ArraySource(sound(0.1, 20) + sound(0.9, 10, 20) + sound(0.1, 20, 30)))
    (started,), (stopped,) = shown(order, Started), shown(order, Stopped)
    assert (started.source, started.bundle, started.native_rate_hz) == (
        "array",
        "loud-is-fake 1",
        48_000,
    )
    assert len(shown(order, Score)) == 50
    assert [alert.state for alert in shown(order, Alert)] == [AlertState.OPEN, AlertState.CLOSE]
    assert stopped.reason == "end" and stopped.end == 50 * HOP_SAMPLES
    assert (stopped.totals["scores"], stopped.totals["measured"], stopped.totals["alerts"]) == (
        50,
        50,
        1,
    )


def test_every_event_is_kept_before_it_is_shown():
    order = listen(ArraySource(sound(0.9, 8)))
    events = [
        each
        for each in order
        if isinstance(each, tuple) and isinstance(each[1], (Score, Alert, Gap))
    ]
    assert [kind for kind, _ in events] == ["kept", "shown"] * (len(events) // 2)
    assert all(kept is seen for (_, kept), (_, seen) in zip(events[::2], events[1::2], strict=True))


def test_the_last_alert_is_closed_and_the_journal_flushed_before_the_totals():
    order = listen(ArraySource(sound(0.9, 8)))
    closed = next(
        i
        for i, each in enumerate(order)
        if each[0] == "shown" and getattr(each[1], "state", "") == "close"
    )
    assert closed < order.index("journal closed") < len(order) - 1
    assert isinstance(order[-1][1], Stopped)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_in_order(number):
    before = signal.getsignal(number)
    source = ArraySource(
        sound(0.9, 50), lambda told: os.kill(os.getpid(), number) if told == 10 else None
    )
    order = listen(source)
    (stopped,) = shown(order, Stopped)
    assert stopped.reason == number.name.lower() and stopped.totals["scores"] < 50
    assert shown(order, Alert)[-1].state is AlertState.CLOSE and not source.is_open
    assert signal.getsignal(number) is before


def test_a_signal_before_the_source_is_open_ends_without_listening():
    ending = Ending()
    ending.ask("sigterm")
    order = listen(ArraySource(sound(0.9, 5)), ending=ending)
    assert shown(order, Score) == [] and shown(order, Stopped)[0].reason == "sigterm"


@pytest.mark.parametrize(
    "samples", [1, HOP_SAMPLES - 1, HOP_SAMPLES, 5 * HOP_SAMPLES, 5 * HOP_SAMPLES + 7]
)
def test_duration_is_counted_in_samples(samples):
    order = listen(ArraySource(sound(0.1, 30)), duration_samples=samples)
    (stopped,) = shown(order, Stopped)
    assert (stopped.end, stopped.reason) == (samples, "duration")
    assert sum(score.llr is not None for score in shown(order, Score)) == samples // HOP_SAMPLES


def test_a_loss_counts_as_time_and_may_hold_the_end():
    order = listen(
        ArraySource(sound(0.1, 2) + sound(0.1, 2, 100, "unplugged")),
        duration_samples=10 * HOP_SAMPLES,
    )
    assert shown(order, Stopped)[0].end == 10 * HOP_SAMPLES
    assert [gap.end for gap in shown(order, Gap)] == [10 * HOP_SAMPLES]


def test_stats_come_once_a_minute_of_sound():
    order = listen(ArraySource(sound(0.1, 1_500)))
    stats = shown(order, Stats)
    assert [round(each.end / SAMPLE_RATE_HZ) for each in stats] == [60, 120, 180]
    assert (
        stats[0].queue_depths == {"capture": 0, "spool": 3} and 469 <= stats[0].chunks <= 480
    )  # read ahead
    assert 0 < stats[0].real_time_factor < 1 and stats[0].memory_mb > 10


def test_an_alert_that_a_crash_left_open_is_told_after_the_start():
    clip = np.zeros(160, np.float32)
    left = Alert(
        str(uuid.UUID(int=1)), AlertState.INTERRUPTED, 0, 160, 0.9, -2.0, clip, 0, (), (), 0
    )
    order = listen(ArraySource(sound(0.1, 1)), recovered=(left,))
    assert [type(event) for _, event in order[:2]] == [Started, Alert] and order[1][1] is left


def test_an_error_of_the_source_still_closes_the_alert_and_tells_the_totals():
    def fail(told):
        if told == 20:
            raise DeviceError("the microphone is gone")

    order = listen(ArraySource(sound(0.9, 50), fail))
    assert isinstance(order[-1], DeviceError) and shown(order, Stopped)[0].reason == "error"
    assert shown(order, Alert)[-1].state is AlertState.CLOSE and "journal closed" in order


def test_a_hang_up_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Ending():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def failing(name, error, at):
    def fail(told):
        if told == at:
            raise error

    source = ArraySource(sound(0.1, 20), fail)
    source.name = name
    return source


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ([AudioError("a is damaged"), AudioError("it broke"), AudioError("c is damaged")], 0),
        ([AudioError("a is damaged"), AudioError("it broke"), ZeroDivisionError("a bug")], 2),
        ([AudioError("a is damaged"), IndexError("a bug"), AudioError("c is damaged")], 1),
    ],
)
def test_of_several_sources_that_fail_every_error_is_reported_once(errors, raised, caplog):
    detector, order = LoudIsFake(), []
    streams = [
        Stream(
            str(uuid.UUID(int=k)),
            failing("abc"[k], error, 3 + 5 * k),
            Monitor(detector, DECISION, ALERTS, str(uuid.UUID(int=k))),
        )
        for k, error in enumerate(errors)
    ]
    run = Run(streams, detector, lambda: Kept(order), Shown(order), Ending(), RunSettings(ENGINE))
    with pytest.raises(type(errors[raised]), match=str(errors[raised])):
        run.listen()
    for k, error in enumerate(errors):
        told = [r.getMessage() for r in caplog.records if str(error) in r.getMessage()]
        assert len(told) <= 1 and (told or k == raised)
        assert all(one.count(f"{'abc'[k]} ") + one.count(f"{'abc'[k]}: ") <= 2 for one in told)
    assert not any("a: a is" in record.getMessage() for record in caplog.records)


def test_a_reader_that_goes_away_ends_the_run():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out:
        source = ArraySource(sound(0.1, 50))
        order = listen(source, display=JsonLines(out))
    assert source.told <= 1 + AHEAD_SAMPLES // HOP_SAMPLES + 1 and order[-1] == "journal closed"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError, 2),
        (AudioError, 3),
        (DeviceError, 3),
        (ModelError, 4),
        (StorageError, 5),
        (ValueError, 1),
    ],
)
def test_exit_codes_and_a_traceback_for_a_bug_only(error, code, capsys):
    def fail():
        raise error("what was found")

    assert exit_code(fail) == code
    told = capsys.readouterr()
    assert "what was found" in told.err and not told.out
    assert ("Traceback" in told.err) == ("report" in told.err) == (code == 1)


def test_exit_code_of_an_ended_run_is_zero(capsys):
    assert exit_code(lambda: None) == 0
    assert capsys.readouterr() == ("", "")


def test_systemd_hears_of_readiness_the_watchdog_and_the_end(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1000000")
        listen(ArraySource(sound(0.1, 3)))
        systemd.setblocking(False)
        heard = []
        with contextlib.suppress(BlockingIOError):
            while True:
                heard.append(systemd.recv(100).decode().split("\n")[0])
        assert (heard[0], {*heard[1:-1]}, heard[-1]) == ("READY=1", {"WATCHDOG=1"}, "STOPPING=1")


def test_without_systemd_nothing_is_told():
    service = Service({})
    service.ready("x")
    service.alive()
    assert service.interval_s == 0


def test_resident_memory_is_that_of_this_process():
    held = np.ones(8_000_000)
    assert resident_mb() > held.nbytes / 1e6


def test_the_json_of_a_run_can_be_read_line_by_line(tmp_path):
    with open(tmp_path / "out.jsonl", "w") as out:
        listen(ArraySource(sound(0.9, 8)), display=JsonLines(out))
    objects = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [each["type"] for each in objects][0] == "started" and objects[-1]["type"] == "stopped"
    assert [each["t"] for each in objects[1:]] == sorted(each["t"] for each in objects[1:])


ONE_THREAD = """
import os, runpy, sys

class Watch:
    def find_spec(self, name, path, target=None):
        if name == "numpy":
            print(os.environ.get("OPENBLAS_NUM_THREADS"))

sys.meta_path.insert(0, Watch())
sys.path.insert(0, os.getcwd())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(
    "command",
    [
        ["detect.py", "--source", "missing.wav"],
        ["evaluate.py", "metrics", "--scores", "missing"],
        ["train.py", "fit", "--data", "missing"],
    ],
)
@pytest.mark.parametrize("wanted", ["1", "2"])
def test_numpy_takes_one_thread_unless_told_otherwise(command, wanted):
    environment = {
        name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"
    }
    if wanted != "1":
        environment["OPENBLAS_NUM_THREADS"] = wanted
    ended = subprocess.run(
        [sys.executable, "-c", ONE_THREAD, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ended.stdout.splitlines()[:1] == [wanted], ended.stderr
