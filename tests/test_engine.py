"""Many streams in one run: each as if it were alone, named wherever it is told of, shed in order
where the machine is late.
"""

import io
import json
import threading
import uuid
from dataclasses import replace

import numpy as np
import pytest
from fixtures_detect import VALIDATOR
from fixtures_detector import cut, listen, monitor, takeover, voice
from fixtures_patience import PATIENCE_S
from fixtures_storage import rows, storage_settings, stream_info
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from radd.errors import DeviceError, ModelError, StorageError
from radd.types import (
    HOP_SAMPLES,
    SAMPLE_RATE_HZ,
    Alert,
    AudioChunk,
    Detector,
    Gap,
    Judgement,
    Score,
    Shed,
    Verdict,
    seconds,
)
from storage.journal import Journal
from storage.tables import alerts, streams, timeline
from stream.console_lines import ConsoleLines
from stream.ending import Ending
from stream.engine import EngineSettings, Fed, feed
from stream.event_journal import NoJournal
from stream.json_lines import JsonLines
from stream.live_rows import Seen
from stream.live_view import LiveView
from stream.multiplexer import AHEAD_SAMPLES, MUCH, Multiplexer
from stream.run_events import Started, Stopped
from stream.run_stream import Stream
from stream.runtime import Run, RunSettings

ENGINE = EngineSettings(streams_at_once=3, late_ms=400)
SOUNDS = [takeover(), voice(9, 31, synthetic=False), takeover()[::-1].copy()]


class Chunks:
    """A Source of chunks that are there already; `fail` is raised after them."""

    native_rate_hz, native_channels = 16_000, 1

    def __init__(self, name: str, chunks: list[AudioChunk], fail: Exception | None = None):
        self.name, self.chunks, self.fail = name, chunks, fail
        self.told, self.stopped = 0, False

    def __enter__(self):
        return self

    def __exit__(self, *exc) -> None:
        pass

    def __iter__(self):
        for chunk in self.chunks:
            if self.stopped:
                return
            self.told += 1
            yield chunk
        if self.fail:
            raise self.fail

    def stop(self) -> None:
        self.stopped = True

    def stats(self) -> dict[str, int]:
        return {"chunks": self.told}


class Stalled(Chunks):
    """A source that has no more sound to give until it is stopped."""

    def __init__(self, name: str, chunks: list[AudioChunk]):
        super().__init__(name, chunks)
        self.asked_for_more, self.ended = threading.Event(), threading.Event()

    def __iter__(self):
        yield from super().__iter__()
        self.asked_for_more.set()
        self.ended.wait(PATIENCE_S)

    def stop(self) -> None:
        self.ended.set()


class Kept:
    """A display in memory; `then` is called with each event and the id of its stream."""

    closed = False

    def __init__(self, then=lambda event, stream: None):
        self.told, self.then = [], then

    def write(self, event, stream=None) -> None:
        self.told.append((stream, event))
        self.then(event, stream)

    def of(self, stream: Stream, *kinds) -> list:
        return [event for id, event in self.told if id == stream.id and isinstance(event, kinds)]


def stream(detector: Detector, number: int, source: Chunks) -> Stream:
    id = str(uuid.UUID(int=number))
    return Stream(id, source, monitor(detector, id))


def run(
    detector, made: list[Stream], display, journal=NoJournal, ending=None, engine=ENGINE, **options
) -> None:
    with ending or Ending() as ending:
        Run(made, detector, journal, display, ending, RunSettings(engine, **options)).listen()


def spoken(events) -> list[str]:
    """What was told, without the time that it took."""
    kept = [event for event in events if isinstance(event, (Score, Alert, Gap))]
    return [
        repr(replace(event, latency_ms=None) if isinstance(event, Score) else event)
        for event in kept
    ]


@settings(deadline=None, max_examples=12)
@given(st.data())
def test_streams_that_are_fed_together_are_told_what_they_are_told_alone(brightness, data):
    plans = []
    for sound in SOUNDS:
        size, lost = (
            data.draw(st.sampled_from([700, 2048, 7919, 50_000])),
            data.draw(st.integers(0, 30_000)),
        )
        at = data.draw(st.integers(0, len(sound)))
        plans.append(cut(sound[:at], size) + cut(sound[at:], size, at + lost))
    made, events, at = [monitor(brightness) for _ in plans], [[] for _ in plans], [0] * len(plans)
    while waiting := [k for k in range(len(plans)) if at[k] < len(plans[k])]:
        chosen = (
            data.draw(st.lists(st.sampled_from(waiting), min_size=1, unique=True))
            if at[0] < 20
            else waiting
        )
        for k, told in zip(
            chosen, feed(brightness, [Fed(made[k], plans[k][at[k]]) for k in chosen]), strict=True
        ):
            events[k] += told
            at[k] += 1
    for one, told, plan in zip(made, events, plans, strict=True):
        assert spoken(told + one.flush()) == spoken(listen(brightness, plan))


