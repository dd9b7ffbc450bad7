import numpy as np
import pytest
from fixtures_detector import STREAM_ID, cut, listen, monitor, silence, takeover, voice

from radd.types import (
    HOP_SAMPLES,
    SAMPLE_RATE_HZ,
    Alert,
    AlertState,
    AudioChunk,
    Gap,
    Score,
    Verdict,
)


def alerts(events):
    return [event for event in events if isinstance(event, Alert)]


def scores(events):
    return [event for event in events if isinstance(event, Score)]


def test_a_synthetic_voice_among_people_is_one_alert_with_its_sound(brightness):
    sound = takeover()
    events = listen(brightness, cut(sound, HOP_SAMPLES))
    opened, closed = alerts(events)
    assert (opened.state, closed.state) == (AlertState.OPEN, AlertState.CLOSE)
    assert opened.id == closed.id
    assert 8.0 < opened.began / SAMPLE_RATE_HZ < 12.5
    assert opened.end / SAMPLE_RATE_HZ < 17
    assert 19 < closed.end / SAMPLE_RATE_HZ < 23
    assert np.array_equal(closed.clip, sound[closed.clip_start : closed.end])
    assert closed.clip_start == closed.began - 3 * SAMPLE_RATE_HZ
    numbers = {score.end: score.llr for score in scores(events)}
    assert dict(closed.trace).items() <= numbers.items()
    assert closed.min_llr == min(
        llr for end, llr in closed.trace if llr is not None and end > closed.began
    )
    assert closed.neighbours[0].id == "dull-1"


def test_there_is_one_score_a_hop_and_the_alert_follows_the_score_that_made_it(brightness):
    sound = takeover()
    events = listen(brightness, cut(sound, 1000))
    assert [score.end for score in scores(events)] == list(
        range(HOP_SAMPLES, len(sound), HOP_SAMPLES)
    )
    opened = alerts(events)[0]
    assert events[events.index(opened) - 1].end == opened.end


def test_people_raise_no_alert(brightness):
    assert alerts(listen(brightness, cut(voice(5, 60, synthetic=False), 4096))) == []


def test_the_end_of_sound_closes_an_open_alert(brightness):
    stream = monitor(brightness)
    events = [e for chunk in cut(voice(6, 15, synthetic=True), 4096) for e in stream.feed(chunk)]
    assert [alert.state for alert in alerts(events)] == [AlertState.OPEN]
    (closed,) = stream.flush()
    assert (closed.state, closed.id) == (AlertState.CLOSE, alerts(events)[0].id)
    assert closed.end == 117 * HOP_SAMPLES
    assert stream.flush() == []


def test_a_gap_closes_the_alert_and_is_told_with_its_cause(brightness):
    stream = monitor(brightness)
    sound = voice(6, 10, synthetic=True)
    before = [e for chunk in cut(sound, 4096) for e in stream.feed(chunk)]
    go_on = len(sound) + SAMPLE_RATE_HZ
    closed, gap, score, *after = stream.feed(AudioChunk(sound, go_on, cause="device unplugged"))
    assert alerts(before)[0].id == closed.id
    assert closed.state is AlertState.CLOSE and closed.gaps == 0
    assert gap == Gap(len(sound), go_on, "device unplugged")
    assert (score.end, score.verdict, score.llr, score.p_spoof) == (go_on, Verdict.GAP, None, None)
    assert (
        score.reason
        == "1.000 s lost: device unplugged; 0.016 s before that were too short to score"
    )
    assert after[0].end == go_on + HOP_SAMPLES and after[0].verdict is Verdict.WARMING_UP
    (again,) = alerts(after)
    assert again.gaps == 1 and again.clip_start >= go_on and again.id != closed.id


def test_a_loss_that_goes_on_is_told_in_parts_and_counts_once(brightness):
    nothing = np.zeros(0, np.float32)
    stream = monitor(brightness)
    stream.feed(AudioChunk(silence(1), 0))
    parts = [
        stream.feed(AudioChunk(nothing, second * SAMPLE_RATE_HZ, cause="device unplugged"))
        for second in (2, 3, 4)
    ]
    assert [part[0] for part in parts] == [
        Gap(second * SAMPLE_RATE_HZ, (second + 1) * SAMPLE_RATE_HZ, "device unplugged")
        for second in (1, 2, 3)
    ]
    assert [part[1].verdict for part in parts] == [Verdict.GAP] * 3
    events = stream.feed(AudioChunk(voice(6, 12, synthetic=True), 4 * SAMPLE_RATE_HZ))
    assert alerts(events)[0].gaps == 1


