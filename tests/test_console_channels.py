"""Uploads and streams of every form: containers are recognised, channels and tracks are judged."""

import numpy as np
import pytest
from fixtures_recordings import coded, columns_of, damaged, muxed
from test_console_recordings import predict, problem
from test_console_streams import told

from radd.files import load_speech

pytest.importorskip(
    "fastapi", reason="the console's packages are missing: pip install -e '.[serve]'"
)

from evaluation.audio_folder import AudioFolder
from evaluation.scoring import ClipScorer
from radd.types import SAMPLE_RATE_HZ
from stream.capture.sources import DEMO


@pytest.fixture(scope="module")
def fake():
    return load_speech(DEMO)[14 * SAMPLE_RATE_HZ : 22 * SAMPLE_RATE_HZ]


@pytest.fixture(scope="module")
def noise(fake):
    return np.random.default_rng(0).normal(0, 0.05, len(fake)).astype(np.float32)


def found(client, data, query=""):
    answer = client.post(f"/v1/predict{query}", files={"file": ("x.wav", data)})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_noise_beside_a_fake_and_a_fake_that_cancels_are_found(console, fake, noise):
    client = console()
    alone = found(client, coded(fake, "flac"))
    assert alone["llr"] < -1 and alone["warnings"] == []
    for both in ([noise, fake], [fake, -fake]):
        judged = found(client, coded(np.stack(both, 1), "flac"))
        assert judged["llr"] == pytest.approx(alone["llr"], abs=0.01)
        assert "holds 2 different channels" in judged["warnings"][0]


def test_of_two_voices_the_one_that_sounds_synthetic_is_told(console, speech, fake):
    client, person = console(), load_speech(speech)
    n = min(len(person), len(fake))
    data = coded(np.stack([person[:n], fake[:n]], 1), "flac")
    judged = found(client, data)
    assert judged["llr"] == found(client, data, "?use_channel=right")["llr"]
    assert judged["llr"] < found(client, data, "?use_channel=left")["llr"]
    assert "told here: right" in judged["warnings"][-1] and "left: " in judged["warnings"][-1]
    assert found(client, data, "?use_channel=mix")["warnings"] == []


def test_a_silent_first_track_is_not_the_answer(console, fake):
    film = muxed([columns_of(0 * fake), columns_of(fake)], "aac", "mp4")
    judged = found(console(), film)
    assert judged["llr"] is not None and "track 2" in judged["warnings"][0]
    assert found(console(), film, "?track=1")["llr"] is None


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?use_channel=middle", "expected mix, split, left, right"),
        ("?use_channel=3", "channel 3 was asked for"),
        ("?track=2", "track 2 was asked for"),
    ],
)
def test_a_channel_that_is_not_there_is_told(console, fake, query, words):
    data = coded(np.stack([fake, fake], 1), "wav")
    answer = console().post(f"/v1/predict{query}", files={"file": ("x.wav", data)})
    assert words in problem(answer, answer.status_code) and answer.status_code in (400, 422)


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3"])
def test_law_a_damaged_upload_has_the_score_of_evaluate(console, loaded, fake, tmp_path, kind):
    data = coded(np.tile(fake, 2), kind)
    data = data[: len(data) * 2 // 3] if kind == "wav" else damaged(data, 0.4, 3_000)
    (tmp_path / f"clip.{kind}").write_bytes(data)
    judged = predict(console(), data).json()
    scored = ClipScorer(loaded, AudioFolder(tmp_path)).score("clip")
    assert judged["llr"] == pytest.approx(scored.llr, abs=1e-4)
    assert "truncated or damaged" in judged["warnings"][0]


def test_joined_uploads_are_judged_to_the_end(console, fake):
    judged = found(console(), coded(fake, "mp3") + coded(np.repeat(fake, 3), "mp3", 48_000))
    assert judged["duration_s"] == pytest.approx(2 * len(fake) / SAMPLE_RATE_HZ, abs=0.3)
    assert judged["warnings"] == []


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg", "opus"])
@pytest.mark.parametrize("size", [333, 50_000])
def test_a_container_on_the_socket_is_recognised(console, fake, kind, size):
    data = coded(fake, kind)
    scores = [one for one in told(console(), data, size) if one["type"] == "score"]
    assert scores[-1]["t"] == pytest.approx(len(fake) / SAMPLE_RATE_HZ, abs=0.2)
    measured = [one["llr"] for one in scores if one["llr"] is not None]
    assert len(measured) > 10 and np.mean(measured) < 0


def test_a_gap_in_a_container_on_the_socket_is_an_event(console, fake):
    objects = told(console(), damaged(coded(np.tile(fake, 2), "flac"), 0.5, 3_000), 5_000)
    assert any(one["type"] == "gap" for one in objects)
    assert objects[-1]["type"] == "problem" and "damaged" in objects[-1]["detail"]
