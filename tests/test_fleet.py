"""Detectors of a fleet, on a broker in memory: no score is missing and no alert lost or doubled,
whoever dies when.
"""

import io
import json
from concurrent.futures import Future

import numpy as np
import pytest
import soundfile
from fixtures_detect import ROOT
from fixtures_detector import cut, listen, monitor, takeover
from fixtures_fleet import Bundled, Detecting, MemoryBroker, messages, track
from fixtures_storage import rows
from hypothesis import given, settings
from hypothesis import strategies as st

from app.installation import installation
from fleet.broker import Delivered
from fleet.call_chunks import CallChunk, Malformed, decode, encode
from fleet.state_store import Resumed
from fleet.tracked_call import Arrived, TrackedCall
from radd.files import load_speech
from radd.flac import flac_bytes, flac_samples
from radd.types import HOP_SAMPLES, Alert, AudioChunk, Gap, Part, Score, Shed, Verdict
from storage.call_states import pack, unpack
from storage.tables import alerts, call_states, clips, gaps, streams, timeline
from stream.run_events import Started

SOUND = flac_samples(flac_bytes(takeover()))  # as it is in messages, in 16 bits
CHUNKS = cut(SOUND, HOP_SAMPLES)
ENDS = [(k + 1) * HOP_SAMPLES for k in range(len(CHUNKS))]


@pytest.fixture
def broker():
    return MemoryBroker(1)


@pytest.fixture
def detecting(local):
    """Makes detectors, and ends what a test has left of them."""
    made = []

    def make(broker, **changes):
        made.append(Detecting(broker, local, len(made), **changes))
        return made[-1]

    yield make
    for one in made:
        one.end()


def is_over(broker, one):
    """Whether the broker has nothing left."""
    return lambda: not (any(broker.queues) or one.consumer.unacknowledged)


