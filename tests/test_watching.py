"""What goes along with a stream without changing it: the watch for drift, and the shadow run of a
candidate.
"""

import json
import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest
from fixtures_detector import CONFIG, BrightnessDetector, cut, monitor, takeover, voice
from fixtures_patience import PATIENCE_S
from fixtures_storage import rows, score, stream_info

from app.settings import load
from radd.bundle import load_detector, usual_distance
from radd.errors import ModelError
from radd.hot_swap import HotSwapDetector
from radd.types import AudioChunk, Compared, Drift, Neighbour
from storage import tables
from storage.journal import Journal
from storage.learning import Learning
from stream.decision import DecisionSettings
from stream.drift import FEWEST, LATEST, DriftWatch
from stream.event_text import describe_drift
from stream.json_lines import as_json
from stream.shadow import EVERY, SEGMENT_HOPS, WARM_HOPS, Shadow, ShadowTap
from stream.tap import ended, observed

SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "events.schema.json").read_text("utf-8"))
DECISION = DecisionSettings(**CONFIG["decision"])


def watched(watch, first, distances):
    """The Drifts that come of scores at these distances."""
    events = [
        replace(
            score(2_048 * (first + k)), neighbours=(Neighbour("r", "spoof", "tts", 1 - distance),)
        )
        for k, distance in enumerate(distances)
    ]
    found = observed([watch], NO_SOUND, events)
    assert [event for event in found if not isinstance(event, Drift)] == events
    return [event for event in found if isinstance(event, Drift)]


NO_SOUND = AudioChunk(np.zeros(0, np.float32), 0)
KNOWING = SimpleNamespace(name="radd 1", usual_distance=0.1)


def test_drift_is_told_once_and_again_after_it_had_gone():
    watch = DriftWatch(KNOWING, 2.0)
    assert watched(watch, 1, [0.1] * FEWEST) == []
    (drift,) = watched(watch, FEWEST + 1, [0.5] * LATEST)
    assert drift.bound == 0.2 < drift.distance < 0.21
    assert watched(watch, 1, [0.5] * 10) == [] == watched(watch, 1, [0.0] * LATEST)
    assert len(watched(watch, 1, [0.5] * LATEST)) == 1


def test_a_minute_passes_before_drift_is_told_and_what_was_not_measured_says_nothing():
    watch = DriftWatch(KNOWING, 2.0)
    assert watched(watch, 1, [0.5] * (FEWEST - 1)) == []
    silent = [replace(score(2_048 * k), llr=None) for k in range(FEWEST)]
    assert observed([watch], NO_SOUND, silent) == silent
    assert len(watched(watch, FEWEST, [0.5])) == 1


def test_after_a_change_of_model_the_bound_is_that_of_the_model_in_use(shipped_bundle):
    shipped = load(environ={})
    detector, other = (load_detector(shipped_bundle, shipped.model, shipped.gate) for _ in range(2))
    usual = detector.usual_distance
    assert usual == usual_distance(shipped_bundle)
    other = replace(other, name="radd 2", bundle=replace(other.bundle, usual_distance=2 * usual))
    in_use = HotSwapDetector(detector)
    watch = DriftWatch(in_use, 1.5)
    assert [drift.bound for drift in watched(watch, 1, [4 * usual] * LATEST)] == [1.5 * usual]
    in_use.swap(other)
    assert watched(watch, 1, [2.9 * usual] * FEWEST) == [], (
        "neither the bound nor the distances of the model before"
    )
    assert [drift.bound for drift in watched(watch, 1, [3.5 * usual] * LATEST)] == [3 * usual]


def test_a_model_that_does_not_know_what_is_usual_says_nothing_of_drift():
    watch = DriftWatch(SimpleNamespace(name="radd 1", usual_distance=None), 2.0)
    assert watched(watch, 1, [2.0] * FEWEST) == []


def test_both_are_json_as_the_schema_has_it():
    for event in (Drift(16_000, 0.4, 0.2), Compared(16_000, "radd 2", 12.3, -0.1, False, True)):
        jsonschema.validate(as_json(event), SCHEMA)
    assert "0.400" in describe_drift(Drift(16_000, 0.4, 0.2))


class Harsh(BrightnessDetector):
    """Says that everything is synthetic."""

    name = "harsh"

    def _judge(self, state, hop):
        found = super()._judge(state, hop)
        return found if found.llr is None else replace(found, llr=-6.0)


def heard(sound, size=2_048, shadow=None):
    stream, taps = monitor(BrightnessDetector()), [ShadowTap(shadow)] if shadow else []
    events = [
        event for chunk in cut(sound, size) for event in observed(taps, chunk, stream.feed(chunk))
    ]
    return events + ended(taps, stream.flush())


