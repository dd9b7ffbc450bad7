"""WS /v1/stream: what detect.py says of the same sound, in packets of any size."""

import io
import json

import numpy as np
import pytest
from test_console_recordings import as_file

from radd.containers import open_stream
from radd.resampling import convert
from stream.json_lines import as_json

pytest.importorskip(
    "fastapi", reason="the console's packages are missing: pip install -e '.[serve]'"
)

CLOSE = {"type": "close"}


def told(client, data: bytes, size: int, query: str = "") -> list[dict]:
    """What comes back for `data` in packets of `size` bytes."""
    with client.websocket_connect(f"/v1/stream{query}", headers={"Host": "localhost"}) as socket:
        for at in range(0, len(data), size):
            socket.send_bytes(data[at : at + size])
        socket.send_json(CLOSE)
        objects = []
        while (message := socket.receive())["type"] == "websocket.send":
            objects.append(json.loads(message["text"]))
        assert message["code"] == (1008 if objects and objects[-1]["type"] == "problem" else 1000)
    return objects


@pytest.fixture(scope="module")
def expected(events_of, speech_pcm):
    """What detect.py prints of the speech, but for ids and the clock."""
    return [
        as_json(event)
        for event in events_of(np.frombuffer(speech_pcm, "<i2").astype(np.float32) / 32768)
    ]


@pytest.mark.parametrize("size", [1001, 4096, 50_000])
def test_law_a_stream_is_judged_as_detect_judges_it_whatever_the_packets(
    console, speech_pcm, expected, size
):
    objects = told(console(), speech_pcm, size)
    assert [one["type"] for one in objects] == [one["type"] for one in expected]
    for found, wanted in zip(objects, expected, strict=True):
        assert (found["t"], found["verdict"]) == (wanted["t"], wanted["verdict"])
        assert found["llr"] == (
            wanted["llr"] if wanted["llr"] is None else pytest.approx(wanted["llr"], abs=1e-4)
        )
        assert found["latency_ms"] >= 0


def test_opus_is_heard_as_it_comes_whatever_the_packets(console, events_of, speech_pcm):
    data = as_file(np.frombuffer(speech_pcm, "<i2").astype(np.float32) / 32768, "opus")
    with open_stream(io.BytesIO(data)) as file:
        parts = [chunk.samples for chunk in convert(file.pieces())]
    expected = [as_json(event) for event in events_of(np.concatenate(parts))]
    objects = told(console(), data, 777, "?format=opus")
    assert [one["llr"] for one in objects if one["type"] == "score"] == [
        one["llr"] and pytest.approx(one["llr"], abs=1e-4)
        for one in expected
        if one["type"] == "score"
    ]


@pytest.mark.parametrize(
    ("query", "data", "words"),
    [
        ("?format=s13", b"", "expected one of"),
        ("?rate=5", b"", "5 Hz"),
        ("?channels=0", b"", "0 channels"),
        ("?format=opus", b"this is no Opus" * 100, "cannot be read as audio"),
    ],
)
def test_what_is_no_stream_is_told_so(console, query, data, words):
    objects = told(console(), data, 4096, query)
    assert objects[-1]["type"] == "problem" and words in objects[-1]["detail"]


def test_text_that_is_no_close_is_refused(console):
    with console().websocket_connect("/v1/stream", headers={"Host": "localhost"}) as socket:
        socket.send_text("[1, 2")
        assert "expected packets of audio" in socket.receive_json()["detail"]


def test_one_stream_too_many_is_told_to_come_later(console):
    client = console(streams=1)
    with client.websocket_connect("/v1/stream", headers={"Host": "localhost"}) as first:
        first.send_bytes(bytes(4096))
        assert first.receive_json()["type"] == "score"
        with client.websocket_connect("/v1/stream", headers={"Host": "localhost"}) as second:
            assert "streams are open" in second.receive_json()["detail"]
            assert second.receive()["code"] == 1013
    assert told(client, bytes(4096), 4096)[0]["verdict"] in ("warming_up", "no_speech")
