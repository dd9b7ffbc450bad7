"""Is a stream of bytes a container, or raw PCM? Its first bytes tell."""

from __future__ import annotations

import io

from radd.containers import ContainerFile
from radd.errors import AudioError

MARKS = (
    (0, b"fLaC"),
    (0, b"OggS\0"),
    (0, b"ID3"),
    (0, b"\x1aE\xdf\xa3"),
    (0, b"#!AMR"),
    (0, b"caff\0"),
    (0, b"FLV\1"),
    (0, b".snd\0\0\0"),
    (0, b"riff.\x91\xcf\x11"),
    (4, b"ftyp"),
    (8, b"WAVE"),
    (8, b"AIFF"),
    (8, b"AIFC"),
    (8, b"AVI "),
)  # place and bytes; of those in the ninth place the first four are a name of the container
OUTER = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM")
MARK_BYTES = 12  # place and length of the last mark above
TS_MARK, TS_BYTES = b"G", 188  # MPEG transport stream: every packet begins with the mark
MPEG_BYTES, MPEG_FRAMES = 8_192, 3  # MP3 and AAC have no mark: a few frames are decoded


def is_container(head: bytes, is_all: bool = False) -> bool | None:
    """Whether a stream that begins like this is a container; None where more of it is needed.

    `is_all` says that no more comes.
    """
    if len(head) < MARK_BYTES and not is_all:
        return None
    if any(
        head[at : at + len(mark)] == mark and (at != 8 or head[:4] in OUTER) for at, mark in MARKS
    ):
        return True
    if head[:1] == TS_MARK:
        return _decided(head, 2 * TS_BYTES + 1, is_all, _is_transport_stream)
    if head[:1] == b"\xff" and head[1:2] >= b"\xe0":
        return _decided(head, MPEG_BYTES, is_all, _is_mpeg_audio)
    return False


def _decided(head: bytes, needed: int, is_all: bool, decide) -> bool | None:
    if len(head) < needed and not is_all:
        return None
    return decide(head)


def _is_transport_stream(head: bytes) -> bool:
    return len(head) > 2 * TS_BYTES and head[: 2 * TS_BYTES + 1 : TS_BYTES] == 3 * TS_MARK


def _is_mpeg_audio(head: bytes) -> bool:
    try:
        with ContainerFile(beginning := io.BytesIO(head), "the beginning", beginning) as file:
            frames = sum(1 for piece in file.pieces() if not piece.lost_s)
            return file.form in ("mp3", "aac") and frames >= MPEG_FRAMES
    except AudioError:
        return False
