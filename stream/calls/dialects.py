"""The messages of Twilio Media Streams, and of Telnyx's and Plivo's dialects of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stream.calls.admission import CallRefused
from stream.calls.source import Wire

ENCODINGS = {
    "audio/x-mulaw": "mulaw",
    "pcmu": "mulaw",
    "audio/x-alaw": "alaw",
    "pcma": "alaw",
    "audio/x-l16": "s16le",
    "l16": "s16le",
}
RATES_HZ = (8_000, 16_000, 24_000, 48_000)
IDS = ("callSid", "call_control_id", "callId")
"""of the call, in `start`: Twilio, Telnyx, Plivo"""
PARAMETERS = ("customParameters", "custom_parameters")
ASIDE = {*PARAMETERS, "mediaFormat", "media_format", "tracks"}
MOST_TRACKS = 4


@dataclass(frozen=True, slots=True)
class Start:
    """What `start` says of a call."""

    id: str
    tracks: tuple[str, ...]
    """empty: not said"""
    wire: Wire
    details: Mapping[str, str]
    """everything else, custom parameters among it"""


def message(text: str | bytes) -> dict[str, Any]:
    """A message as JSON. Raises CallRefused for anything else."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict) or not isinstance(read.get("event"), str):
        raise CallRefused(f"message {text[:80]!r}: expected a JSON object with an event")
    return read


def start(said: Mapping[str, Any]) -> Start:
    """Read `start`. Raises CallRefused for a call that cannot be heard."""
    body = section(said, "start")
    id = next((body[name] for name in IDS if isinstance(body.get(name), str)), "")
    if not id:
        raise CallRefused(f"start without {', '.join(IDS)}: expected the call's id")
    tracks = body.get("tracks")
    named = tracks if isinstance(tracks, list) else []
    return Start(
        id,
        tuple(str(track) for track in named[:MOST_TRACKS]),
        _wire(body.get("mediaFormat") or body.get("media_format")),
        dict(_details(body, said)),
    )


def section(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a message. Raises CallRefused if it is no object."""
    body = said.get(name)
    if not isinstance(body, dict):
        raise CallRefused(f"{name} without its object {name!r}")
    return body


def whole_number(value: object) -> int | None:
    """A count that some dialects send as text; None if it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    return value if isinstance(value, int) and 0 <= value < 10**15 else None


def _wire(media: object) -> Wire:
    if not isinstance(media, dict):
        return Wire("mulaw", 8_000)
    encoding = str(media.get("encoding", "audio/x-mulaw")).lower().partition(";")[0]
    rate_hz = whole_number(media.get("sampleRate", media.get("sample_rate", 8_000)))
    channels = media.get("channels", 1)
    if encoding not in ENCODINGS or rate_hz not in RATES_HZ or channels not in (1, "1"):
        raise CallRefused(
            f"audio {encoding[:40]} at {rate_hz} Hz with {channels} channels: expected "
            f"{', '.join(ENCODINGS)} at {', '.join(map(str, RATES_HZ))} Hz with one channel"
        )
    return Wire(ENCODINGS[encoding], rate_hz)


def _details(body: Mapping[str, Any], said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in body.items():
        if name not in ASIDE and isinstance(value, str | int | float):
            yield name, str(value)
    for name in PARAMETERS:
        given = body.get(name)
        for key, value in given.items() if isinstance(given, dict) else ():
            yield str(key), str(value)
    yield from _extra_headers(said.get("extra_headers"))


def _extra_headers(text: object) -> Iterator[tuple[str, str]]:
    """Plivo's parameters: a JSON object in a string, or `key=value,key=value`."""
    if not isinstance(text, str) or not text:
        return
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = dict(pair.split("=", 1) for pair in text.strip("{}").split(",") if "=" in pair)
    if isinstance(given, dict):
        for key, value in given.items():
            yield str(key).strip(), str(value).strip()
