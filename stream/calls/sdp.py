"""Session descriptions (SDP, RFC 8866): which audio tracks come, where, and in which encoding."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from radd.errors import ConfigError

STATIC = {0: ("PCMU", 8_000), 8: ("PCMA", 8_000), 9: ("G722", 8_000)}
"""payload types that need no a=rtpmap (RFC 3551)"""
CODECS = {"PCMU": 8_000, "PCMA": 8_000, "G722": 16_000, "OPUS": 48_000, "L16": None}
"""their sample rate in Hz; None: that of the description"""
NAMED = {
    "pcmu": (0, "PCMU/8000"),
    "pcma": (8, "PCMA/8000"),
    "g722": (9, "G722/8000"),
    "opus": (96, "opus/48000/2"),
}
"""payload type and encoding of ?format="""
PROFILES = ("RTP/AVP", "RTP/AVPF")
MOST_BYTES = 64_000
MOST_TRACKS = 8


@dataclass(frozen=True, slots=True)
class RtpTrack:
    """One m= line of audio."""

    port: int
    host: str
    """of its c= line; empty without one"""
    payload: int
    """the first payload type that can be decoded"""
    codec: str
    rate_hz: int
    attributes: tuple[str, ...]
    """its a=rtpmap and a=fmtp"""

    @property
    def description(self) -> bytes:
        """An SDP of this track alone, which names no other machine."""
        lines = (
            "v=0",
            "o=- 0 0 IN IP4 127.0.0.1",
            "s=call",
            "c=IN IP4 127.0.0.1",
            "t=0 0",
            f"m=audio 5004 RTP/AVP {self.payload}",
            *self.attributes,
        )
        return "".join(f"{line}\r\n" for line in lines).encode()


def named(format: str, port: int) -> RtpTrack:
    """The track of ?format=. Raises ConfigError for an unknown one."""
    if format.lower() not in NAMED:
        raise ConfigError(f"?format={format}: expected {', '.join(NAMED)}, or ?sdp=FILE")
    payload, encoding = NAMED[format.lower()]
    codec = encoding.partition("/")[0].upper()
    rate_hz = CODECS[codec]
    assert rate_hz is not None
    return RtpTrack(port, "", payload, codec, rate_hz, (f"a=rtpmap:{payload} {encoding}",))


def read(path: str) -> list[RtpTrack]:
    """The audio tracks of a file. Raises ConfigError if there is none that can be heard."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the session description {path}: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{path} has {len(data)} bytes; expected an SDP of a few lines")
    return tracks(data.decode("utf-8", "replace"), path)


def tracks(text: str, name: str) -> list[RtpTrack]:
    """The audio tracks of a description. Raises ConfigError like `read`."""
    session_host, media = "", []
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("m="):
            media.append([line])
        elif media:
            media[-1].append(line)
        elif line.startswith("c="):
            session_host = _host(line, name)
    found = [_track(lines, session_host, name) for lines in media if lines[0].startswith("m=audio")]
    if not found or len(found) > MOST_TRACKS:
        raise ConfigError(f"{name} has {len(found)} lines m=audio; expected 1 to {MOST_TRACKS}")
    return found


def _track(lines: list[str], session_host: str, name: str) -> RtpTrack:
    words = lines[0].removeprefix("m=").split()
    if len(words) < 4 or words[2] not in PROFILES:
        raise ConfigError(
            f"{name}: {lines[0]!r}: expected m=audio PORT RTP/AVP TYPE; encrypted RTP (SAVP) "
            "cannot be heard, let the proxy decrypt it"
        )
    port = words[1].partition("/")[0]
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ConfigError(f"{name}: {lines[0]!r}: expected a port from 1 to 65535")
    host = next((_host(line, name) for line in lines if line.startswith("c=")), session_host)
    for payload in words[3:]:
        if payload.isascii() and payload.isdigit() and int(payload) < 128:
            mapped = _mapped(int(payload), lines)
            if mapped is not None:
                attributes = tuple(_attributes(int(payload), lines))
                return RtpTrack(int(port), host, int(payload), *mapped, attributes)
    raise ConfigError(f"{name}: {lines[0]!r}: expected one of {', '.join(CODECS)}")


def _mapped(payload: int, lines: list[str]) -> tuple[str, int] | None:
    """Codec and sample rate of a payload type; None for one that cannot be decoded."""
    for line in lines:
        if line.startswith(f"a=rtpmap:{payload} "):
            codec, _, clock = line.partition(" ")[2].strip().upper().partition("/")
            rate = clock.partition("/")[0]
            if codec not in CODECS or not (rate.isascii() and rate.isdigit()):
                return None
            return codec, CODECS[codec] or int(rate)
    if payload in STATIC:
        codec, _ = STATIC[payload]
        return codec, CODECS[codec] or 8_000
    return None


def _attributes(payload: int, lines: list[str]) -> list[str]:
    return [
        line
        for line in lines
        if line.startswith((f"a=rtpmap:{payload} ", f"a=fmtp:{payload} ")) and line.isprintable()
    ]


def _host(line: str, name: str) -> str:
    words = line.removeprefix("c=").split()
    try:
        return str(ipaddress.ip_address(words[2].partition("/")[0]))
    except (IndexError, ValueError):
        raise ConfigError(f"{name}: {line!r}: expected c=IN IP4 ADDRESS") from None
