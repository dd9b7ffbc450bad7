"""Calls that come in: tracks, ids, refusals, broken connections, and what each listener reads."""

import asyncio
import base64
import contextlib
import io
import json
import socket
import ssl
import subprocess
import uuid

import numpy as np
import pytest
import soundfile
import websockets
from fixtures_calls import (
    SETTINGS,
    TONE,
    listening,
    mulaw,
    packet,
    sending,
    texts,
    twilio_messages,
)
from fixtures_patience import PATIENCE_S
from websockets.exceptions import ConnectionClosed, InvalidStatus

from radd.errors import ConfigError, DeviceError
from radd.types import SAMPLE_RATE_HZ
from stream.calls.dialects import message, start
from stream.calls.listeners import call_server
from stream.calls.twilio import signature_of

PCM = TONE.tobytes()


async def send(url, *messages, headers=None, close=None):
    """Send the messages, and wait until the listener closes the connection; how it closed."""
    async with websockets.connect(url, additional_headers=headers or {}) as socket:
        with contextlib.suppress(ConnectionClosed):  # refused before the last one
            for one in messages:
                await socket.send(one)
        if close is not None:
            await socket.close(close)
        await socket.wait_closed()
        return socket.close_code, socket.close_reason


def break_off(url, *messages):
    """Send the messages, and cut the connection without a word."""

    async def work():
        connection = await websockets.connect(url)
        for one in messages:
            await connection.send(one)
        await connection.ping()
        connection.transport.abort()

    sending(work())


# ---- ws://


@pytest.mark.parametrize(
    ("query", "data"),
    [
        ("rate=8000", PCM),
        ("rate=8000&format=f32le", (TONE / 32_768).astype("<f4").tobytes()),
        ("rate=8000&format=mulaw", mulaw(TONE)),
    ],
)
def test_a_call_over_a_websocket_is_heard_whole(query, data):
    with listening("ws://127.0.0.1:0/calls") as calls:
        url = f"{calls.url}?{query}&call=A1&track=agent"
        sending(send(url, data[:333], data[333:4_444], data[4_444:], '{"type": "close"}'))
        heard = calls.next().to_the_end()
    assert (heard.call.id, heard.call.track, heard.source.native_rate_hz) == ("A1", "agent", 8_000)
    assert heard.source.name == "ws A1 agent" and not heard.causes
    assert len(heard.samples) == SAMPLE_RATE_HZ
    expected = np.sin(np.arange(SAMPLE_RATE_HZ) * 0.15) * 8_000 / 32_768
    np.testing.assert_allclose(heard.samples[500:-500], expected[500:-500], atol=0.02)


def test_each_channel_of_a_websocket_is_a_track():
    stereo = np.stack([TONE, np.zeros_like(TONE)], axis=1).tobytes()
    with listening("ws://127.0.0.1:0/calls") as calls:
        sending(send(f"{calls.url}?rate=8000&channels=2", stereo[:777], stereo[777:], close=1000))
        tracks = [calls.next().to_the_end() for _ in range(2)]
    assert [heard.call.track for heard in tracks] == ["left", "right"]
    assert len({heard.call.id for heard in tracks}) == 1
    assert [bool(heard.samples.any()) for heard in tracks] == [True, False]


def test_ogg_opus_over_a_websocket_is_decoded():
    file = io.BytesIO()
    soundfile.write(file, TONE.repeat(6), 48_000, format="OGG", subtype="OPUS")
    data = file.getvalue()
    with listening("ws://127.0.0.1:0/calls") as calls:
        sending(send(f"{calls.url}?format=opus", data[:1_000], data[1_000:], '{"type": "close"}'))
        heard = calls.next().to_the_end()
    assert len(heard.samples) == pytest.approx(SAMPLE_RATE_HZ, rel=0.02)


