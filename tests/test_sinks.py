"""Displays: JSON that keeps its schema for any event, plain lines, the live view, and a reader that
goes away.
"""

import io
import json
import os
import uuid
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from radd.errors import StorageError
from radd.flac import clip_sha256
from radd.types import Alert, AlertState, Gap, Neighbour, Score, Verdict
from stream.console_lines import ConsoleLines
from stream.fanout import Fanout
from stream.json_lines import JsonLines
from stream.live_rows import CHART_COLUMNS, Seen
from stream.live_view import LiveView
from stream.run_events import Started, Stats, Stopped

SCHEMA = json.loads((Path(__file__).parent.parent / "docs/events.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
WORDS = st.text(max_size=30)
SAMPLES = st.integers(0, 10**12)
PROBABILITY = st.floats(0, 1)
LABELS = st.sampled_from(["bonafide", "spoof"])
NEIGHBOUR = st.builds(Neighbour, id=WORDS, label=LABELS, system=WORDS, similarity=st.floats(-1, 1))
NEIGHBOURS = st.lists(NEIGHBOUR, max_size=5).map(tuple)
REST = {
    "neighbours": NEIGHBOURS,
    "window_samples": SAMPLES,
    "speech_s": st.floats(0, 4),
    "level_dbfs": st.floats(-120, 3),
    "latency_ms": st.none() | st.floats(0, 1e6),
}
SCORES = st.builds(
    Score,
    end=SAMPLES,
    verdict=st.sampled_from(["bonafide", "suspect", "spoof"]).map(Verdict),
    reason=st.none(),
    llr=st.floats(allow_nan=False, allow_infinity=False),
    p_spoof=PROBABILITY,
    **REST,
) | st.builds(
    Score,
    end=SAMPLES,
    verdict=st.sampled_from(["no_speech", "too_noisy", "gap", "warming_up", "shed"]).map(Verdict),
    reason=WORDS,
    llr=st.none(),
    p_spoof=st.none(),
    **REST,
)
ALERTS = st.builds(
    Alert,
    id=st.uuids().map(str),
    state=st.sampled_from(AlertState),
    began=SAMPLES,
    end=SAMPLES,
    peak_p_spoof=PROBABILITY,
    min_llr=st.floats(-50, 50),
    clip=st.just(np.zeros(160, np.float32)),
    clip_start=SAMPLES,
    trace=st.just(()),
    neighbours=NEIGHBOURS,
    gaps=st.integers(0, 9),
)
GAPS = st.tuples(SAMPLES, SAMPLES, WORDS).map(lambda g: Gap(min(g[:2]), max(g[:2]), g[2]))
TOTALS = {
    "sound_s": 1.5,
    "chunks": 2,
    "scores": 2,
    "measured": 1,
    "alerts": 1,
    "gaps": 0,
    "lost_s": 0.0,
    "drops": 0,
    "overruns": 0,
    "shed_hops": 0,
    "brief_hops": 0,
    "storage": {"delivered": 2, "alerts_lost": 0},
}
NOTICES = st.one_of(
    st.builds(
        Started,
        source=WORDS,
        bundle=WORDS,
        native_rate_hz=st.integers(1, 192_000),
        length_samples=st.none() | SAMPLES,
    ),
    st.builds(
        Stats,
        end=SAMPLES,
        chunks=SAMPLES,
        drops=SAMPLES,
        overruns=SAMPLES,
        real_time_factor=st.floats(0, 9),
        queue_depths=st.dictionaries(WORDS, SAMPLES, max_size=3),
        memory_mb=st.floats(0, 1e5),
        shed_hops=SAMPLES,
        brief_hops=SAMPLES,
    ),
    st.builds(
        Stopped,
        end=SAMPLES,
        reason=st.sampled_from(["end", "sigterm", "error"]),
        totals=st.just(TOTALS),
    ),
)
ANYTHING = st.one_of(SCORES, ALERTS, GAPS, NOTICES)


def a_score(end: int, p_spoof: float | None, verdict=Verdict.SPOOF) -> Score:
    llr = None if p_spoof is None else -2.5
    reason = "0.2 s of speech, 0.5 s needed" if p_spoof is None else None
    near = (Neighbour("LJ001-0001", "spoof", "hifigan", 0.91),)
    return Score(end, verdict, reason, llr, p_spoof, near, 64_000, 2.5, -23.4, 11.0)


def an_alert(state: AlertState, end: int = 48_000) -> Alert:
    clip = np.linspace(-0.5, 0.5, 8_000, dtype=np.float32)
    return Alert(
        str(uuid.UUID(int=7)), state, 16_000, end, 0.98, -4.1, clip, 8_000, ((16_000, -4.1),), (), 0
    )


def json_of(*events) -> list[dict]:
    out = io.StringIO()
    sink = JsonLines(out)
    for event in events:
        sink.write(event)
    return [json.loads(line) for line in out.getvalue().split("\n")[:-1]]


@given(ANYTHING)
@settings(deadline=None)
def test_any_event_is_one_line_that_keeps_the_schema(event):
    (said,) = json_of(event)
    VALIDATOR.validate(said)


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "score", "t": 1.0},
        {"type": "alert", "t": 1.0, "state": "close", "id": str(uuid.UUID(int=1)), "began": 0.0},
        {
            "type": "alert",
            "t": 1.0,
            "state": "open",
            "id": str(uuid.UUID(int=1)),
            "began": 0.0,
            "ended": 1.0,
        },
        {"type": "gap", "t": 1.0, "lost_s": -1.0, "cause": ""},
        {"type": "cheer", "t": 1.0},
    ],
)
def test_schema_refuses_what_is_not_an_event(wrong):
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(wrong)


