"""Whatever a sender sends: each listener goes on, with one clear line and nothing left behind."""

import asyncio
import json
import logging
import os
import random
import uuid

import numpy as np
import pytest
import websockets
from fixtures_calls import SETTINGS, TONE, listening, packet, sending, texts, twilio_messages
from fixtures_fuzz import inputs
from fixtures_rtp import bye, packets
from fixtures_rtp import send as send_rtp
from hypothesis import given, settings
from hypothesis import strategies as st

from radd.types import SAMPLE_RATE_HZ
from stream.calls.admission import Admission, CallRefused
from stream.calls.sdp import tracks
from stream.calls.twilio import TwilioReader
from stream.calls.ws import WsReader

FEW = 60
AT_ONCE = 20
ID = uuid.UUID(int=7).bytes
VALID = texts(twilio_messages(TONE[:480], tracks=("inbound", "outbound")))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
NAMES = ("event", "start", "media", "callSid", "tracks", "mediaFormat", "encoding", "sampleRate")
NAMES += ("payload", "timestamp", "chunk", "track", "customParameters", "extra_headers")


def mutated(data, rng):
    """Bytes with some of them changed, left out, repeated or added."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(data) + 1), rng.choice((1, 1, 2, 5, 40))
        kind = rng.randrange(4)
        if kind == 0:
            data[at : at + length] = rng.randbytes(min(length, max(0, len(data) - at)))
        elif kind == 1:
            del data[at : at + length]
        elif kind == 2:
            data[at:at] = data[at : at + length]
        else:
            data[at:at] = rng.randbytes(length)
    return bytes(data)


def read_all(make, messages):
    """Let a reader take messages, as a connection would; only a refusal may end it early."""

    async def connection():
        admission = Admission(SETTINGS)
        reader = None
        try:
            reader = make(admission)
            for one in messages:
                if not reader.read(one):
                    break
        except CallRefused as refused:
            assert str(refused)
        if reader is not None and reader.line is not None:
            reader.line.hang_up()
        for source in admission.take():
            assert source.is_over or hasattr(source, "pipe")
            source.stop()
        assert not admission._places and not admission._lines

    asyncio.run(connection())


@given(
    st.lists(
        st.dictionaries(st.sampled_from(NAMES), JSON, max_size=5).map(json.dumps)
        | st.sampled_from(VALID)
        | st.text(max_size=30)
        | st.binary(max_size=30),
        max_size=6,
    )
)
@settings(max_examples=inputs(FEW))
def test_any_messages_of_a_media_stream_are_read_or_refused(messages):
    read_all(lambda admission: TwilioReader(admission, True), messages)


@given(
    st.dictionaries(
        st.sampled_from(("format", "rate", "channels", "call", "track", "x")),
        st.text(max_size=9) | st.sampled_from(("8000", "2", "mulaw", "s24le", "A1", "opus")),
    ),
    st.lists(st.binary(max_size=50) | st.text(max_size=20), max_size=5),
)
@settings(max_examples=inputs(FEW))
def test_any_query_and_messages_of_a_websocket_are_read_or_refused(query, messages):
    read_all(lambda admission: WsReader(admission, query), messages)


@given(st.lists(st.sampled_from(("v=0", "m=audio 4 RTP/AVP 0", "c=IN IP4 ::1")) | st.text()))
@settings(max_examples=inputs(FEW))
def test_any_session_description_is_read_or_refused(lines):
    from radd.errors import ConfigError

    try:
        found = tracks("\n".join(lines), "call.sdp")
    except ConfigError:
        return
    assert all(track.description.endswith(b"\r\n") for track in found)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def in_groups(count, one, seed):
    """`count` connections, some of them at the same time; each gets its own random numbers."""

    async def group():
        for start in range(0, count, AT_ONCE):
            numbers = range(start, min(count, start + AT_ONCE))
            await asyncio.gather(*(one(random.Random(f"{seed} {k}")) for k in numbers))

    asyncio.run(group())


async def turns(count):
    """Let the loop of the network read as many datagrams."""
    for _ in range(count):
        await asyncio.sleep(0)


def drained(calls):
    """Nobody judges here: end what has come."""
    for source in calls.admission.take():
        source.stop()


@pytest.mark.parametrize("scheme", ["twilio", "ws"])
def test_mutated_messages_leave_a_websocket_listener_as_it_was(scheme, tried, caplog):
    caplog.set_level(logging.WARNING)
    count = inputs(FEW)
    with listening(f"{scheme}://127.0.0.1:0/calls", reconnect_s=0, streams=10_000) as calls:
        calls.server.notify(lambda: drained(calls))
        before = descriptors()

        async def one(rng):
            tried()
            try:
                async with websockets.connect(calls.url) as connection:
                    for text in VALID[: rng.randint(1, len(VALID))]:
                        data = mutated(text.encode(), rng)
                        is_text = scheme == "twilio" and rng.random() < 0.9
                        await connection.send(data.decode("utf-8", "replace") if is_text else data)
            except (websockets.exceptions.WebSocketException, TimeoutError):
                pass

        in_groups(count, one, scheme)
        calls.settle()
        assert len(caplog.records) <= 2 * count and descriptors() == before
        calls.server.notify(lambda: [calls._come.put(source) for source in calls.server.take()])
        if scheme == "twilio":
            good = texts(twilio_messages(TONE, call="good"))
        else:
            good = [TONE.astype("<i2").tobytes(), '{"type": "close"}']
        sending(_send(calls.url + ("" if scheme == "twilio" else "?rate=8000"), good))
        assert_heard_whole(calls)
    assert not [one for one in caplog.records if one.exc_info], "a refusal has no traceback"


def assert_heard_whole(calls, share=1.0):
    """The next call of a second is heard; what comes before it is left of mutated ones."""
    while len(calls.next().to_the_end().samples) < share * SAMPLE_RATE_HZ:
        pass


async def _send(url, messages):
    async with websockets.connect(url) as connection:
        for one in messages:
            await connection.send(one)
        await connection.wait_closed()


def test_mutated_packets_leave_an_audiosocket_listener_as_it_was(tried, caplog):
    caplog.set_level(logging.WARNING)
    count = inputs(FEW)
    whole = packet(0x01, ID) + packet(0x10, TONE[:320].tobytes()) * 3 + packet(0x03, b"1")
    with listening("audiosocket://127.0.0.1:0", reconnect_s=0, streams=10_000) as calls:
        calls.server.notify(lambda: drained(calls))
        before = descriptors()

        async def one(rng):
            tried()
            reader, writer = await asyncio.open_connection("127.0.0.1", calls.listener.port)
            try:
                writer.write(mutated(whole, rng))
                if rng.random() < 0.9:
                    writer.write_eof()
                    await reader.read()
            except ConnectionError:
                pass
            writer.close()

        in_groups(count, one, "audiosocket")
        calls.settle()
        assert len(caplog.records) <= 2 * count and descriptors() == before
        calls.server.notify(lambda: [calls._come.put(source) for source in calls.server.take()])

        async def good():
            reader, writer = await asyncio.open_connection("127.0.0.1", calls.listener.port)
            writer.write(packet(0x01, uuid.UUID(int=8).bytes) + packet(0x10, TONE.tobytes()))
            writer.write(packet(0x00))
            await reader.read()
            writer.close()

        sending(good())
        assert_heard_whole(calls)
    assert not [one for one in caplog.records if one.exc_info], "a refusal has no traceback"


def test_mutated_rtp_leaves_a_listener_as_it_was(tried):
    count, rng = inputs(FEW), random.Random("rtp")
    tone = (0.3 * np.sin(np.arange(8_000) * 0.3)).astype(np.float32)
    made = packets(tone, "pcmu")
    with listening("rtp://127.0.0.1:0?format=pcmu") as calls:
        calls.server.notify(lambda: None)
        for start in range(0, count, 50):
            bad = [mutated(rng.choice(made), rng) for _ in range(min(50, count - start))]
            for _ in bad:
                tried()
            send_rtp(calls.listener.port, [*bad, bye()])
            calls.server._call(
                turns(2 * len(bad) + 10)
            )  # what the kernel dropped would test nothing
            drained(calls)
        calls.server.notify(lambda: [calls._come.put(source) for source in calls.server.take()])
        send_rtp(calls.listener.port, [bye(), *made, bye()])
        assert_heard_whole(calls, 0.9)