def test_a_call_that_breaks_off_and_comes_back_is_the_same_stream_with_a_gap():
    with listening("ws://127.0.0.1:0/calls") as calls:
        url = f"{calls.url}?rate=8000&call=A1"
        break_off(url, PCM)
        heard = calls.next().until(lambda heard: len(heard.samples) > 15_000)
        sending(send(url, PCM, '{"type": "close"}'))
        heard.to_the_end()
        assert calls.none_has_come()
    assert len(heard.samples) == 2 * SAMPLE_RATE_HZ and heard.source.stats()["reopened"] == 1
    assert heard.chunks[-1].end > 2 * SAMPLE_RATE_HZ and heard.causes
    ends = np.array([chunk.end for chunk in heard.chunks])
    assert (np.diff(ends) >= 0).all()


def test_a_call_that_does_not_come_back_ends():
    with listening("ws://127.0.0.1:0/calls", reconnect_s=0.1) as calls:
        break_off(f"{calls.url}?rate=8000&call=A1", PCM)
        assert len(calls.next().to_the_end().samples) == SAMPLE_RATE_HZ


def test_a_track_that_falls_silent_is_reported_until_it_goes_on():
    async def stall(url):
        async with websockets.connect(url) as connection:
            await connection.send(PCM)
            heard = await asyncio.to_thread(calls.next)
            await asyncio.to_thread(heard.until, lambda heard: heard.causes)
            await connection.send(PCM)
            await connection.send('{"type": "close"}')
            await connection.wait_closed()
        return heard.to_the_end()

    with listening("ws://127.0.0.1:0/calls", stall_s=0.25) as calls:
        heard = sending(stall(f"{calls.url}?rate=8000&call=A1"))
    assert heard.causes[0] == "ws A1 1 sends no audio"
    assert len(heard.samples) == 2 * SAMPLE_RATE_HZ
    assert heard.chunks[-1].end > 2.2 * SAMPLE_RATE_HZ


def test_a_call_beyond_the_limit_is_refused_and_the_others_go_on():
    async def three(url):
        async with websockets.connect(f"{url}&call=A1") as one:
            await one.send(PCM)
            await asyncio.to_thread(tracks.append, await asyncio.to_thread(calls.next))
            with pytest.raises(InvalidStatus) as refused:
                await websockets.connect(f"{url}&call=A2")
            await one.send('{"type": "close"}')
            await one.wait_closed()
        tracks[0].to_the_end()
        await send(f"{url}&call=A3", PCM, '{"type": "close"}')
        return refused.value.response

    tracks = []
    with listening("ws://127.0.0.1:0/calls", streams=1) as calls:
        response = sending(three(f"{calls.url}?rate=8000"))
        assert calls.next().to_the_end().call.id == "A3"
    assert response.status_code == 503 and b"[calls] streams allows" in response.body
    assert len(tracks[0].samples) == SAMPLE_RATE_HZ


def test_a_stopped_stream_ends_its_call_and_does_not_come_back():
    async def stopped(url):
        async with websockets.connect(url) as connection:
            await connection.send(PCM)
            heard = await asyncio.to_thread(calls.next)
            heard.source.stop()
            await connection.wait_closed()
            reason = connection.close_reason
        return reason, await send(url, PCM)

    with listening("ws://127.0.0.1:0/calls") as calls:
        reason, again = sending(stopped(f"{calls.url}?rate=8000&call=A1"))
    assert reason == "the call was stopped here" and "stopped here" in again[1]


@pytest.mark.parametrize(
    ("query", "message", "why"),
    [
        ("format=mp3", PCM, "format 'mp3': expected one of"),
        ("rate=3", PCM, "rate '3': expected 1000 to 384000"),
        ("channels=99", PCM, "channels '99': expected 1 to 8"),
        ("rate=8000", "hello", "text 'hello': expected binary audio"),
    ],
)
def test_what_cannot_be_heard_is_refused_with_what_was_expected(query, message, why):
    with listening("ws://127.0.0.1:0/calls") as calls:
        code, reason = sending(send(f"{calls.url}?{query}", message))
    assert code == 1008 and why in reason


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/calls", {}, 401),
        ("/calls", {"Authorization": "Bearer wrong-wrong-wrong-wrong"}, 401),
        ("/elsewhere", {"Authorization": "Bearer 0123456789abcdef"}, 404),
    ],
)
def test_a_websocket_with_a_token_lets_nobody_else_in(path, headers, status):
    with (
        listening("ws://127.0.0.1:0/calls", token="0123456789abcdef") as calls,
        pytest.raises(InvalidStatus) as refused,
    ):
        sending(send(calls.url.replace("/calls", path), headers=headers))
    assert refused.value.response.status_code == status