def kept(url):
    """What the database has of calls, without what depends on the moment."""
    moments = ("stored_utc", "host")
    return {
        table.name: [{k: v for k, v in row.items() if k not in moments} for row in rows(url, table)]
        for table in (streams, alerts, timeline, gaps, clips)
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What one detector stores of the call."""
    from fixtures_storage import storage_settings

    directory = tmp_path_factory.mktemp("undisturbed")
    storage = storage_settings(f"sqlite:///{directory}/radd.db", directory / "spool")
    broker = MemoryBroker(1)
    one = Detecting(broker, storage, 0)
    for body in messages(track(), CHUNKS):
        broker.publish(0, body)
    one.until(is_over(broker, one))
    one.end()
    return kept(storage.url)


def test_a_fleet_stores_what_a_daemon_hears(undisturbed):
    heard = listen(Bundled(), CHUNKS, stream_id=track().id)
    told = [event for event in heard if isinstance(event, Alert)]
    assert {row["id"] for row in undisturbed["alerts"]} == {event.id for event in told}
    assert undisturbed["streams"][0]["state"] == "ended"
    assert undisturbed["streams"][0]["scores"] == sum(isinstance(e, Score) for e in heard)
    assert len(undisturbed["timeline"]) == 32


@pytest.mark.parametrize("seed", range(4))
def test_the_calls_of_killed_detectors_go_on_without_a_trace(
    seed, broker, detecting, local, undisturbed
):
    rng = np.random.default_rng(seed)
    sent = messages(track(), CHUNKS)
    while sent:
        one = detecting(broker)
        for body in sent[: (some := int(rng.integers(10, 90)))]:
            broker.publish(0, body)
        del sent[:some]
        one.until(lambda: not any(broker.queues))  # noqa: B023
        for _ in range(int(rng.integers(0, 12))):
            one.detector.step()
        one.consumer.die()
    last = detecting(broker)
    last.until(is_over(broker, last))
    assert kept(local.url) == undisturbed


def test_a_rolling_restart_hands_every_call_over(broker, detecting, local, undisturbed):
    sent, told = messages(track(), CHUNKS), []
    for part in np.array_split(np.arange(len(sent)), 5):
        one = detecting(broker)
        for k in part:
            broker.publish(0, sent[k])
        one.until(lambda: not any(broker.queues))  # noqa: B023
        one.until(lambda: one.detector.is_idle)  # noqa: B023
        one.close()
        told += [event for _, event in one.display.events]
    scores = [event.end for event in told if isinstance(event, Score)]
    assert scores == sorted(set(scores)), "no score twice"
    assert len(scores) == undisturbed["streams"][0]["scores"], "and none missing"
    assert kept(local.url) == undisturbed


def test_an_adopted_call_has_a_full_window_at_once(broker, detecting):
    sent = messages(track(), CHUNKS)
    first = detecting(broker)
    for body in sent[:60]:
        broker.publish(0, body)
    first.until(lambda: first.detector.is_idle and not any(broker.queues))
    first.close()
    second = detecting(broker)
    for body in sent[60:]:
        broker.publish(0, body)
    second.until(is_over(broker, second))
    scores = [event for _, event in second.display.events if isinstance(event, Score)]
    assert scores[0].end == 61 * HOP_SAMPLES
    assert Verdict.WARMING_UP not in {score.verdict for score in scores}
    assert scores[0].window_samples == 32 * HOP_SAMPLES


@pytest.mark.parametrize("judged", [0, 5, 60, 150])
def test_chunks_that_are_returned_after_newer_ones_are_in_order(
    judged, broker, detecting, local, undisturbed
):
    """The broker delivers what a detector gives up after what has come meanwhile."""
    sent = messages(track(), CHUNKS)
    first = detecting(broker)
    for body in sent[:judged]:
        broker.publish(0, body)
    first.until(lambda: not any(broker.queues) and first.detector.is_idle)
    for body in sent[judged : judged + 40]:
        broker.publish(0, body)
    while any(broker.queues):
        first.consumer.take(0.0)
    second = detecting(broker)
    for body in sent[judged + 40 :]:
        broker.publish(0, body)
    broker.is_slow = True
    first.close()
    second.until(lambda: any(isinstance(event, Started) for _, event in second.display.events))
    for _ in range(3):
        second.detector.step()
    broker.bring_back()
    second.until(is_over(broker, second))
    assert kept(local.url) == undisturbed


def test_messages_that_come_twice_count_once(broker, detecting, local, undisturbed):
    one = detecting(broker)
    for body in messages(track(), CHUNKS):
        broker.publish(0, body)
        broker.publish(0, body)
    one.until(is_over(broker, one))
    for body in messages(track(), CHUNKS)[40:]:  # long after the end, as from a lost connection
        broker.publish(0, body)
    one.until(is_over(broker, one))
    assert kept(local.url) == undisturbed
    assert one.detector.duplicates > 0


def test_a_message_that_is_missing_is_a_gap_and_none_that_is_late(broker, detecting, local):
    one = detecting(broker)
    sent = messages(track(), CHUNKS)
    sent[50], sent[51] = sent[51], sent[50]
    del sent[100]
    for body in sent:
        broker.publish(0, body)
    one.until(is_over(broker, one))
    (gap,) = rows(local.url, gaps)
    assert (gap["start_samples"], gap["end_samples"]) == (100 * HOP_SAMPLES, 101 * HOP_SAMPLES)
    assert "between gateway and detector" in gap["cause"]


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff\n", b'{"call": 1}\n', bytes(9_999)])
def test_what_is_no_chunk_goes_to_the_dead_letters(body, broker, detecting):
    one = detecting(broker)
    broker.publish(0, body)
    one.until(is_over(broker, one))
    assert broker.dead == [body] and one.detector.dead_letters == 1


def test_a_call_that_falls_silent_ends_and_goes_on_when_it_comes_back(broker, detecting, local):
    one = detecting(broker, idle_s=1.0)
    sent = messages(track(), [*CHUNKS[:40], *CHUNKS[60:]])
    for body in sent[:40]:
        broker.publish(0, body)
    one.until(is_over(broker, one))
    assert rows(local.url, streams)[0]["state"] == "interrupted"
    for body in sent[40:]:
        broker.publish(0, body)
    one.until(is_over(broker, one))
    (stream,), (gap,) = rows(local.url, streams), rows(local.url, gaps)
    assert stream["state"] == "ended"
    assert (gap["start_samples"], gap["end_samples"]) == (40 * HOP_SAMPLES, 60 * HOP_SAMPLES)
    assert stream["length_samples"] == len(SOUND) // HOP_SAMPLES * HOP_SAMPLES


def test_a_detector_that_wakes_up_late_overwrites_nothing(broker, detecting, local, undisturbed):
    """It was stopped, lost its partition, and goes on with what it had."""
    sent = messages(track(), CHUNKS)
    sleeper = detecting(broker)
    for body in sent[:120]:
        broker.publish(0, body)
    sleeper.until(lambda: not any(broker.queues) and sleeper.detector.is_idle)
    sleeper.consumer.die()
    other = detecting(broker)
    for body in sent[120:]:
        broker.publish(0, body)
    other.until(is_over(broker, other))
    for call in list(sleeper.detector._calls.values()):
        sleeper.detector._save(call)
    sleeper.end()
    assert kept(local.url) == undisturbed
    assert rows(local.url, call_states)[0]["detector"] == "detector-1"


def test_detectors_share_the_partitions(detecting):
    broker = MemoryBroker(6)
    first = detecting(broker, partitions=6)
    for partition in range(6):
        of = track(f"call {partition}", partition=partition)
        for body in messages(of, CHUNKS[:20], ended=False):
            broker.publish(partition, body)
    first.until(lambda: first.detector.is_idle and not any(broker.queues))
    second = detecting(broker, partitions=6)
    first.consumer.count()
    first.until(lambda: sum(line[0] is second.consumer for line in broker.lines) >= 3)
    for _ in range(5):
        first.detector.step()
    assert sum(line[0] is first.consumer for line in broker.lines) == 3


@given(st.integers(1, 243), st.sampled_from([1, 8, 5]), st.sampled_from([700, HOP_SAMPLES, 9_999]))
@settings(max_examples=30, deadline=None)
def test_a_monitor_goes_on_from_its_snapshot(hops, period_hops, size):
    """Its events are those of a monitor that was never interrupted."""
    sound = SOUND[: 300_000 + HOP_SAMPLES]
    before = monitor(Bundled())
    chunks = [AudioChunk(sound[:HOP_SAMPLES], 0)]
    lost = AudioChunk(sound[4 * HOP_SAMPLES : 90_000], 4 * HOP_SAMPLES, "lost")
    chunks += [lost, *cut(sound[90_000:], size, 90_000)]
    whole = [event for chunk in chunks for event in before.feed(chunk)]
    first, second = monitor(Bundled()), monitor(Bundled())
    count = sum(chunk.end <= hops * 1_000 for chunk in chunks)
    told = [event for chunk in chunks[:count] for event in first.feed(chunk)]
    snapshot, clip = first.snapshot()
    needed = first.needed_from(64, period_hops)
    state, flac = unpack(pack({"monitor": snapshot}, flac_bytes(clip)))
    second.restore(state["monitor"], flac_samples(flac), needed)
    if first.end > needed:
        batch = second.hear_again(AudioChunk(sound[needed : first.end], needed))
        Bundled().push(batch.state, batch.samples)
    rest = [AudioChunk(sound[first.end : chunks[count - 1].end], first.end)] if count else []
    told += [event for chunk in [*rest, *chunks[count:]] for event in second.feed(chunk)]
    assert [event for event in told if not isinstance(event, Alert)] == [
        event for event in whole if not isinstance(event, Alert)
    ]
    for mine, other in zip(alerts_of(told), alerts_of(whole), strict=True):
        assert (mine.id, mine.state, mine.end, mine.trace) == (
            other.id,
            other.state,
            other.end,
            other.trace,
        )
        assert np.array_equal(mine.clip, other.clip)


def alerts_of(events):
    return [event for event in events if isinstance(event, Alert)]


@given(st.binary(max_size=200), st.sampled_from([b"", b"\n", b'{"call": "c"}\n']))
@settings(max_examples=200)
def test_a_message_is_a_chunk_or_malformed(data, head):
    try:
        decode(head + data)
    except Malformed as error:
        assert str(error)


@pytest.mark.parametrize(("samples", "wrong"), [("s16le", 1 / 65_000), ("mulaw", 0.03)])
def test_a_chunk_comes_out_of_a_message_as_it_went_in(samples, wrong):
    audio = AudioChunk(np.linspace(-1, 0.99, 999, dtype=np.float32), 5, "lost", 2)
    sent = CallChunk(track(), 7, audio, 1_790_000_001.5, ended=True)
    came = decode(encode(sent, samples))
    assert (came.track, came.sequence, came.captured, came.ended) == (
        sent.track,
        7,
        sent.captured,
        True,
    )
    assert (came.audio.start, came.audio.cause, came.audio.damaged) == (5, "lost", 2)
    assert np.abs(came.audio.samples - audio.samples).max() <= wrong


def test_mulaw_is_that_of_g711():
    """libsndfile's encoder and decoder have the same codes and levels."""
    pcm = np.arange(-32_768, 32_768).astype(np.int16)
    wav = io.BytesIO()
    soundfile.write(wav, pcm, 8_000, "ULAW", format="WAV")
    wav.seek(0)
    levels, _ = soundfile.read(wav, dtype="float32")
    head, _, body = encode(
        CallChunk(track(), 0, AudioChunk(pcm / np.float32(32_768), 0), 0.0), "mulaw"
    ).partition(b"\n")
    assert json.loads(head)["samples"] == "mulaw" and len(body) == len(pcm)
    mine = decode(head + b"\n" + body).audio.samples
    known = np.unique(levels)
    assert np.array_equal(np.unique(mine), known)
    apart = np.searchsorted(known, mine) - np.searchsorted(known, levels)
    assert np.abs(apart).max() <= 1 and np.mean(apart == 0) > 0.98, "but for ties"
    data = bytes(range(256))
    written = wav.getvalue()
    wav = io.BytesIO(written.replace(written[-len(pcm) :], data * 256))
    levels, _ = soundfile.read(wav, dtype="float32")
    assert np.array_equal(decode(head + b"\n" + data * 256).audio.samples, levels)


def test_a_message_of_another_release_is_refused_by_its_version(broker, detecting, caplog):
    one = detecting(broker)
    body = messages(track(), CHUNKS[:1], ended=False)[0]
    for other in (b'"version": 1', b'"version": 3'):
        broker.publish(0, body.replace(b'"version": 2', other))
        broker.publish(0, body.replace(b'"version": 2', other))
    one.until(is_over(broker, one))
    assert len(broker.dead) == 4 and not one.display.events
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2, "once each"
    assert "version 1, expected 2" in said[0] and "update all" in said[0]


def test_a_message_is_json_and_samples():
    head, _, body = messages(track(), CHUNKS[:1])[0].partition(b"\n")
    assert json.loads(head)["call"] == "call-1" and len(body) == 2 * HOP_SAMPLES
    assert not any(isinstance(event, Gap) for event in listen(Bundled(), CHUNKS))


@pytest.mark.parametrize("at", [41, 100])
def test_a_bundle_encodes_only_its_window_again(at, shipped_bundle):
    """What it skips of the audio before that changes no score."""
    detector = installation(bundle=shipped_bundle).load(shipped_bundle)
    sound = load_speech(ROOT / "assets/demo.flac")[: 140 * HOP_SAMPLES]
    chunks = cut(flac_samples(flac_bytes(sound)), HOP_SAMPLES)
    arrived = [
        Arrived(Delivered(0, 0, k, True, b""), decode(body))
        for k, body in enumerate(messages(track(), chunks))
    ]
    first = TrackedCall(track(), 0, Future())
    first.start(monitor(detector))
    for one in arrived[:at]:
        first.receive(*one)
        first.monitor.feed(first.take(0.0)[0])
    position, state, clip = first.state(detector.window_hops, detector.period_hops)
    saved = Resumed(position.end, position.sequence, state, clip)

    def goes_on(skips) -> list[Score]:
        call, scores = TrackedCall(track(), 0, Future()), []
        for one in arrived:
            call.receive(*one)
        window = (detector.window_hops + detector.period_hops) * HOP_SAMPLES
        call.resume(saved, monitor(detector), window)
        while call.left():
            before, new = call.split(call.take(0.0)[0])
            if before is not None:
                again = call.monitor.hear_again(before)
                detector.push_many([Part(again.state, again.samples, skips(call, before))])
            if new is not None:
                scores += [e for e in call.monitor.feed(new) if isinstance(e, Score)]
        return scores

    skipped: list[Shed] = []

    def skips(call, before) -> Shed:
        skipped.append(call.skips(before))
        return skipped[-1]

    scores, wanted = goes_on(skips), goes_on(lambda *_: Shed.HOPS)
    assert [score.end for score in scores] == [at * HOP_SAMPLES + end for end in ENDS[: 140 - at]]
    assert [score.llr for score in scores] == pytest.approx([s.llr for s in wanted], abs=1e-4)
    assert {Shed.BLOCKS, Shed.HOPS} == set(skipped)
