"""Calls in, verdicts out: a synthetic caller by RTP, AudioSocket and Twilio, notified once each."""

import asyncio
import base64
import io
import json
import signal
import socket
import uuid

import pytest
import soundfile as sf
import soxr
from fixtures_detect import wait_for
from fixtures_notify import SECRET, free_port
from fixtures_patience import PATIENCE_S
from fixtures_rtp import bye, packets, send
from fixtures_storage import rows, until

from storage.tables import alerts, clips

websockets = pytest.importorskip(
    "websockets", reason="websockets is not installed: pip install -e '.[calls]'"
)
RATE_HZ, FRAME = 8_000, 160  # 20 ms, as exchanges send
AUDIO, HANG_UP, CALL_ID = 0x10, 0x00, 0x01


@pytest.fixture(scope="session")
def narrow(synthetic):
    """The synthetic voice as telephones carry it: float (n,), 8 kHz."""
    samples, rate_hz = sf.read(synthetic)
    return soxr.resample(samples, rate_hz, RATE_HZ)


def encoded(samples, subtype):
    file = io.BytesIO()
    sf.write(file, samples, RATE_HZ, format="RAW", subtype=subtype, endian="LITTLE")
    return file.getvalue()


def call_by_audiosocket(port, call, samples):
    pcm, size = encoded(samples, "PCM_16"), 2 * FRAME
    packets = [(CALL_ID, call.bytes)]
    packets += [(AUDIO, pcm[at : at + size]) for at in range(0, len(pcm), size)] + [(HANG_UP, b"")]
    with socket.create_connection(("127.0.0.1", port)) as exchange:
        for kind, data in packets:
            exchange.sendall(bytes([kind]) + len(data).to_bytes(2, "big") + data)
        assert exchange.recv(3)  # the daemon hangs up too: it has read everything


def call_by_twilio(port, call, samples):
    said = encoded(samples, "ULAW")
    start = {
        "callSid": call,
        "tracks": ["inbound", "outbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": RATE_HZ, "channels": 1},
        "customParameters": {"agent": "ann", "from": "+15550100"},
    }
    messages = [{"event": "connected"}, {"event": "start", "start": start}]
    for number, at in enumerate(range(0, len(said), FRAME)):
        payload = base64.b64encode(said[at : at + FRAME]).decode()
        media = {"track": "inbound", "chunk": number + 1, "timestamp": 20 * number}
        messages.append({"event": "media", "media": media | {"payload": payload}})

    async def send():
        async with websockets.connect(f"ws://127.0.0.1:{port}/calls", proxy=None) as exchange:
            for message in [*messages, {"event": "stop"}]:
                await exchange.send(json.dumps(message))
            await exchange.wait_closed()

    asyncio.run(send())


def test_each_synthetic_caller_is_stored_and_notified_once(
    command, receiver, mailbox, mosquitto, subscriber, narrow, suspicious_bundle
):
    command.environ |= {
        "RADD_NOTIFY_WEBHOOK": receiver.url,
        "RADD_NOTIFY_WEBHOOK_SECRET": SECRET,
        "RADD_NOTIFY_URLS": mailbox.url,
        "RADD_NOTIFY_MQTT": mosquitto.url,
        "RADD_NOTIFY_GROUP_S": "0",
        "RADD_NOTIFY_TIMEOUT_S": "60",
        "RADD_NOTIFY_ANSWER_AFTER_S": "3600",
        "RADD_CALLS_QUEUE_S": "60",  # the calls come faster than they were spoken
        "RADD_CALLS_KEEP": "agent",
    }
    rtp, *ports = free_port(), free_port(), free_port()
    listen = [
        f"rtp://127.0.0.1:{rtp}?format=pcmu",
        f"audiosocket://127.0.0.1:{ports[0]}",
        f"twilio://127.0.0.1:{ports[1]}/calls",
    ]
    arguments = [part for url in listen for part in ("--listen", url)]
    daemon = command.start("--json", *arguments, "--bundle", suspicious_bundle)
    until(lambda: all(answers(port) for port in ports))
    send(rtp, [*packets(narrow, "pcmu"), bye()])
    forked = wait_for(daemon, "stopped")["call"]
    asterisk, twilio = uuid.uuid4(), "CA0123456789"
    call_by_audiosocket(ports[0], asterisk, narrow)
    wait_for(daemon, "stopped", call=str(asterisk))
    call_by_twilio(ports[1], twilio, narrow)
    ended = [wait_for(daemon, "stopped", call=twilio)["track"] for _ in range(2)]
    assert set(ended) == {"inbound", "outbound"}
    daemon.send_signal(signal.SIGTERM)
    daemon.communicate(timeout=PATIENCE_S)
    stored = rows(f"sqlite:///{command.directory}/radd.db", alerts)
    assert len(stored) == len(rows(f"sqlite:///{command.directory}/radd.db", clips)) == 3
    told = {message["id"]: message for message in receiver.messages}
    assert len(told) == len(receiver.requests) == 9
    expected = [(forked, "1", {}), (str(asterisk), "1", {}), (twilio, "inbound", {"agent": "ann"})]
    for call, track, kept in expected:
        of_call = {m["type"]: m for m in told.values() if m["call"] == call}
        assert set(of_call) == {"alert.open", "alert.close", "call.answer"}
        assert of_call["alert.open"]["track"] == track
        assert of_call["alert.open"]["metadata"] == kept
        assert of_call["call.answer"]["verdict"] == "synthetic"
        assert of_call["call.answer"]["tracks"][track] == "synthetic"
    assert {m["alert"] for m in told.values() if "alert" in m} == {row["id"] for row in stored}
    assert len(mailbox.mails) == 3
    until(lambda: len(subscriber.events()) == 9)
    on = [topic for topic, value in subscriber.messages if value == "ON"]
    assert len(on) == len(set(on)) == 3 and not [t for t in on if subscriber.latest[t]]


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