def test_the_right_token_opens_a_websocket():
    with listening("ws://127.0.0.1:0/calls", token="0123456789abcdef") as calls:
        headers = {"Authorization": "Bearer 0123456789abcdef"}
        sending(send(f"{calls.url}?rate=8000", PCM, '{"type": "close"}', headers=headers))
        assert len(calls.next().to_the_end().samples) == SAMPLE_RATE_HZ


def test_a_sender_that_is_not_named_is_refused():
    with (
        listening("ws://127.0.0.1:0/calls?from=192.0.2.0/24") as calls,
        pytest.raises(InvalidStatus) as refused,
    ):
        sending(send(calls.url))
    assert refused.value.response.status_code == 403


def test_only_details_that_config_names_are_kept():
    with listening("ws://127.0.0.1:0/calls", keep="from, Agent") as calls:
        query = "rate=8000&from=%2B44&agent=7&secret=x"
        sending(send(f"{calls.url}?{query}", PCM, '{"type": "close"}'))
        assert dict(calls.next().to_the_end().call.details) == {"from": "+44", "agent": "7"}


# ---- twilio://


def test_each_track_of_a_twilio_call_is_a_stream():
    messages = texts(twilio_messages(TONE, tracks=("inbound", "outbound")))
    with listening("twilio://127.0.0.1:0/calls") as calls:
        sending(send(calls.url, *messages))
        tracks = [calls.next().to_the_end() for _ in range(2)]
    assert [heard.source.name for heard in tracks] == ["twilio CA1 inbound", "twilio CA1 outbound"]
    for heard in tracks:
        assert len(heard.samples) == SAMPLE_RATE_HZ and not heard.causes


def test_frames_that_come_in_another_order_are_sorted_and_missing_ones_are_a_gap():
    messages = texts(twilio_messages(np.arange(8_000).astype("<i2")))
    swapped = messages[:10] + [messages[11], messages[10]] + messages[12:20] + messages[30:]
    with listening("twilio://127.0.0.1:0/calls") as calls:
        sending(send(calls.url, *swapped))
        heard = calls.next().to_the_end()
    assert heard.causes == ["the sender left audio out"]
    assert len(heard.samples) == 0.8 * SAMPLE_RATE_HZ and heard.chunks[-1].end == SAMPLE_RATE_HZ
    slope = np.diff(heard.samples[200:4_000])
    assert slope.min() > -0.01, "the ramp rises: no frame is out of its place"


@pytest.mark.parametrize(
    "start_message",
    [
        {
            "event": "start",
            "sequence_number": "1",
            "stream_id": "32DE0DEA",
            "start": {
                "user_id": "u1",
                "call_control_id": "v2:T02llQ",
                "from": "+1312",
                "custom_parameters": {"customer": "7"},
                "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
            },
        },
        {
            "event": "start",
            "sequenceNumber": 0,
            "start": {
                "callId": "v2:T02llQ",
                "streamId": "s1",
                "tracks": ["inbound"],
                "from": "+1312",
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
            },
            "extra_headers": '{"customer": "7"}',
        },
    ],
    ids=["telnyx", "plivo"],
)
def test_dialects_of_media_streams_are_the_same_call(start_message):
    messages = list(twilio_messages(TONE))
    messages[1] = start_message
    with listening("twilio://127.0.0.1:0/calls", keep="from,customer") as calls:
        sending(send(calls.url, *texts(messages)))
        heard = calls.next().to_the_end()
    assert heard.call.id == "v2:T02llQ" and heard.call.track == "inbound"
    assert dict(heard.call.details) == {"from": "+1312", "customer": "7"}
    assert len(heard.samples) == SAMPLE_RATE_HZ


