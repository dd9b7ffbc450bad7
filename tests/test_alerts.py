import pickle
import uuid

import numpy as np
import pytest
from fixtures_detector import CONFIG, STREAM_ID

from radd.errors import ConfigError
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ, AlertState, Neighbour, Score, Verdict
from stream.alerts import AlertSettings, Recorder
from stream.decision import Decision

SOUND = np.random.default_rng(0).normal(0, 0.1, (1000, HOP_SAMPLES)).astype(np.float32)


def recorder(**changes) -> Recorder:
    return Recorder(AlertSettings(**CONFIG["alerts"] | changes), STREAM_ID)


def score(number: int, llr: float | None) -> Score:
    """The score of hop `number`; its neighbours are named for it."""
    known = tuple(Neighbour(f"{number}-{i}", "spoof", "tts", 1.0 - i / 10) for i in range(8))
    verdict, p_spoof = (
        (Verdict.NO_SPEECH, None) if llr is None else (Verdict.SPOOF, 1 / (1 + np.exp(llr)))
    )
    reason = "nothing to hear" if llr is None else None
    return Score(
        (number + 1) * HOP_SAMPLES, verdict, reason, llr, p_spoof, known, 8192, 0.5, -20.0, None
    )


def feed(machine: Recorder, first: int, last: int, llrs=None) -> None:
    for number in range(first, last):
        machine.record(SOUND[number], score(number, -1.0 if llrs is None else llrs.get(number)))


def opened(began_hop: int, end_hop: int) -> Decision:
    return Decision(AlertState.OPEN, began_hop * HOP_SAMPLES, end_hop * HOP_SAMPLES)


def closed(began_hop: int, end_hop: int) -> Decision:
    return Decision(AlertState.CLOSE, began_hop * HOP_SAMPLES, end_hop * HOP_SAMPLES)


def assert_clip_is_the_sound(alert) -> None:
    clip_end = alert.clip_start + len(alert.clip)
    assert alert.clip.dtype == np.float32
    assert np.array_equal(alert.clip, SOUND.reshape(-1)[alert.clip_start : clip_end])
    inside = [(n + 1) * HOP_SAMPLES for n in range(1000)]
    assert [end for end, _ in alert.trace] == [
        end for end in inside if alert.clip_start < end <= clip_end
    ]


def test_the_clip_has_the_pre_roll_and_grows_to_the_end():
    machine = recorder(pre_roll_s=1.024)
    feed(machine, 0, 50)
    first = machine.alert(opened(40, 50), gaps=2)
    feed(machine, 50, 80)
    last = machine.alert(closed(40, 70), gaps=3)
    assert (first.state, last.state) == (AlertState.OPEN, AlertState.CLOSE)
    assert first.clip_start == last.clip_start == 32 * HOP_SAMPLES
    assert (first.began, first.end, first.gaps) == (40 * HOP_SAMPLES, 50 * HOP_SAMPLES, 2)
    assert (last.began, last.end, last.gaps) == (40 * HOP_SAMPLES, 70 * HOP_SAMPLES, 3)
    assert len(first.clip) == 50 * HOP_SAMPLES - first.clip_start
    assert len(last.clip) == 70 * HOP_SAMPLES - first.clip_start
    assert_clip_is_the_sound(first)
    assert_clip_is_the_sound(last)


def test_the_clip_begins_with_the_stream_where_there_is_less_than_the_pre_roll():
    machine = recorder(pre_roll_s=3.0)
    feed(machine, 0, 12)
    alert = machine.alert(opened(4, 12), gaps=0)
    assert (alert.clip_start, len(alert.clip)) == (0, 12 * HOP_SAMPLES)
    assert_clip_is_the_sound(alert)


def test_of_a_long_alert_the_first_part_is_kept_and_memory_is_bounded():
    machine = recorder(max_clip_s=10.0, pre_roll_s=1.0)
    feed(machine, 0, 100)
    machine.alert(opened(90, 100), gaps=0)
    feed(machine, 100, 200)
    size = len(pickle.dumps(machine))
    feed(machine, 200, 1000)
    assert len(pickle.dumps(machine)) < size + 1000
    alert = machine.alert(closed(90, 1000), gaps=0)
    assert (alert.clip_start, len(alert.clip)) == (
        90 * HOP_SAMPLES - SAMPLE_RATE_HZ,
        10 * SAMPLE_RATE_HZ,
    )
    assert alert.end == 1000 * HOP_SAMPLES
    assert_clip_is_the_sound(alert)


def test_evidence_older_than_the_longest_clip_gives_way():
    machine = recorder(max_clip_s=2.0, pre_roll_s=1.0)
    feed(machine, 0, 100)
    alert = machine.alert(opened(10, 100), gaps=0)
    assert alert.clip_start == 100 * HOP_SAMPLES - 2 * SAMPLE_RATE_HZ
    assert_clip_is_the_sound(alert)


def test_the_peak_is_the_lowest_score_of_the_alert_with_its_own_references():
    machine = recorder(neighbours=3)
    llrs = {10: -9.0, 45: -3.0, 47: -4.0, 60: -5.0}
    feed(machine, 0, 50, llrs)
    first = machine.alert(opened(40, 50), gaps=0)
    feed(machine, 50, 70, llrs)
    last = machine.alert(closed(40, 65), gaps=0)
    assert (first.min_llr, last.min_llr) == (-4.0, -5.0)
    assert last.peak_p_spoof == pytest.approx(1 / (1 + np.exp(-5.0)))
    assert [neighbour.id for neighbour in last.neighbours] == ["60-0", "60-1", "60-2"]
    assert dict(last.trace)[46 * HOP_SAMPLES] == -3.0
    assert dict(last.trace)[47 * HOP_SAMPLES] is None


def test_nothing_from_before_a_reset_is_in_a_clip():
    machine = recorder()
    feed(machine, 0, 20)
    machine.reset()
    feed(machine, 30, 40)
    alert = machine.alert(opened(34, 40), gaps=1)
    assert (alert.clip_start, len(alert.clip)) == (30 * HOP_SAMPLES, 10 * HOP_SAMPLES)
    assert_clip_is_the_sound(alert)


def test_ids_come_from_the_stream_and_where_the_alert_began():
    def alert_id(stream_id, began_hop):
        machine = Recorder(AlertSettings(**CONFIG["alerts"]), stream_id)
        feed(machine, 0, 20)
        first = machine.alert(opened(began_hop, 20), gaps=0)
        assert machine.alert(closed(began_hop, 20), gaps=0).id == first.id
        return str(uuid.UUID(first.id))

    other = str(uuid.UUID(int=7))
    ids = {
        alert_id(stream_id, began)
        for stream_id in (STREAM_ID, other)
        for began in (4, 5)
        for _ in range(2)
    }
    assert len(ids) == 4


def test_a_clip_does_not_change_when_more_is_heard():
    machine = recorder()
    feed(machine, 0, 20)
    alert = machine.alert(opened(10, 20), gaps=0)
    before = alert.clip.copy()
    feed(machine, 20, 400)
    assert np.array_equal(alert.clip, before)


@pytest.mark.parametrize(
    "changes", [{"pre_roll_s": -1.0}, {"max_clip_s": 0.0}, {"neighbours": -1}, {"pre_roll_s": 60.0}]
)
def test_impossible_settings_are_refused_by_name(changes):
    with pytest.raises(ConfigError, match=f"^{next(iter(changes))} = "):
        recorder(**changes)
