"""Calls for the tests: a server without a detector, the tracks that it brings, and senders."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import queue
import threading
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from fixtures_patience import PATIENCE_S

from stream.calls.address import parse
from stream.calls.admission import Admission
from stream.calls.audiosocket import AudioSocketListener
from stream.calls.server import CallServer
from stream.calls.settings import CallSettings

SETTINGS = CallSettings(
    streams=32,
    stall_s=0.5,
    reconnect_s=5.0,
    idle_s=30.0,
    queue_s=8.0,
    commands_s=0.2,
    keep="",
    token="",
    twilio_token="",
    twilio_url="",
)
TONE = (np.sin(np.arange(8_000) * 0.3) * 8_000).astype("<i2")
"""a second of a tone at 8 kHz"""


class Heard:
    """One track that was read to its end."""

    def __init__(self, source):
        self.source, self.call, self.chunks = source, source.call, []
        self._arrived = threading.Condition()
        self.is_over = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def samples(self):
        parts = [chunk.samples for chunk in self.chunks]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    @property
    def causes(self):
        return [chunk.cause for chunk in self.chunks if chunk.cause]

    def until(self, condition):
        """Wait until `condition` holds for this track."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: condition(self), PATIENCE_S)
        return self

    def to_the_end(self):
        return self.until(lambda heard: heard.is_over)

    def _read(self):
        with self.source:
            for chunk in self.source:
                with self._arrived:
                    self.chunks.append(chunk)
                    self._arrived.notify_all()
        with self._arrived:
            self.is_over = True
            self._arrived.notify_all()


class Calls:
    """A server of one listener, and the tracks that have come."""

    def __init__(self, server, listener, admission):
        self.server, self.listener, self.admission = server, listener, admission
        self._come = queue.SimpleQueue()
        server.notify(lambda: [self._come.put(source) for source in server.take()])

    @property
    def url(self):
        path = getattr(self.listener.address, "path", "")
        return f"ws://127.0.0.1:{self.listener.port}{path}"

    def next(self):
        """The next track that comes."""
        return Heard(self._come.get(timeout=PATIENCE_S))

    def settle(self):
        """Wait until all connections have ended, and nothing of them is left to do."""

        async def settled():
            here = asyncio.current_task()
            while others := asyncio.all_tasks() - {here}:
                await asyncio.wait(others)

        self.server._call(settled())

    def none_has_come(self):
        return self._come.empty()


@contextmanager
def listening(url, **settings):
    """A server that listens at `url`."""
    admission = Admission(replace(SETTINGS, **settings))
    listener = make(url, admission)
    with CallServer([listener], admission) as server:
        yield Calls(server, listener, admission)


def make(url, admission):
    from stream.calls.rtp import RtpListener, rtp_tracks
    from stream.calls.twilio import TwilioListener
    from stream.calls.ws import WsListener

    address = parse(url)
    if address.scheme == "rtp":
        return RtpListener(address, rtp_tracks(address), admission)
    kinds = {"ws": WsListener, "twilio": TwilioListener, "audiosocket": AudioSocketListener}
    return kinds[address.scheme](address, admission)


def sending(work):
    """Run a coroutine of a sender to its end."""
    return asyncio.run(asyncio.wait_for(work, PATIENCE_S))


def mulaw(samples):
    """int16 (n,) as the bytes of mu-law, by the table of the decoder."""
    from stream.capture.pcm import G711

    table = G711["mulaw"]
    order = np.argsort(table, kind="stable")
    at = np.searchsorted(table[order], samples / 32_768).clip(0, 255)
    return order[at].astype(np.uint8).tobytes()


def twilio_messages(samples, call="CA1", tracks=("inbound",), parameters=None):
    """The messages of a Twilio call of whole frames of 160 samples, the same on each track."""
    start = {
        "accountSid": "AC1",
        "streamSid": "MZ1",
        "callSid": call,
        "tracks": list(tracks),
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": parameters or {},
    }
    yield {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    number = itertools.count(1)
    yield {"event": "start", "sequenceNumber": str(next(number)), "start": start}
    data = mulaw(samples)
    for chunk, at in enumerate(range(0, len(data) - 159, 160), 1):
        for track in tracks:
            media = {
                "track": track,
                "chunk": str(chunk),
                "timestamp": str(at // 8),
                "payload": base64.b64encode(data[at : at + 160]).decode(),
            }
            yield {"event": "media", "sequenceNumber": str(next(number)), "media": media}
    stop = {"accountSid": "AC1", "callSid": call}
    yield {"event": "stop", "sequenceNumber": str(next(number)), "stop": stop}


def texts(messages):
    return [json.dumps(message) for message in messages]


def packet(kind, data=b""):
    """A packet of AudioSocket."""
    return bytes((kind, *len(data).to_bytes(2, "big"))) + data