def test_a_stream_that_dies_or_stalls_or_has_a_gap_disturbs_no_other(brightness):
    whole, gone, holey = cut(SOUNDS[0], 2048), cut(SOUNDS[1], 2048)[:60], cut(SOUNDS[2], 2048)
    holey[50:] = [
        replace(chunk, start=chunk.start + 9999, cause="unplugged") for chunk in holey[50:]
    ]
    ending, names = Ending(), ("well", "gone", "holey", "stalled")
    sources = [
        Chunks("well", whole),
        Chunks("gone", gone, DeviceError("it is gone")),
        Chunks("holey", holey),
        Stalled("stalled", cut(SOUNDS[1], 2048)[:9]),
    ]
    made = [stream(brightness, k, source) for k, source in enumerate(sources)]
    over = set()

    def end_when_only_the_stalled_one_is_left(event, id):
        over.update({id} if isinstance(event, Stopped) else ())
        if len(over) == 3 and len(display.of(made[3], Score)) == 9:
            ending.ask("sigterm")

    display = Kept(end_when_only_the_stalled_one_is_left)
    with pytest.raises(DeviceError, match="it is gone"):
        run(brightness, made, display, ending=ending)
    for one, plan in zip(made, (whole, gone, holey, cut(SOUNDS[1], 2048)[:9]), strict=True):
        assert spoken(display.of(one, Score, Alert, Gap)) == spoken(
            listen(brightness, plan, stream_id=one.id)
        )
    reasons = {
        name: display.of(one, Stopped)[0].reason for name, one in zip(names, made, strict=True)
    }
    assert reasons == {"well": "end", "gone": "error", "holey": "end", "stalled": "sigterm"}


def test_a_stream_whose_scores_are_no_numbers_ends_alone(brightness):
    class Broken(type(brightness)):
        def push_many(self, parts):
            return [
                [replace(j, llr=j.llr and float("nan")) for j in judged]
                if np.mean(part.samples) > 0.5
                else judged
                for part, judged in zip(parts, super().push_many(parts), strict=True)
            ]

    detector, display = Broken(), Kept()
    bad = np.float32(0.9) + SOUNDS[1] / 10
    made = [
        stream(detector, k, Chunks(str(k), cut(sound, 2048)))
        for k, sound in enumerate((SOUNDS[0], bad))
    ]
    with pytest.raises(ModelError, match="score nan"):
        run(detector, made, display)
    assert spoken(display.of(made[0], Score, Alert)) == spoken(
        listen(brightness, cut(SOUNDS[0], 2048), stream_id=made[0].id)
    )


def test_what_waits_is_bounded():
    sources = [Chunks(str(k), cut(voice(k, 40, synthetic=True), 2048)) for k in range(4)]
    heard = [[] for _ in sources]
    with Multiplexer(sources, 0.4) as inlet:
        while len(heard[0]) < 200:
            for arrival in inlet.take(3):
                heard[arrival.stream].append(arrival.chunk)
            for source, chunks in zip(sources, heard, strict=True):
                assert source.told - len(chunks) <= AHEAD_SAMPLES // HOP_SAMPLES + 1
    for source, chunks in zip(sources, heard, strict=True):
        assert chunks == [*source.chunks, None][: len(chunks)]  # None once: the source has ended


def test_each_stream_has_its_turn():
    sources = [Stalled(str(k), cut(voice(k, 1, synthetic=True), 2048)[:7]) for k in range(5)]
    counts = [0] * 5
    with Multiplexer(sources, 0.4) as inlet:
        for source in sources:
            assert source.asked_for_more.wait(PATIENCE_S)
        while sum(counts) < 35:
            taken = inlet.take(2)
            assert (
                len({arrival.stream for arrival in taken}) == len(taken) == min(2, 35 - sum(counts))
            )
            for arrival in taken:
                counts[arrival.stream] += 1
            assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize(
    ("late_s", "shed"),
    [(0.0, Shed.NOTHING), (0.3, Shed.NOTHING), (0.5, Shed.HOPS), (0.9, Shed.BLOCKS)],
)
def test_a_stream_that_is_late_is_taken_in_larger_parts_and_nothing_of_it_is_lost(late_s, shed):
    now, sound = [100.0], voice(1, 2, synthetic=True)
    chunks = [replace(chunk, arrived=100 + seconds(chunk.end)) for chunk in cut(sound, HOP_SAMPLES)]
    source, taken = Chunks("live", chunks), []
    with Multiplexer([source], 0.4, lambda: now[0]) as inlet:
        while not taken or taken[-1].chunk is not None:
            now[0] = 100 + seconds((taken[-1].chunk.end if taken else 0) + HOP_SAMPLES) + late_s
            taken += inlet.take(1)
    parts = [arrival.chunk for arrival in taken[:-1]]
    assert np.array_equal(np.concatenate([part.samples for part in parts]), sound)
    assert [part.start for part in parts[1:]] == [part.end for part in parts[:-1]]
    assert {arrival.shed for arrival in taken[:-1]} == {shed}
    assert all(len(part.samples) <= AHEAD_SAMPLES for part in parts) and MUCH * 0.4 < 0.9


