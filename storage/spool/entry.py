"""One spool entry as the bytes of its file: a line of JSON, then the bytes of its clip."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class EntryKind(StrEnum):
    STREAM = "stream"
    ALERT = "alert"
    ROWS = "rows"
    """timeline and gaps; not synced, and dropped first when space is short"""
    MESSAGE = "message"
    """a notification, see notify/"""
    CALL = "call"
    """rows like ROWS, and the state of a call of a fleet: neither is kept only here"""


@dataclass(frozen=True, slots=True)
class Entry:
    """The content of one spool file."""

    name: str
    kind: EntryKind
    record: dict[str, Any]
    clip_sha256: str
    clip_bytes: int
    """original size of the clip"""
    clip: bytes | None
    """None if it was dropped; empty if there never was one"""
    live: bool
    """a final version is expected"""
    interrupted: bool
    """the daemon that owed the final version is gone"""
    version: int


def encode_head(record: dict, clip: bytes, live: bool) -> bytes:
    """The first line, which remains valid when the clip after it is truncated."""
    return _head(record, hashlib.sha256(clip).hexdigest(), len(clip), live)


def encode_final(entry: Entry, record: dict) -> bytes:
    """The bytes of its final version, with the same sound or what is known of it."""
    return _head(record, entry.clip_sha256, entry.clip_bytes, False) + (entry.clip or b"")


def _head(record: dict, clip_sha256: str, clip_bytes: int, live: bool) -> bytes:
    said = {"live": live, "clip_sha256": clip_sha256, "clip_bytes": clip_bytes, "record": record}
    return json.dumps(said, allow_nan=False).encode() + b"\n"


def decode(
    data: bytes, name: str, kind: EntryKind, interrupted: bool, version: int
) -> Entry | None:
    """The entry in a file, None if its first line is damaged; a damaged clip counts as dropped."""
    head, _, clip = data.partition(b"\n")
    try:
        said = json.loads(head)
        whole = hashlib.sha256(clip).hexdigest() == said["clip_sha256"]
        return Entry(
            name=name,
            kind=kind,
            record=said["record"],
            clip_sha256=said["clip_sha256"],
            clip_bytes=said["clip_bytes"],
            clip=clip if whole else None,
            live=said["live"],
            interrupted=interrupted,
            version=version,
        )
    except (ValueError, KeyError, TypeError):
        return None
