"""twilio://: Twilio Media Streams, and Telnyx's and Plivo's dialects of the same."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

from radd.errors import ConfigError
from stream.calls import dialects
from stream.calls.address import Address
from stream.calls.admission import Admission, CallRefused, Line
from stream.calls.dialects import Start, section, whole_number
from stream.calls.source import CallSource
from stream.calls.websocket import Handshake, MessageReader, WebSocketListener, is_equal

TOKEN = "token"  # custom parameter that shows that the sender may call
PASSED_OVER = {"connected", "dtmf", "mark", "clear", "played", "playedStream"}
HELD = 5  # frames of a track that wait for one that is late
UNSTARTED = 8  # messages before `start`


class TwilioListener(WebSocketListener):
    """Media streams. Each track is a stream of its own; `start` names the call.

    A sender shows that it may call by X-Twilio-Signature, by `Authorization: Bearer`, or by a
    custom parameter `token`, where [calls] has a token for it.
    """

    def __init__(self, address: Address, admission: Admission):
        """Raises ConfigError if other machines could call without authentication."""
        super().__init__(address, admission)
        if not address.is_loopback and not self._is_guarded:
            raise ConfigError(
                f"--listen {self.name}: other machines may call only with a signature or a token; "
                "set RADD_CALLS_TWILIO_TOKEN or RADD_CALLS_TOKEN, or listen on 127.0.0.1"
            )

    @property
    def _is_guarded(self) -> bool:
        return bool(self.settings.twilio_token or self.settings.token)

    def has_access(self, handshake: Handshake) -> bool:
        """Whether the handshake may go on; a custom parameter is only known at `start`."""
        return self._is_known(handshake) or bool(self.settings.token)

    def reader(self, handshake: Handshake) -> MessageReader:
        return TwilioReader(self.admission, self._is_known(handshake))

    def _is_known(self, handshake: Handshake) -> bool:
        return not self._is_guarded or self.has_token(handshake) or self._is_signed(handshake)

    def _is_signed(self, handshake: Handshake) -> bool:
        token = self.settings.twilio_token
        signature = handshake.headers.get("x-twilio-signature", "")
        place = f"{handshake.headers.get('host', '')}{handshake.path}"
        known = [self.settings.twilio_url] if self.settings.twilio_url else []
        urls = known or [f"wss://{place}", f"https://{place}", f"ws://{place}"]
        return bool(token) and any(is_equal(signature, signature_of(token, url)) for url in urls)


def signature_of(token: str, url: str) -> str:
    """X-Twilio-Signature of a WebSocket: HMAC-SHA1 of its address, in base64."""
    return base64.b64encode(hmac.new(token.encode(), url.encode(), hashlib.sha1).digest()).decode()


class TwilioReader:
    """Reads one connection."""

    def __init__(self, admission: Admission, is_known: bool):
        self._admission, self._is_known = admission, is_known
        self.line: Line | None = None
        self._start: Start | None = None
        self._tracks: dict[str, InOrder] = {}
        self._before = 0

    def read(self, text: str | bytes) -> bool:
        said = dialects.message(text)
        event = said["event"]
        if event == "media":
            self._media(said)
        elif event == "start":
            self._begin(dialects.start(said))
        elif event not in PASSED_OVER and event != "stop":
            raise CallRefused(f"unknown event {event[:40]!r}")
        self._before += self.line is None
        if self._before > UNSTARTED:
            raise CallRefused(f"{UNSTARTED} messages came before start")
        return event != "stop"

    def _begin(self, start: Start) -> None:
        if self.line is not None:
            raise CallRefused("start came twice")
        token, given = self._admission.settings.token, start.details.get(TOKEN, "")
        if not self._is_known and not is_equal(given, token):
            raise CallRefused("it has no valid signature, and its parameter token is not valid")
        details = {name: value for name, value in start.details.items() if name != TOKEN}
        self.line, self._start = self._admission.open("twilio", start.id, details), start
        for track in start.tracks or ("inbound",):
            self._track(track)

    def _media(self, said: dict[str, Any]) -> None:
        if self.line is None:
            raise CallRefused("media came before start")
        media = section(said, "media")
        try:
            data = base64.b64decode(media.get("payload", ""), validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise CallRefused("media without a payload in base64") from None
        track = self._track(str(media.get("track", "inbound")))
        at_ms = whole_number(media.get("timestamp"))
        track.push(whole_number(media.get("chunk")), data, None if at_ms is None else at_ms / 1000)

    def _track(self, name: str) -> InOrder:
        if name not in self._tracks:
            assert self.line is not None and self._start is not None
            self._tracks[name] = InOrder(self.line.begin(name, self._start.wire))
        return self._tracks[name]


class InOrder:
    """Puts the frames of a track in the order of their numbers; Telnyx does not promise it."""

    def __init__(self, source: CallSource):
        self._source = source
        self._next: int | None = None
        self._held: dict[int, tuple[bytes, float | None]] = {}

    def push(self, number: int | None, data: bytes, at_s: float | None) -> None:
        """Pass a frame on, or hold it while an earlier one is missing; one that comes after its
        turn is dropped.
        """
        if number is None:
            self._source.push(data, at_s)
            return
        if self._next is None or number > self._next + 50 * HELD or number < self._next - 50 * HELD:
            self._held.clear()
            self._next = number
        if number >= self._next:
            self._held[number] = data, at_s
        if len(self._held) > HELD:
            self._next = min(self._held)
        while self._next in self._held:
            self._source.push(*self._held.pop(self._next))
            self._next += 1
