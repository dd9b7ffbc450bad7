"""What the console says of recordings: what evaluate.py and detect.py say, whatever a stranger
sends.
"""

import io
import os
import threading

import numpy as np
import pytest
import soundfile
from fixtures_storage import until

from radd.files import encoded, load_speech

pytest.importorskip(
    "fastapi", reason="the console's packages are missing: pip install -e '.[serve]'"
)

from console.decoding import NAME, Decoders, Limits
from evaluation.audio_folder import AudioFolder
from evaluation.scoring import ClipScorer
from radd.errors import AudioError
from radd.types import SAMPLE_RATE_HZ, Alert, AlertState
from stream.capture.sources import DEMO

FORMS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
}
HOSTILE = '../../etc/<script>alert("1")</script>\r\n'


def as_file(samples: np.ndarray, kind: str, rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    if kind != "m4a":
        return encoded(samples.astype(np.float32), rate_hz, *FORMS[kind])
    av = pytest.importorskip("av")
    with io.BytesIO() as file:
        with av.open(file, "w", format="mp4") as container:
            stream = container.add_stream("aac", rate=rate_hz, layout="mono")
            frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "fltp", "mono")
            frame.rate = rate_hz
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
        return file.getvalue()


def predict(client, data: bytes, name: str = "recording.wav"):
    return client.post("/v1/predict", files={"file": (name, data)})