def test_no_window_holds_damaged_samples_and_no_such_hop_has_a_number(brightness):
    sound = voice(7, 20, synthetic=False)
    start, end = 70_000, 71_000
    damaged = AudioChunk(sound[start:end], start, damaged=3)
    chunks = [AudioChunk(sound[:start], 0), damaged, AudioChunk(sound[end:], end)]
    heard = {score.end: score for score in scores(listen(brightness, chunks))}
    touched = heard[35 * HOP_SAMPLES]
    assert (touched.verdict, touched.llr) == (Verdict.TOO_NOISY, None)
    assert "NaN" in touched.reason
    for score in heard.values():
        if score.llr is not None:
            assert score.end <= start or score.end - score.window_samples >= end
    assert heard[34 * HOP_SAMPLES].llr is not None and heard[60 * HOP_SAMPLES].llr is not None
    assert [score.verdict for score in heard.values()].count(Verdict.TOO_NOISY) == 1


def test_damaged_samples_do_not_end_an_alert(brightness):
    sound = voice(6, 20, synthetic=True)
    chunks = cut(sound, HOP_SAMPLES)
    chunks[90] = AudioChunk(chunks[90].samples, chunks[90].start, damaged=1)
    opened, closed = alerts(listen(brightness, chunks))
    assert opened.end < 90 * HOP_SAMPLES < closed.end
    assert (91 * HOP_SAMPLES, None) in closed.trace


@pytest.mark.parametrize("samples", [1, 160, HOP_SAMPLES - 1])
def test_sound_shorter_than_a_hop_is_told_as_such(brightness, samples):
    events = listen(brightness, cut(voice(8, 1, synthetic=True)[:samples], 160))
    assert [(e.end, e.verdict, e.llr) for e in events] == [(samples, Verdict.WARMING_UP, None)]
    assert f"{samples / SAMPLE_RATE_HZ:.3f} s of audio" in events[0].reason


def test_no_sound_is_no_event(brightness):
    assert listen(brightness, []) == []
    assert listen(brightness, [AudioChunk(np.zeros(0, np.float32), 0)]) == []


def test_latency_counts_from_the_arrival_of_the_last_sample(brightness):
    times = iter([10.020, 10.2])
    stream = monitor(brightness, clock=lambda: next(times))
    hop = silence(0.128)
    assert stream.feed(AudioChunk(hop, 0, arrived=10.0))[0].latency_ms == pytest.approx(20.0)
    assert stream.feed(AudioChunk(hop, HOP_SAMPLES))[0].latency_ms is None
    assert stream.feed(AudioChunk(hop, 2 * HOP_SAMPLES, arrived=10.1))[
        0
    ].latency_ms == pytest.approx(100.0)


def test_streams_share_a_detector_and_nothing_else(brightness):
    sounds = [takeover(), voice(9, 31, synthetic=False)]
    alone = [[repr(e) for e in listen(brightness, cut(sound, 4096))] for sound in sounds]
    streams = [monitor(brightness, STREAM_ID) for _ in sounds]
    together = [[], []]
    for pair in zip(*(cut(sound[: 31 * SAMPLE_RATE_HZ], 4096) for sound in sounds), strict=True):
        for events, stream, chunk in zip(together, streams, pair, strict=True):
            events += [repr(e) for e in stream.feed(chunk)]
    for events, expected in zip(together, alone, strict=True):
        assert len(events) > 200 and events == expected[: len(events)]


def test_a_source_that_numbers_sound_twice_is_refused(brightness):
    stream = monitor(brightness)
    stream.feed(AudioChunk(silence(1), 0))
    with pytest.raises(ValueError, match="expected 16000"):
        stream.feed(AudioChunk(silence(1), 15_000))