def test_a_twilio_call_shows_by_its_signature_that_it_may_come():
    token = "0123456789abcdef"
    messages = texts(twilio_messages(TONE))
    with listening("twilio://127.0.0.1:0/calls", twilio_token=token) as calls:
        for url in (calls.url, calls.url.replace("ws:", "wss:")):
            headers = {"X-Twilio-Signature": signature_of(token, url)}
            sending(send(calls.url, *messages, headers=headers))
            assert len(calls.next().to_the_end().samples) == SAMPLE_RATE_HZ
        for wrong in ({}, {"X-Twilio-Signature": signature_of("another", calls.url)}):
            with pytest.raises(InvalidStatus):
                sending(send(calls.url, *messages, headers=wrong))


def test_a_simulator_of_media_streams_that_others_wrote_is_heard_whole():
    api = pytest.importorskip("streamdouble.api", reason="streamdouble is missing")
    from streamdouble.session import SessionConfig

    frames = [mulaw(TONE[at : at + 160]) for at in range(0, len(TONE), 160)]
    quiet = {"response_timeout_s": 0.2, "quiet_period_s": 0.1, "max_drain_s": 0.2}
    config = SessionConfig(custom_parameters={"agent": "7"}, **quiet)
    with listening("twilio://127.0.0.1:0/calls", keep="agent") as calls:
        report = api.call_sync(calls.url, frames=frames, config=config)
        heard = calls.next().to_the_end()
    assert not report.violations and dict(heard.call.details) == {"agent": "7"}
    assert len(heard.samples) >= SAMPLE_RATE_HZ and heard.call.track == "inbound"


def test_a_custom_parameter_may_carry_the_token_and_is_not_kept():
    token = "0123456789abcdef"
    with listening("twilio://127.0.0.1:0/calls", token=token, keep="token,agent") as calls:
        parameters = {"token": token, "agent": "7"}
        sending(send(calls.url, *texts(twilio_messages(TONE, parameters=parameters))))
        assert dict(calls.next().to_the_end().call.details) == {"agent": "7"}
        code, reason = sending(send(calls.url, *texts(twilio_messages(TONE))[:3]))
        assert code == 1008 and "parameter token is not valid" in reason


def test_a_signature_is_that_of_the_documentation():
    """HMAC-SHA1 of the address under the token, in base64, as `openssl dgst` computes it."""
    url, token = "wss://radd.example/calls", "0123456789abcdef"
    command = ["openssl", "dgst", "-sha1", "-hmac", token, "-binary"]
    made = subprocess.run(command, input=url.encode(), capture_output=True, check=True).stdout
    assert signature_of(token, url) == base64.b64encode(made).decode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "expected a JSON object"),
        ('{"event": "start"}', "without its object"),
        ('{"event": "start", "start": {}}', "expected the call's id"),
        (
            '{"event": "start", "start": {"callSid": "x", "mediaFormat": {"encoding": "G722"}}}',
            "audio g722",
        ),
    ],
)
def test_a_twilio_message_that_makes_no_sense_is_refused(text, why):
    with listening("twilio://127.0.0.1:0/calls") as calls:
        code, reason = sending(send(calls.url, text))
    assert code == 1008 and why in reason


def test_parameters_of_plivo_may_be_pairs():
    said = message(
        json.dumps({"event": "start", "start": {"callId": "c"}, "extra_headers": "{X-PH-a: 1,b=2}"})
    )
    assert start(said).details["b"] == "2"


# ---- audiosocket://

ID = uuid.UUID(int=7)


def dialled(calls, *packets, close=True):
    """Send packets of AudioSocket; what came back until the listener closed the connection."""
    with socket.create_connection(("127.0.0.1", calls.listener.port), PATIENCE_S) as connection:
        for one in packets:
            connection.sendall(one)
        if close:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(100):
            answer += data
    return answer


@pytest.mark.parametrize(
    ("kind", "rate_hz"), [(0x10, 8_000), (0x12, 16_000), (0x16, 48_000), (0x18, 192_000)]
)
def test_an_audiosocket_call_is_heard_whole(kind, rate_hz):
    data = np.zeros(rate_hz, "<i2").tobytes()
    frames = [packet(kind, data[at : at + 6_400]) for at in range(0, len(data), 6_400)]
    with listening("audiosocket://127.0.0.1:0") as calls:
        dialled(calls, packet(0x01, ID.bytes), *frames, packet(0x03, b"5"), packet(0x00))
        heard = calls.next().to_the_end()
    assert (heard.call.id, heard.call.track) == (str(ID), "1")
    assert heard.source.native_rate_hz == rate_hz and len(heard.samples) == SAMPLE_RATE_HZ


