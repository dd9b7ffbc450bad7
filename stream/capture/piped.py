"""Audio on stdin: raw PCM, or a container such as WAV, MP3 or Ogg, recognised by its first
bytes.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import time
from collections.abc import Iterator
from typing import BinaryIO

from radd.channels import ChannelChoice
from radd.containers import Prefixed, open_stream
from radd.errors import AudioError
from radd.recognition import is_container
from radd.resampling import Converter, PieceConverter, SplitConverter
from radd.types import SAMPLE_RATE_HZ, AudioChunk
from stream.capture.microphone import BLOCK_S
from stream.capture.pcm import PcmFrames

log = logging.getLogger(__name__)


class PcmSource:
    """A Source that reads a stream with a file descriptor, by default stdin, and blocks while it
    stalls: raw PCM, unless its first bytes are those of a container.

    An incomplete last frame is dropped and logged. Raises ConfigError for an unknown format, and
    AudioError for a terminal, a stream that ends before its first frame, and a damaged container,
    after all of it was read.
    """

    def __init__(
        self,
        stream: BinaryIO | None = None,
        rate_hz: int = SAMPLE_RATE_HZ,
        channels: int = 1,
        pcm_format: str = "s16le",
        choice: ChannelChoice | None = None,
        apart: bool = False,
    ):
        """`apart`: the samples of the chunks of raw PCM are (n, channels), for SplitSource."""
        self._apart = apart
        self._frames = PcmFrames(pcm_format, channels)
        self.name, self.native_rate_hz, self.native_channels, self.pcm_format = (
            "-",
            rate_hz,
            channels,
            pcm_format,
        )
        self._choice = choice or ChannelChoice()
        if not apart:
            self._choice.for_one_stream("stdin")
        self._stream = sys.stdin and sys.stdin.buffer if stream is None else stream
        self._wake_read = self._wake_write = -1
        self._stopped = False
        self._chunks = 0

    def __enter__(self) -> PcmSource:
        if self._stream is None:
            raise AudioError("stdin is closed; expected sound from a pipe or a file")
        if self._stream.isatty():
            raise AudioError("stdin is a terminal; expected raw PCM from a pipe or a file")
        self._wake_read, self._wake_write = os.pipe()
        return self

    def __exit__(self, *exc) -> None:
        ends, self._wake_read, self._wake_write = (self._wake_read, self._wake_write), -1, -1
        for end in ends:
            os.close(end)

    def __iter__(self) -> Iterator[AudioChunk]:
        head, is_known = b"", None
        while is_known is None:
            data = self.read(self._chunk_bytes)
            head += data
            is_known = is_container(head, is_all=not data)
        if is_known and self._apart:
            self._choice.for_one_stream("a file on stdin")
        for chunk in self._contained(head) if is_known else self._raw(head):
            if len(chunk.samples):
                self._chunks += 1
                yield chunk

    def stop(self) -> None:
        self._stopped = True
        if self._wake_write >= 0:
            os.write(self._wake_write, b"!")

    def stats(self) -> dict[str, int]:
        return {"chunks": self._chunks}

    def read(self, size: int, /) -> bytes:
        """The available bytes, up to `size`, blocking for the first one; empty at the end of the
        stream or on stop().
        """
        ready, _, _ = select.select([self._stream, self._wake_read], [], [])
        if self._stopped or self._wake_read in ready:
            return b""
        return os.read(self._stream.fileno(), size)

    @property
    def _chunk_bytes(self) -> int:
        return self._frames.frame_bytes * round(self.native_rate_hz * BLOCK_S)

    def _raw(self, data: bytes) -> Iterator[AudioChunk]:
        self._choice.check("stdin", self.native_channels)
        converter = (
            SplitConverter(self.native_rate_hz, self.native_channels)
            if self._apart
            else Converter(self.native_rate_hz, self.native_channels, channel=self._choice.number)
        )
        count = 0
        while data:
            frames = self._frames.push(data)
            count += len(frames)
            yield converter.push(frames, time.monotonic())
            data = self.read(self._chunk_bytes)
        if not self._stopped:
            self._check_end(count, self._frames.rest)
        yield converter.flush(time.monotonic())

    def _contained(self, head: bytes) -> Iterator[AudioChunk]:
        converter = PieceConverter(self._choice.number)
        try:
            with open_stream(Prefixed(head, self), "stdin", (self._choice.track or 1) - 1) as file:
                self._tell(file)
                for piece in file.pieces():
                    yield from converter.push(piece, time.monotonic())
            yield from converter.flush(time.monotonic())
            problem = file.problem
        except AudioError as error:
            problem = str(error)
        if problem and not self._stopped:
            raise AudioError(problem)

    def _tell(self, file) -> None:
        self._choice.check("stdin", file.channels)
        self.native_rate_hz, self.native_channels = file.rate_hz, file.channels
        log.warning(
            "stdin holds a file, %s, %d Hz, %d channels: it is read as that, and options for raw "
            "PCM have no effect",
            file.form,
            file.rate_hz,
            file.channels,
        )

    def _check_end(self, frames: int, rest: bytes) -> None:
        expected = (
            f"{self.pcm_format}, {self.native_channels} channels, {self._frames.frame_bytes} "
            "bytes a frame"
        )
        if not frames:
            raise AudioError(
                f"stdin ended after {len(rest)} bytes, before its first frame; expected raw "
                f"{expected}"
            )
        if rest:
            log.warning(
                "stdin ended in the middle of a frame (%s): %d bytes were dropped",
                expected,
                len(rest),
            )
