"""ws://: raw audio over a WebSocket, described by the query of its address."""

from __future__ import annotations

import json
import uuid
from contextlib import suppress
from urllib.parse import parse_qsl, urlsplit

import numpy as np

from radd.containers import ContainerFile, open_stream
from radd.errors import ConfigError
from radd.ogg import Readable
from radd.types import Call
from stream.calls.address import Address
from stream.calls.admission import Admission, CallRefused, Leave, Line
from stream.calls.decoded import DecodedSource
from stream.calls.settings import CallSettings
from stream.calls.source import CallSource, Wire
from stream.calls.websocket import Handshake, MessageReader, WebSocketListener
from stream.capture.pcm import PCM_FORMATS, PcmFrames

RATES_HZ = (1_000, 384_000)
MOST_CHANNELS = 8
OPUS, OPUS_HZ = "opus", 48_000  # in Ogg or WebM, as browsers and recorders write it
CLOSE = {"type": "close"}
OWN = {"format", "rate", "channels", "call", "track"}
"""parameters with a meaning; the others are details of the call"""


class WsListener(WebSocketListener):
    """Audio: binary messages of any length, and `{"type": "close"}` at the end.

    The query says `format`, `rate`, `channels`, `call` and `track`; what else it says are details
    of the call. Each channel is a track. A connection without `call` is a call of its own.
    """

    waits = True

    def __init__(self, address: Address, admission: Admission):
        """Raises ConfigError if other machines could call without a token."""
        super().__init__(address, admission)
        if not address.is_loopback and not self.settings.token:
            raise ConfigError(
                f"--listen {self.name}: other machines may call only with a token; set "
                "RADD_CALLS_TOKEN, or listen on 127.0.0.1"
            )

    def has_access(self, handshake: Handshake) -> bool:
        return not self.settings.token or self.has_token(handshake)

    def reader(self, handshake: Handshake) -> MessageReader:
        return WsReader(self.admission, dict(parse_qsl(urlsplit(handshake.path).query)))


class WsReader:
    """Reads one connection: its channels are tracks of one call."""

    def __init__(self, admission: Admission, query: dict[str, str]):
        self._format = query.get("format", "s16le")
        if self._format not in (*PCM_FORMATS, OPUS):
            known = ", ".join((*PCM_FORMATS, OPUS))
            raise CallRefused(f"format {self._format[:20]!r}: expected one of {known}")
        self._rate_hz = _number(query, "rate", 16_000, *RATES_HZ)
        self._channels = _number(query, "channels", 1, 1, MOST_CHANNELS)
        self._sample_bytes = 1 if self._is_opus else PcmFrames(self._format, 1).frame_bytes
        details = {name: value for name, value in query.items() if name not in OWN}
        self.line: Line | None = admission.open(
            "ws", query.get("call") or str(uuid.uuid4()), details
        )
        self.line.may_return = "call" in query
        self._track = query.get("track", "1")
        self._rest = b""
        self._sources: list[CallSource] = []

    def read(self, message: str | bytes) -> bool:
        if isinstance(message, str):
            return self._text(message)
        if self._is_opus:
            self._decoded().receive(message)
            return True
        if not self._sources:
            self._sources = self._begin()
        for source, data in zip(self._sources, self._split(message), strict=True):
            source.push(data)
        return True

    @property
    def _is_opus(self) -> bool:
        return self._format == OPUS

    def _decoded(self) -> DecodedSource:
        assert self.line is not None
        source = self.line.begin(self._track, Wire(OPUS, OPUS_HZ), contained)
        assert isinstance(source, DecodedSource)
        return source

    def _begin(self) -> list[CallSource]:
        assert self.line is not None
        wire = Wire(self._format, self._rate_hz)
        if self._channels == 1:
            return [self.line.begin(self._track, wire)]
        names = ("left", "right") if self._channels == 2 else map(str, range(1, 9))
        return [
            self.line.begin(name, wire)
            for name, _ in zip(names, range(self._channels), strict=False)
        ]

    def _split(self, data: bytes) -> list[bytes]:
        """The bytes of each channel."""
        if self._channels == 1:
            return [data]
        data = self._rest + data
        frame_bytes = self._sample_bytes * self._channels
        whole = len(data) // frame_bytes * frame_bytes
        self._rest = data[whole:]
        table = np.frombuffer(data[:whole], np.uint8)
        table = table.reshape(-1, self._channels, self._sample_bytes)
        return [table[:, channel].tobytes() for channel in range(self._channels)]

    def _text(self, text: str) -> bool:
        with suppress(ValueError, RecursionError):
            if json.loads(text) == CLOSE:
                return False
        raise CallRefused(f"text {text[:80]!r}: expected binary audio, or {json.dumps(CLOSE)}")


def contained(
    call: Call, scheme: str, wire: Wire, settings: CallSettings, leave: Leave
) -> DecodedSource:
    """A track whose bytes are those of a container."""

    def opener(data: Readable) -> ContainerFile:
        return open_stream(data, f"{scheme} {call.id} {call.track}")

    return DecodedSource(call, scheme, wire, settings, leave, opener)


def _number(query: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 9 and least <= int(text) <= most):
        raise CallRefused(f"{name} {text[:20]!r}: expected {least} to {most}")
    return int(text)