def test_closing_an_audiosocket_is_a_hang_up():
    with listening("audiosocket://127.0.0.1:0", reconnect_s=600) as calls:
        dialled(calls, packet(0x01, ID.bytes), packet(0x10, PCM))
        assert len(calls.next().to_the_end().samples) == SAMPLE_RATE_HZ


@pytest.mark.parametrize(
    ("packets", "why"),
    [
        ([packet(0x10, PCM)], "first packet has type 0x10"),
        ([packet(0x01, b"short")], "first packet has type 0x01"),
        ([packet(0x01, ID.bytes), packet(0x77)], "unknown type 0x77"),
        ([packet(0x01, ID.bytes), packet(0x10, PCM), packet(0x12, PCM)], "from type 0x10 to 0x12"),
    ],
)
def test_what_is_no_audiosocket_is_hung_up_with_one_line(packets, why, caplog):
    with listening("audiosocket://127.0.0.1:0") as calls:
        assert dialled(calls, *packets, close=False) == packet(0x00)
    assert [why in record.getMessage() for record in caplog.records] == [True]


# ---- what all listeners share


@pytest.mark.parametrize(
    "url",
    [
        "ws://192.0.2.1:9000/calls",
        "twilio://0.0.0.0:9000/calls",
        "audiosocket://0.0.0.0:9000",
        "rtp://0.0.0.0:9000",
        "ws://127.0.0.1/calls",
        "ws://radd.example:9000/calls",
        "gopher://127.0.0.1:9000",
        "ws://127.0.0.1:9000/calls?colour=red",
        "ws://127.0.0.1:9000/calls?cert=a.pem",
        "ws://127.0.0.1:9000/calls?cert=missing.pem&key=missing.pem",
        "audiosocket://127.0.0.1:9000?from=everywhere",
        "ws://127.0.0.1:99999/",
        "ws://user:secret@127.0.0.1:9000/",
        "sdp:missing.sdp",
        "rtp://127.0.0.1:9000?format=speex",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_before_anything_is_open(url):
    with pytest.raises(ConfigError) as told:
        call_server([url], SETTINGS)
    assert "secret" not in str(told.value)


def test_a_port_that_is_taken_is_reported():
    with (
        listening("audiosocket://127.0.0.1:0") as calls,
        pytest.raises(DeviceError, match="a port that is free"),
        call_server([f"audiosocket://127.0.0.1:{calls.listener.port}"], SETTINGS),
    ):
        pass


def test_a_listener_with_a_certificate_speaks_tls(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    subprocess.run(
        [*command, "-keyout", key, "-out", cert, "-subj", "/CN=localhost"],
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(cafile=cert)
    context.check_hostname = False

    async def secure(url):
        async with websockets.connect(url, ssl=context) as connection:
            await connection.send(PCM)
            await connection.send('{"type": "close"}')
            await connection.wait_closed()

    with listening(f"ws://127.0.0.1:0/calls?cert={cert}&key={key}") as calls:
        sending(secure(f"{calls.url.replace('ws:', 'wss:')}?rate=8000"))
        assert len(calls.next().to_the_end().samples) == SAMPLE_RATE_HZ


def test_when_the_program_ends_what_was_sent_is_still_heard():
    async def interrupted(url):
        async with websockets.connect(url) as connection:
            await connection.send(PCM)
            heard = await asyncio.to_thread(calls.next)
            await asyncio.to_thread(heard.until, lambda heard: heard.chunks)
            await asyncio.to_thread(calls.server.close)
            with pytest.raises(ConnectionClosed):
                await connection.recv()
        return heard

    with listening("ws://127.0.0.1:0/calls") as calls:
        heard = sending(interrupted(f"{calls.url}?rate=8000")).to_the_end()
    assert len(heard.samples) == SAMPLE_RATE_HZ