def test_json_tells_what_was_measured_and_null_for_the_rest():
    known, unknown = json_of(a_score(2_048, 0.924), a_score(4_096, None, Verdict.NO_SPEECH))
    assert (known["t"], known["llr"], known["p_spoof"], known["verdict"]) == (
        0.128,
        -2.5,
        0.924,
        "spoof",
    )
    assert known["neighbours"] == [
        {"id": "LJ001-0001", "label": "spoof", "system": "hifigan", "similarity": 0.91}
    ]
    assert (unknown["llr"], unknown["p_spoof"], unknown["verdict"]) == (None, None, "no_speech")


def test_json_of_an_alert_names_its_clip_once_it_is_closed():
    opened, closed = json_of(an_alert(AlertState.OPEN), an_alert(AlertState.CLOSE))
    assert opened["state"] == "open" and "ended" not in opened
    assert (closed["began"], closed["ended"], closed["peak_p_spoof"]) == (1.0, 3.0, 0.98)
    assert closed["clip_sha256"] == clip_sha256(an_alert(AlertState.CLOSE).clip)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_json_has_no_number_that_is_none(number):
    (said,) = json_of(replace(a_score(2_048, 0.5), llr=number, p_spoof=number, latency_ms=number))
    assert (said["llr"], said["p_spoof"], said["latency_ms"]) == (None, None, None)


@given(st.lists(ANYTHING, max_size=6))
@settings(deadline=None, max_examples=30)
def test_plain_lines_and_live_view_take_any_events(events):
    out = io.StringIO()
    plain = ConsoleLines(out)
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
    view = LiveView(lambda stream: {}, console)
    view.seen[None] = Seen(Started("a", "b", 16_000, 48_000))
    for event in events:
        plain.write(event)
        if not isinstance(event, (Started, Stopped)):
            view.write(event)
    assert len(console.render_lines(view.draw())) <= 24


def test_plain_lines_speak_when_the_verdict_changes():
    out = io.StringIO()
    plain = ConsoleLines(out)
    for hop, p_spoof in enumerate([None, None, 0.9, 0.95, None], 1):
        plain.write(
            a_score(hop * 2_048, p_spoof, Verdict.WARMING_UP if p_spoof is None else Verdict.SPOOF)
        )
    assert out.getvalue().splitlines() == [
        "0:00:00  warming_up: 0.2 s of speech, 0.5 s needed",
        "0:00:00  spoof: p_spoof 0.90, llr -2.50",
        "0:00:00  warming_up: 0.2 s of speech, 0.5 s needed",
    ]