class SlowToTell(Detector):
    """Judges nothing but what is not shed; one hop takes as long as `clock` says."""

    name = "slow"

    def start(self) -> list:
        return []

    def push(self, state, samples):
        return [
            Judgement(3.0, None, None, (), HOP_SAMPLES, 0.1, -20.0)
            for _ in range(len(samples) // HOP_SAMPLES)
        ]

    def push_many(self, parts):
        told = [self.push(part.state, part.samples) for part in parts]
        shed = Judgement(None, Verdict.SHED, "late", (), HOP_SAMPLES, 0.0, -20.0)
        return [
            [shed] * (len(one) - 1) + one[-1:] if part.shed else one
            for one, part in zip(told, parts, strict=True)
        ]


def test_what_is_shed_is_counted_and_shown_and_no_hop_goes_missing(caplog):
    began = (
        -1000.0
    )  # on the clock of the machine: before it was switched on, so this stream is late throughout
    sound = voice(1, 70, synthetic=True)
    chunks = [
        replace(chunk, arrived=began + seconds(chunk.end)) for chunk in cut(sound, 4 * HOP_SAMPLES)
    ]
    display, out = Kept(), io.StringIO()
    made = [stream(SlowToTell(), 1, Chunks("late", chunks))]
    lines = JsonLines(out)
    display.then = lines.write
    run(SlowToTell(), made, display)
    scores, [stopped] = display.of(made[0], Score), display.of(made[0], Stopped)
    assert [score.end for score in scores] == [
        HOP_SAMPLES * (k + 1) for k in range(len(sound) // HOP_SAMPLES)
    ]
    shed = sum(score.verdict is Verdict.SHED for score in scores)
    assert shed > 100 and shed + stopped.totals["measured"] == len(scores)
    assert stopped.totals["shed_hops"] == shed and stopped.totals["brief_hops"] > shed
    assert all((score.llr is None) == (score.verdict is Verdict.SHED) for score in scores)
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    for one in told:
        VALIDATOR.validate(one)
    assert [one["shed_hops"] for one in told if one["type"] == "stats"][0] > 50
    assert sum("too busy" in record.message for record in caplog.records) == 1


def test_hops_that_are_shed_make_an_alert_no_later_than_their_sound(brightness):
    def opened(every):
        one, events = monitor(brightness), []
        for chunk in cut(voice(2, 12, synthetic=True), every * HOP_SAMPLES):
            heard = one.hear(chunk)
            judged = brightness.push(heard.state, heard.samples) if len(heard.samples) else []
            shed = [
                replace(j, llr=None, refusal=Verdict.SHED, reason="late") for j in judged[:-1]
            ] + judged[-1:]
            events += one.judged(heard, shed)
        return next(event for event in events if isinstance(event, Alert))

    assert opened(4).end - opened(1).end <= 4 * HOP_SAMPLES


def test_rows_alerts_and_lines_name_their_stream(brightness, tmp_path):
    settings = storage_settings(f"sqlite:///{tmp_path}/radd.db", tmp_path / "spool")
    made = [
        stream(brightness, k + 1, Chunks(f"call {k}", cut(sound, 2048)))
        for k, sound in enumerate(SOUNDS)
    ]
    out = io.StringIO()

    def journal():
        return Journal(settings, *(stream_info(id=one.id, source=one.source.name) for one in made))

    run(brightness, made, JsonLines(out), journal)
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    for one in told:
        VALIDATOR.validate(one)
    for one, sound in zip(made, SOUNDS, strict=True):
        expected = listen(brightness, cut(sound, 2048), stream_id=one.id)
        ids = {event.id for event in expected if isinstance(event, Alert)}
        assert {
            line["id"] for line in told if line["type"] == "alert" and line["stream"] == one.id
        } == ids
        assert (
            sum(line["type"] == "score" and line["stream"] == one.id for line in told)
            == len(sound) // HOP_SAMPLES
        )
        assert {
            row["id"] for row in rows(settings.url, alerts) if row["stream_id"] == one.id
        } == ids
        [row] = [row for row in rows(settings.url, streams) if row["id"] == one.id]
        assert (row["state"], row["source"], row["scores"]) == (
            "ended",
            one.source.name,
            len(sound) // HOP_SAMPLES,
        )
        heard = [
            row["second"] for row in rows(settings.url, timeline) if row["stream_id"] == one.id
        ]
        assert heard == list(range(len(heard))) and len(heard) >= len(sound) // SAMPLE_RATE_HZ
    assert [line["type"] for line in told[-3:]].count("stopped") >= 1 and len(
        {line.get("stream") for line in told}
    ) == 3


def test_a_database_that_is_away_costs_no_stream_anything(brightness, tmp_path):
    made = [
        stream(brightness, k + 1, Chunks(f"call {k}", cut(sound, 2048)))
        for k, sound in enumerate(SOUNDS)
    ]
    infos = [stream_info(id=one.id) for one in made]
    away = storage_settings(
        "mysql+mysqlconnector://radd:secret@127.0.0.1:1/radd", tmp_path / "spool", flush_s=0.1
    )
    display = Kept()
    run(brightness, made, display, lambda: Journal(away, *infos))
    told = {event.id for _, event in display.told if isinstance(event, Alert)}
    assert told and all(
        display.of(one, Stopped)[0].totals["storage"]["spool_entries"] > 3 for one in made
    )
    back = storage_settings(f"sqlite:///{tmp_path}/radd.db", tmp_path / "spool")
    with Journal(back, stream_info()):
        pass
    assert {row["id"] for row in rows(back.url, alerts)} == told
    kept = {row["id"]: row["scores"] for row in rows(back.url, streams)}
    assert {
        one.id: len(sound) // HOP_SAMPLES for one, sound in zip(made, SOUNDS, strict=True)
    }.items() <= kept.items()


def test_an_output_that_fails_ends_all_streams_in_order(brightness, tmp_path):
    settings = storage_settings(f"sqlite:///{tmp_path}/radd.db", tmp_path / "spool")
    made = [stream(brightness, k + 1, Stalled(f"call {k}", cut(SOUNDS[0], 2048))) for k in range(3)]

    def fail(event, id):
        if isinstance(event, Score) and event.end == 150 * HOP_SAMPLES:
            raise StorageError("the output takes no more")

    with pytest.raises(StorageError, match="takes no more"):
        run(
            brightness,
            made,
            Kept(fail),
            lambda: Journal(settings, *(stream_info(id=one.id) for one in made)),
        )
    assert [row["state"] for row in rows(settings.url, streams)] == ["interrupted"] * 3
    assert all(one.source.ended.is_set() for one in made)
    assert {row["state"] for row in rows(settings.url, alerts)} == {"close"}, (
        "what was open is closed and kept"
    )


def test_plain_lines_and_the_live_view_name_their_stream(brightness):
    out, console = io.StringIO(), Console(file=io.StringIO(), width=80, height=24)
    sources = [Chunks("mic", cut(SOUNDS[0], 2048)), Chunks("mic", cut(SOUNDS[1], 2048))]
    made = [stream(brightness, k, source) for k, source in enumerate(sources)]
    view, plain = LiveView(lambda stream: {"drops": 1}, console), ConsoleLines(out)

    def draw(event, id):
        plain.write(event, id)
        if isinstance(event, Started):
            view.labels.add(id, event.source)
            view.seen[id] = Seen(event)
        elif not isinstance(event, Stopped):
            view.write(event, id)

    run(brightness, made, Kept(draw))
    lines = out.getvalue().splitlines()
    assert any("  mic: ALERT" in line for line in lines) and not any(
        "mic #2: ALERT" in line for line in lines
    )
    assert sum("mic #2: stopped (end)" in line for line in lines) == 1
    console.print(view.draw())
    drawn = console.file.getvalue()
    assert (
        "2 of 2 sources" in drawn
        and "mic #2" in drawn
        and "alerts 1" in drawn
        and "drops 2" in drawn
    )
    for k in range(2, 40):
        view.seen[str(k)] = Seen(Started(f"call {k}", "b", 16_000, None))
    assert len(console.render_lines(view.draw())) <= 24 and "more" in "".join(
        s.text for s in console.render(view.draw())
    )


def test_each_stream_has_the_duration(brightness):
    made = [
        stream(brightness, k, Chunks(str(k), cut(sound, 2048))) for k, sound in enumerate(SOUNDS)
    ]
    display = Kept()
    run(brightness, made, display, duration_samples=10 * HOP_SAMPLES + 5)
    for one in made:
        [stopped] = display.of(one, Stopped)
        assert (stopped.reason, stopped.end) == ("duration", 10 * HOP_SAMPLES + 5)
        assert len(display.of(one, Score)) == 10
