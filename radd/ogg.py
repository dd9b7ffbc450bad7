"""Splits chained Ogg into its links: FFmpeg continues only into links with the same codec, rate and
channels.
"""

from __future__ import annotations

from typing import Protocol

PAGE = b"OggS\0"
HEAD_BYTES = 14  # capture pattern, flags and position
FIRST, LAST = 2, 4  # page flags: first and last page of a logical stream
BLOCK_BYTES = 32_768  # about half of the largest page


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; empty at the end."""
        ...


class OggLinks:
    """An Ogg stream as a file that can be read once and that ends at the end of each link."""

    def __init__(self, file: Readable):
        self._file, self._data = file, b""
        self._scanned, self._has_begun = 0, False
        self._next: int | None = None
        self.is_closed = False
        """whether the last page so far is marked as the end of its stream"""
        self.end_frames: int | None = None
        """number of frames stated by a finished Vorbis link; None before its last page"""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes of this link; empty at its end."""
        while self._next is None and not self._ready():
            more = self._file.read(BLOCK_BYTES)
            self._data += more
            self._scan(len(self._data) - (HEAD_BYTES if more else 0))
            if not more:
                break
        taken = min(size, self._scanned if self._next is None else self._next)
        data, self._data = self._data[:taken], self._data[taken:]
        self._scanned -= taken
        self._next = None if self._next is None else self._next - taken
        return data

    def next_link(self) -> bool:
        """Advance to the next link; False at the end of the stream.

        Skips what FFmpeg left of this link because it could not read it.
        """
        while self._next != 0 and self.read(BLOCK_BYTES):
            pass
        found, self._next, self._has_begun = self._next == 0, None, False
        self.end_frames = None
        if found:
            self._scanned = 0
            self._scan(len(self._data) - HEAD_BYTES)
        return found

    def _ready(self) -> bool:
        return self._scanned > 0

    def _scan(self, end: int) -> None:
        """Examine the pages that begin before `end`, up to the first page of another link."""
        while self._next is None and (at := self._data.find(PAGE, self._scanned)) >= 0:
            if at >= end or at + HEAD_BYTES > len(self._data):
                break
            flags = self._data[at + len(PAGE)]
            if flags & FIRST and self._has_begun:
                self._next = self._scanned = at
                return
            self._has_begun |= not flags & FIRST
            self.is_closed = bool(flags & LAST)
            if self.is_closed:
                self.end_frames = int.from_bytes(self._data[at + 6 : at + 14], "little")
            self._scanned = at + 1
        if self._next is None:
            self._scanned = max(self._scanned, end)