def parted(events):
    return [e for e in events if not isinstance(e, Compared)], [
        e for e in events if isinstance(e, Compared)
    ]


@pytest.mark.parametrize("size", [2_048, 50_000])
def test_a_candidate_judges_beside_the_champion_and_changes_nothing(size):
    sound = voice(1, 20, synthetic=False)
    plain = heard(sound, size)
    for candidate, alert in ((Harsh(), True), (BrightnessDetector(), False)):
        events, (found,) = parted(heard(sound, size, Shadow(lambda c=candidate: c, DECISION)))
        assert [repr(event) for event in events] == [repr(event) for event in plain]
        assert (found.candidate, found.champion_alert, found.candidate_alert) == (
            candidate.name,
            False,
            alert,
        )
        assert found.end == SEGMENT_HOPS * 2_048 and found.heard_s == pytest.approx(
            (SEGMENT_HOPS - WARM_HOPS) * 0.128
        )
        assert (found.difference < -5) if alert else found.difference == pytest.approx(0, abs=1e-9)


def test_without_a_candidate_and_with_a_broken_one_the_champion_goes_on(caplog):
    def broken():
        raise ModelError("a byte has changed")

    for candidate in (lambda: None, broken):
        with caplog.at_level(logging.WARNING):
            events, found = parted(heard(takeover(), shadow=Shadow(candidate, DECISION)))
        assert found == [] and len(events) > 200
    assert "a byte has changed" in caplog.text


def test_most_speech_is_judged_once_and_a_busy_shadow_never_holds_the_champion_up():
    entered, free = threading.Event(), threading.Event()

    def slow():
        entered.set()
        free.wait(PATIENCE_S)
        return Harsh()

    stretch_s = SEGMENT_HOPS * 0.128
    shadow = Shadow(slow, DECISION)
    stream, tap = monitor(BrightnessDetector()), ShadowTap(shadow)
    events = []
    for chunk in cut(voice(1, stretch_s * (3 * EVERY + 1), synthetic=False), 64 * 2_048):
        events += observed([tap], chunk, stream.feed(chunk))
        assert chunk.start or not entered.is_set()
    assert entered.wait(PATIENCE_S) and parted(events)[1] == []
    free.set()
    found = parted(ended([tap], stream.flush()))[1]
    assert 1 <= len(found) <= 3 and {
        event.end % (SEGMENT_HOPS * 2_048 * EVERY) for event in found
    } == {SEGMENT_HOPS * 2_048}


def test_shadow_runs_are_stored_by_the_hour_and_summed(settings):
    started = datetime(2026, 3, 1, 9, 59, 50, tzinfo=UTC)
    with Journal(settings, stream_info(started=started)) as journal:
        for end, said in (
            (16_000, (10.0, -1.0, False, True)),
            (32_000, (30.0, 1.0, True, True)),
            (320_000, (20.0, 0.5, False, False)),
        ):
            journal.write(Compared(end, "radd 2", *said))
    first, second = rows(settings.url, tables.shadows)
    assert (first["hour_utc"], second["hour_utc"]) == (
        datetime(2026, 3, 1, 9),
        datetime(2026, 3, 1, 10),
    )
    assert (first["seconds"], first["difference"], first["candidate_alerts"]) == (
        40.0,
        pytest.approx(0.5),
        2,
    )
    with Learning(settings.url) as store:
        assert store.shadow("radd 2") == (60.0, pytest.approx(0.5), 1, 2) and store.shadow(
            "radd 3"
        ) == (0.0, 0.0, 0, 0)


def test_drift_is_stored_by_the_day_while_a_stream_goes_on(settings):
    started = datetime(2026, 3, 1, 23, 59, 58, tzinfo=UTC)
    far, near = ((Neighbour("r", "spoof", "tts", similarity),) for similarity in (0.5, 0.9))
    with Journal(settings, stream_info(started=started)) as journal:
        for second in range(1, 30):
            journal.write(replace(score(second * 16_000), neighbours=far if second <= 2 else near))
        journal.judged_by("radd 2")
        for second in range(30, 40):
            journal.write(replace(score(second * 16_000), neighbours=far))
    before, after = rows(settings.url, tables.drift)
    assert (before["day"], before["seconds"], before["distance"]) == (
        started.date(),
        2,
        pytest.approx(0.5),
    )
    assert after["day"] == started.date() + timedelta(days=1)
    assert after["distance"] == pytest.approx(0.5, abs=0.05), (
        "another model's distances are another's"
    )
    assert after["seconds"] in range(10, 20)
    assert np.isfinite(after["distance"])
