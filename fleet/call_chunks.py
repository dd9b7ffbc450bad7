"""Chunks of calls as messages: one line of JSON, then the samples. The same on every broker."""

from __future__ import annotations

import json
import uuid
import zlib
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from radd.errors import RaddError
from radd.types import AudioChunk, Call
from stream.capture.pcm import G711

NAMESPACE = uuid.UUID("5a1d8f1e-6b0c-5c0e-9d0b-7c1d2f3a4b5c")
VERSION = 2  # of the messages; a gateway and a detector understand each other only with the same
MULAW = G711["mulaw"]
CODES = np.argsort(MULAW, kind="stable").astype(np.uint8)
CODES = CODES[CODES != 0x7F]  # the negative zero
BETWEEN = (MULAW[CODES][:-1] + MULAW[CODES][1:]) / 2
MOST_SAMPLES = 1 << 20  # of one message, about a minute


class Malformed(RaddError):
    """A message that is no chunk of a call, or one of another version of the program."""


@dataclass(frozen=True, slots=True)
class Track:
    """One track of one call."""

    call: str
    """as the sender names it"""
    track: str
    opened: float
    """wall clock at sample 0, in seconds since 1970"""
    source: str
    """name for display"""
    rate_hz: int
    """the source's own sample rate"""
    partition: int
    details: dict[str, str] = field(default_factory=dict)
    """what the sender says of the call, as in radd.types.Call"""

    def as_call(self) -> Call:
        """The call as a stream's row has it."""
        return Call(self.call, self.track, self.details)

    @property
    def id(self) -> str:
        """UUID of its stream; the ids of its alerts follow from it."""
        named = json.dumps([self.call, self.track, round(self.opened * 1000)])
        return str(uuid.uuid5(NAMESPACE, named))


@dataclass(frozen=True, slots=True)
class CallChunk:
    """A message of a track: audio, or its end."""

    track: Track
    sequence: int
    """0, 1, 2 ... in each track"""
    audio: AudioChunk
    """`arrived` is None; at the end of the track it has no samples"""
    captured: float
    """wall clock when its last sample arrived, in seconds since 1970"""
    ended: bool = False
    """whether it is the last message of its track"""


def partition_of(call: str, partitions: int) -> int:
    """The partition of a call: all its tracks have the same one, on every gateway."""
    return zlib.crc32(call.encode()) % partitions


def encode(chunk: CallChunk, samples: str) -> bytes:
    """A chunk as a message, with samples as s16le or mulaw (G.711, half the bytes)."""
    audio = chunk.audio
    head: dict[str, Any] = asdict(chunk.track) | {
        "version": VERSION,
        "sequence": chunk.sequence,
        "start": audio.start,
        "cause": audio.cause,
        "damaged": audio.damaged,
        "captured": chunk.captured,
        "ended": chunk.ended,
        "samples": samples,
    }
    return json.dumps(head).encode() + b"\n" + ENCODERS[samples](audio.samples)


def decode(message: bytes) -> CallChunk:
    """The chunk in a message. Raises Malformed for anything else."""
    line, _, body = message.partition(b"\n")
    try:
        head = json.loads(line)
        _check_version(head.get("version", 1))
        track = Track(
            _text(head["call"]),
            _text(head["track"]),
            float(head["opened"]),
            _text(head["source"]),
            int(head["rate_hz"]),
            int(head["partition"]),
            {_text(key): _text(value) for key, value in head["details"].items()},
        )
        start, sequence, damaged = (int(head[key]) for key in ("start", "sequence", "damaged"))
        cause = None if head["cause"] is None else _text(head["cause"])
        samples = DECODERS[head["samples"]](body)
        captured, ended = float(head["captured"]), bool(head["ended"])
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise Malformed(
            f"a message of {len(message)} bytes is no chunk of a call: {error!r}"
        ) from None
    times = np.array([track.opened, captured])
    if min(start, sequence, damaged) < 0 or len(samples) > MOST_SAMPLES or not _is_time(times):
        raise Malformed(f"a chunk of call {track.call[:80]!r} has impossible numbers")
    return CallChunk(track, sequence, AudioChunk(samples, start, cause, damaged), captured, ended)


def _check_version(version: Any) -> None:
    if version != VERSION:
        raise Malformed(
            f"a message of version {str(version)[:20]}, expected {VERSION}: gateways and detectors "
            "run different releases; update all of them, detectors first"
        )


def _is_time(times: np.ndarray) -> bool:
    return bool(np.isfinite(times).all() and (times >= 0).all() and (times < 1e11).all())


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 1_000:
        raise ValueError(f"expected a text, found {str(value)[:80]!r}")
    return value


def _to_s16le(samples: np.ndarray) -> bytes:
    scaled = np.rint(samples.astype(np.float64) * 32_768)
    return np.clip(scaled, -32_768, 32_767).astype("<i2").tobytes()


def _from_s16le(data: bytes) -> np.ndarray:
    return np.frombuffer(data, "<i2").astype(np.float32) / 32_768


def _to_mulaw(samples: np.ndarray) -> bytes:
    return CODES[np.searchsorted(BETWEEN, samples)].tobytes()


def _from_mulaw(data: bytes) -> np.ndarray:
    return MULAW[np.frombuffer(data, np.uint8)]


ENCODERS = {"s16le": _to_s16le, "mulaw": _to_mulaw}
DECODERS = {"s16le": _from_s16le, "mulaw": _from_mulaw}