def test_plain_lines_tell_how_much_of_a_long_file_is_left():
    now, out = [0.0], io.StringIO()
    plain = ConsoleLines(out, lambda: now[0])
    plain.write(Started("long.wav", "b", 16_000, 100 * 16_000))
    for second in range(1, 101):
        now[0] = second * 0.5
        plain.write(a_score(second * 16_000, 0.9))
    told = [line for line in out.getvalue().splitlines() if "left" in line]
    assert len(told) == 9 and told[2] == "0:00:30  30% of 0:01:40, 0:00:35 left"


def test_live_view_shows_the_unmeasured_as_a_dot_and_a_measured_zero_as_a_bar():
    console = Console(file=io.StringIO(), width=80, height=24)
    view = LiveView(lambda stream: {"drops": 3}, console)
    view.seen[None] = Seen(Started("Microphone", "default", 48_000, None))
    for second, p_spoof in enumerate([None, 0.0, 1.0], 1):
        view.write(a_score(second * 16_000, p_spoof))
    console.print(view.draw())
    drawn = console.file.getvalue()
    lowest = next(line for line in drawn.splitlines() if " 0 %" in line)
    assert lowest.rstrip(" │").endswith("·▁█") and lowest.count("·") == CHART_COLUMNS - 2
    assert "hifigan" in drawn and "drops 3" in drawn and "Synthetic" in drawn


def test_a_narrow_live_view_leaves_out_the_oldest_seconds_not_the_newest():
    console = Console(file=io.StringIO(), width=40, height=40)
    view = LiveView(lambda stream: {}, console)
    view.seen[None] = Seen(Started("Microphone", "default", 48_000, None))
    for second in range(1, 60):
        view.write(a_score(second * 16_000, 1.0 if second == 59 else 0.0))
    console.print(view.draw())
    drawn = console.file.getvalue().splitlines()
    lowest = next(line for line in drawn if " 0 %" in line)
    assert lowest.rstrip(" │").endswith("▁▁█") and len(lowest) <= 40


def test_an_open_alert_grows_while_it_goes_on():
    console = Console(file=io.StringIO(), width=100, height=40)
    view = LiveView(lambda stream: {}, console)
    view.seen[None] = Seen(Started("Microphone", "default", 48_000, None))
    view.write(an_alert(AlertState.OPEN))
    began = view.alerts[0][1].began
    view.write(a_score(began + 42 * 16_000, 0.9))
    console.print(view.draw())
    assert "for 42 s" in console.file.getvalue()


def test_live_view_starts_with_the_source_and_prints_the_totals_below():
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
    with LiveView(lambda stream: {}, console) as view:
        view.write(Started("Microphone", "default", 48_000, None))
        assert view.live.is_started
        view.write(a_score(2_048, 0.9))
        view.write(an_alert(AlertState.OPEN))
        view.write(an_alert(AlertState.CLOSE, 64_000))
        view.write(Stopped(2_048, "sigint", TOTALS))
        assert not view.live.is_started
    assert "for 3 s" in console.file.getvalue() and "stopped (sigint)" in console.file.getvalue()


def test_fanout_keeps_before_it_announces():
    class Order:
        def __init__(self, name):
            self.name = name

        def write(self, event, stream=None):
            order.append((self.name, event))

    order, gap = [], Gap(0, 10, "x")
    Fanout(Order("journal"), Order("display")).write(gap)
    assert order == [("journal", gap), ("display", gap)]


def test_a_reader_that_goes_away_ends_the_display_quietly():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out:
        sink = JsonLines(out)
        sink.write(Gap(0, 10, "x"))
        assert sink.closed
        sink.write(Gap(10, 20, "x"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told():
    with open("/dev/full", "w") as out, pytest.raises(StorageError, match="No space left"):
        JsonLines(out).write(Gap(0, 10, "x"))