def problem(answer, status: int) -> str:
    """The sentence of a refusal."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == status and said["title"]
    return said["detail"]


@pytest.fixture(scope="module")
def takeover(speech):
    """A person, a synthetic voice, a pause: 23.5 s."""
    demo = load_speech(DEMO)
    return np.concatenate(
        (load_speech(speech), demo[: 14 * SAMPLE_RATE_HZ], np.zeros(38_600, np.float32))
    )


@pytest.mark.parametrize("kind", [*FORMS, "m4a"])
def test_law_predict_gives_the_score_of_evaluate_and_the_alerts_of_detect(
    console, loaded, events_of, takeover, tmp_path, kind
):
    data = as_file(takeover, kind)
    path = tmp_path / f"clip.{kind}"
    path.write_bytes(data)
    found = predict(console(), data, path.name).json()

    scored = ClipScorer(loaded, AudioFolder(tmp_path)).score("clip")
    assert found["llr"] == pytest.approx(scored.llr, abs=1e-4)

    events = events_of(load_speech(path))
    closed = [
        event for event in events if isinstance(event, Alert) and event.state is AlertState.CLOSE
    ]
    assert [(alert["began"], alert["ended"]) for alert in found["alerts"]] == [
        (event.began / SAMPLE_RATE_HZ, event.end / SAMPLE_RATE_HZ) for event in closed
    ]
    assert closed and found["model"] == loaded.name and found["warnings"] == []


def test_segments_are_one_a_second_without_gaps_and_say_which_part_is_synthetic(console, takeover):
    found = predict(console(), as_file(takeover, "flac")).json()
    segments = found["segments"]
    assert [segment["start"] for segment in segments] == list(range(len(segments)))
    assert [segment["end"] for segment in segments[:-1]] == [
        segment["start"] for segment in segments[1:]
    ]
    assert (
        segments[-1]["end"] == found["duration_s"] == pytest.approx(len(takeover) / SAMPLE_RATE_HZ)
    )
    person = [one["p_spoof"] for one in segments[2:6]]
    synthetic = [one["p_spoof"] for one in segments[10:20]]
    assert max(person) < 0.6 < 0.9 < min(synthetic)
    for one in segments:
        assert (one["p_spoof"] is None) == (one["verdict"] not in ("bonafide", "suspect", "spoof"))


@pytest.mark.parametrize("length_s", [0.05, 0.5, 3.0])
def test_what_holds_no_speech_has_a_reason_and_no_number(console, length_s):
    found = predict(console(), as_file(np.zeros(round(length_s * SAMPLE_RATE_HZ)), "wav")).json()
    assert found["llr"] is found["p_spoof"] is None and found["reason"]
    assert all(one["p_spoof"] is None for one in found["segments"]) and found["alerts"] == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"not a sound at all, but a text", "cannot be read as audio"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "cannot be read as audio"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "cannot be read as audio"),
        (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", "cannot be read as audio"),
    ],
)
def test_a_bad_file_is_refused_in_a_sentence_that_names_no_place_here(console, data, words):
    said = problem(predict(console(), data, HOSTILE), 422)
    assert words in said and "/tmp" not in said and "script" not in said


def test_a_truncated_file_is_judged_as_far_as_it_goes_and_says_so(console, takeover):
    data = as_file(takeover, "flac")
    found = predict(console(), data[: len(data) // 2]).json()
    assert found["llr"] is not None and "truncated" in found["warnings"][0]


def test_a_batch_keeps_its_order_and_one_bad_file_spoils_no_other(console, takeover):
    good = as_file(takeover[: 6 * SAMPLE_RATE_HZ], "ogg")
    sent = [("first.ogg", good), (HOSTILE.strip(), b"no sound"), ("third.ogg", good)]
    answer = console().post("/v1/predict/batch", files=[("files", one) for one in sent])
    first, second, third = answer.json()["results"]
    assert [first["file"], third["file"]] == ["first.ogg", "third.ogg"]
    for judged in (first, third):
        del judged["prediction"]["judged_utc"]  # one after the other
    assert first["prediction"] == third["prediction"] and first["problem"] is None
    assert second["prediction"] is None and second["problem"]["status"] == 422


def test_limits_on_size_count_and_form(console, takeover):
    client = console(max_upload_mb=1, max_batch=2)
    assert "1 MB" in problem(predict(client, bytes(1_050_000)), 413)
    assert "MB" in problem(predict(client, bytes(1_200_000)), 413)
    many = [("files", (f"{i}.wav", b"")) for i in range(3)]
    assert "at most 2" in problem(client.post("/v1/predict/batch", files=many), 413)
    assert "file" in problem(client.post("/v1/predict", data={"something": "else"}), 422)


def test_a_small_file_that_decodes_to_hours_is_stopped(console):
    bomb = as_file(np.zeros(130 * SAMPLE_RATE_HZ), "flac")
    assert len(bomb) < 100_000
    assert "at most 60 s" in problem(predict(console(max_duration_s=60), bomb), 422)


def test_a_decoder_has_its_memory_and_its_time_and_no_more(tmp_path):
    def decode(data: bytes, limits: Limits, length: int | None = None) -> int:
        (tmp_path / NAME).write_bytes(data)
        os.truncate(tmp_path / NAME, length or len(data))
        with Decoders(limits) as decoders, decoders.file(tmp_path) as sound:
            return sum(len(chunk.samples) for chunk in sound.chunks())

    wide = io.BytesIO()
    soundfile.write(wide, np.zeros((1000, 500), np.int16), 768_000, format="WAV")
    with pytest.raises(AudioError, match="64 MB"):
        decode(wide.getvalue(), Limits(30, 64, 60))
    hours, size = bytearray(encoded(np.zeros(0, np.int16), 192_000, "WAV", "PCM_16")), 1_600_000_000
    hours[4:8], hours[40:44] = (36 + size).to_bytes(4, "little"), size.to_bytes(4, "little")
    with pytest.raises(AudioError, match="more than 1 s"):
        decode(hours, Limits(1, 512, 86_400), 44 + size)
    assert decode(as_file(np.zeros(SAMPLE_RATE_HZ), "wav"), Limits(5, 64, 60)) == SAMPLE_RATE_HZ


def test_who_comes_when_all_places_are_taken_is_told_when_to_come_again(console, takeover):
    client = console(workers=1, queue=0)
    long, short = as_file(np.tile(takeover, 12), "wav"), as_file(takeover, "wav")
    answers = []
    busy = threading.Thread(target=lambda: answers.append(predict(client, long)))
    busy.start()
    until(lambda: "radd_recordings_waiting 1.0" in client.get("/metrics").text)
    refused = predict(client, short)
    busy.join()
    assert answers[0].status_code == 200
    assert "try again" in problem(refused, 503) and int(refused.headers["retry-after"]) >= 1
