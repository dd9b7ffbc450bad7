"""Samples of speech that raised no alert."""

import pytest
from fixtures_detect import bundle_with, of_type
from fixtures_detector import STREAM_ID, cut, monitor, silence, voice
from fixtures_storage import rows, stream_info

from radd.calibration import Calibration
from radd.flac import clip_sha256
from radd.types import HOP_SAMPLES, Alert, AudioChunk, Gap, Sample
from storage.journal import Journal
from storage.records import SAMPLE
from storage.tables import alerts, clips, evidence
from stream.json_lines import as_json
from stream.sampling import SEGMENT_SAMPLES, Sampler
from stream.tap import ended, observed

ALL = 3600 * 16_000 / SEGMENT_SAMPLES


def heard(detector, chunks, per_hour=ALL, stream_id=STREAM_ID):
    stream, taps = monitor(detector, stream_id), [Sampler(per_hour, stream_id, 5)]
    events = [event for chunk in chunks for event in observed(taps, chunk, stream.feed(chunk))]
    return events + ended(taps, stream.flush())


def samples(events):
    return [event for event in events if isinstance(event, Sample)]


@pytest.mark.parametrize("size", [160, HOP_SAMPLES, 50_000])
def test_a_sample_is_the_sound_and_the_scores_of_its_stretch(brightness, size):
    sound = voice(1, 20, synthetic=False)
    first, second = samples(heard(brightness, cut(sound, size)))
    for sample, start in ((first, 0), (second, SEGMENT_SAMPLES)):
        assert (sample.start, sample.end, sample.gaps) == (start, start + SEGMENT_SAMPLES, 0)
        assert (sample.clip == sound[start : sample.end]).all()
        assert [end for end, _ in sample.trace] == [
            start + HOP_SAMPLES * (i + 1) for i in range(64)
        ]
        assert sample.min_llr == min(llr for _, llr in sample.trace if llr is not None) > 0
        assert [neighbour.id for neighbour in sample.neighbours] == ["dull-1", "bright-1"]
    assert first.id != second.id


def test_nothing_that_overlaps_an_alert_and_no_silence_is_a_sample(brightness):
    parts = [
        voice(1, 12, synthetic=False),
        voice(2, 9, synthetic=True),
        silence(17),
        voice(3, 25, synthetic=False),
    ]
    events = heard(brightness, [c for c in cut_all(parts)])
    opened, closed = [event for event in events if isinstance(event, Alert)]
    assert samples(events), "real speech was sampled"
    for sample in samples(events):
        assert sample.end <= opened.end or sample.start >= closed.end
        assert sum(llr is not None for _, llr in sample.trace) >= 32


def cut_all(parts):
    start = 0
    for part in parts:
        yield from cut(part, 7919, start)
        start += len(part)


def test_no_sample_straddles_a_gap(brightness):
    sound = voice(1, 30, synthetic=False)
    chunks = [
        AudioChunk(sound[:200_000], 0),
        AudioChunk(sound[200_000:], 250_000, cause="unplugged"),
    ]
    events = heard(brightness, chunks)
    assert any(isinstance(event, Gap) for event in events)
    assert [(sample.start, sample.gaps) for sample in samples(events)] == [
        (0, 0),
        (250_000, 1),
        (250_000 + SEGMENT_SAMPLES, 1),
    ]


def test_samples_are_drawn_at_the_rate_that_was_asked_for_and_the_same_again(brightness):
    chunks = cut(voice(1, 1200, synthetic=False), 100_000)
    drawn = samples(heard(brightness, chunks, per_hour=100))
    assert 15 <= len(drawn) <= 55, (
        "33 expected of a third of an hour, six standard deviations at most"
    )
    assert [s.start for s in samples(heard(brightness, chunks, per_hour=100))] == [
        s.start for s in drawn
    ]
    other = samples(
        heard(brightness, chunks, per_hour=100, stream_id="00000000-0000-4000-8000-000000000000")
    )
    assert [s.start for s in other] != [s.start for s in drawn]


def test_a_sampler_changes_nothing_else(brightness):
    chunks = cut(voice(2, 20, synthetic=True), 7919)
    plain = monitor(brightness)
    expected = [event for chunk in chunks for event in plain.feed(chunk)] + plain.flush()
    events = [event for event in heard(brightness, chunks) if not isinstance(event, Sample)]
    assert [repr(event) for event in events] == [repr(event) for event in expected]


def test_a_sample_is_kept_as_an_alert_is_and_told(brightness, settings):
    info = stream_info(id=STREAM_ID)
    (sample,) = samples(heard(brightness, cut(voice(1, 10, synthetic=False), 7919)))
    with Journal(settings, info) as journal:
        journal.write(sample)
        journal.write(sample)
    assert journal.problem is None
    (row,) = rows(settings.url, alerts)
    assert (row["id"], row["state"], row["review"], row["bundle"]) == (
        sample.id,
        SAMPLE,
        "pending",
        info.bundle,
    )
    assert (row["began_samples"], row["end_samples"]) == (0, SEGMENT_SAMPLES) and row[
        "ended_utc"
    ] > row["began_utc"]
    (clip,) = rows(settings.url, clips)
    assert (
        clip["sha256"]
        == row["clip_sha256"]
        == clip_sha256(sample.clip)
        == as_json(sample)["clip_sha256"]
    )
    assert len(rows(settings.url, evidence)) == 1


def test_detect_keeps_samples_where_it_is_asked_to_and_only_there(command, speech_pcm, tmp_path):
    trusting = bundle_with(
        tmp_path / "trusting", Calibration((1.0,), ((0.0, 5.0),), ((0.0, 0.0, 0.0, 5.0),))
    )
    command.environ["RADD_STORAGE_URL"] = url = f"sqlite:///{tmp_path}/radd.db"
    run = ["--bundle", trusting, "--source", "-"]
    assert of_type(command.events(*run, stdin=speech_pcm * 4), "sample") == []
    command.environ["RADD_STORAGE_SAMPLE_PER_HOUR"] = "400"
    assert of_type(command.events(*run, "--no-store", stdin=speech_pcm * 4), "sample") == []
    told = of_type(command.events(*run, stdin=speech_pcm * 8), "sample")
    kept = {row["id"]: row["clip_sha256"] for row in rows(url, alerts) if row["state"] == SAMPLE}
    assert kept == {event["id"]: event["clip_sha256"] for event in told} and kept
