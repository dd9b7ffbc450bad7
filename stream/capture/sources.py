"""Where sound comes from: a file, a pipe of raw PCM, a microphone or the demo recording."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import BinaryIO

from radd.errors import AudioError, ConfigError, DeviceError
from radd.files import open_audio
from radd.resampling import Converter
from radd.resources import resource
from radd.types import SAMPLE_RATE_HZ, AudioChunk, Source
from stream.capture.devices import find_device
from stream.capture.microphone import BLOCK_S, MicrophoneSource
from stream.capture.pcm import PcmFrames
from stream.capture.portaudio import CaptureSettings, list_devices

DEMO = resource("assets/demo.flac")

log = logging.getLogger(__name__)


class FileSource:
    """A Source that reads a file, as fast as it is asked or, with `realtime`, as fast as it would
    be spoken.

    Entering raises AudioError as radd.files.open_audio does; a truncated or damaged file raises it
    at the end, when all that can be decoded has been yielded.
    """

    def __init__(self, path: Path | str, realtime: bool = False, name: str | None = None):
        self.path, self.realtime, self.name = Path(path), realtime, name or str(path)
        self.native_rate_hz = self.native_channels = 0
        self.length_samples: int | None = None
        """how long the file says it is, in samples of 16 kHz; None if it does not say"""
        self._stopped = False
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._chunks = 0

    def __enter__(self) -> FileSource:
        self._file = open_audio(self.path)
        self.native_rate_hz, self.native_channels = self._file.rate_hz, self._file.channels
        if self._file.frames is not None:
            self.length_samples = round(self._file.frames * SAMPLE_RATE_HZ / self.native_rate_hz)
        return self

    def __exit__(self, *exc) -> None:
        self._file.__exit__(*exc)

    def __iter__(self) -> Iterator[AudioChunk]:
        for chunk in self._convert():
            if len(chunk.samples):
                self._chunks += 1
                yield chunk
        if self._file.problem:
            raise AudioError(self._file.problem)

    def stop(self) -> None:
        self._stopped = True
        self._wake.put(None)

    def stats(self) -> dict[str, int | float]:
        return {"chunks": self._chunks}

    def _convert(self) -> Iterator[AudioChunk]:
        converter = Converter(self.native_rate_hz, self.native_channels)
        began, frames, due = time.monotonic(), 0, None
        for block in self._file.blocks():
            frames += len(block)
            if self.realtime:
                due = began + frames / self.native_rate_hz
                self._wait_until(due)
            if self._stopped:
                break
            yield converter.push(block, due)
        yield converter.flush(due)

    def _wait_until(self, due: float) -> None:
        """Wait until time.monotonic() is `due` or stop() is called; too late is not late: the pace
        is kept.
        """
        while not self._stopped and (left_s := due - time.monotonic()) > 0:
            with contextlib.suppress(Empty):
                self._wake.get(timeout=left_s)


class PcmSource:
    """A Source that reads raw PCM from a stream with a file descriptor, by default stdin, and waits
    where it stalls.

    A last frame that is not whole is dropped, and the log says so. Raises ConfigError for an
    unknown format, and AudioError for a terminal or a stream that ends before its first frame.
    """

    def __init__(
        self,
        stream: BinaryIO | None = None,
        rate_hz: int = SAMPLE_RATE_HZ,
        channels: int = 1,
        pcm_format: str = "s16le",
    ):
        self._frames = PcmFrames(pcm_format, channels)
        self.name, self.native_rate_hz, self.native_channels, self.pcm_format = (
            "-",
            rate_hz,
            channels,
            pcm_format,
        )
        self._converter = Converter(rate_hz, channels)
        self._stream = sys.stdin.buffer if stream is None else stream
        self._wake_read = self._wake_write = -1
        self._stopped = False
        self._chunks = 0

    def __enter__(self) -> PcmSource:
        if self._stream.isatty():
            raise AudioError("stdin is a terminal; expected raw PCM from a pipe or a file")
        self._wake_read, self._wake_write = os.pipe()
        return self

    def __exit__(self, *exc) -> None:
        ends, self._wake_read, self._wake_write = (self._wake_read, self._wake_write), -1, -1
        for end in ends:
            os.close(end)

    def __iter__(self) -> Iterator[AudioChunk]:
        for chunk in self._convert():
            if len(chunk.samples):
                self._chunks += 1
                yield chunk

    def stop(self) -> None:
        self._stopped = True
        if self._wake_write >= 0:
            os.write(self._wake_write, b"!")

    def stats(self) -> dict[str, int | float]:
        return {"chunks": self._chunks}

    def _convert(self) -> Iterator[AudioChunk]:
        count = 0
        while data := self._read():
            frames = self._frames.push(data)
            count += len(frames)
            yield self._converter.push(frames, time.monotonic())
        if not self._stopped:
            self._check_end(count, self._frames.rest)
        yield self._converter.flush(time.monotonic())

    def _read(self) -> bytes:
        """What is there, up to one chunk, waiting for the first byte; nothing at the end of the
        stream or on stop().
        """
        ready, _, _ = select.select([self._stream, self._wake_read], [], [])
        if self._stopped or self._wake_read in ready:
            return b""
        return os.read(
            self._stream.fileno(), self._frames.frame_bytes * round(self.native_rate_hz * BLOCK_S)
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


def open_source(
    spec: str,
    capture: CaptureSettings,
    realtime: bool = False,
    rate_hz: int = SAMPLE_RATE_HZ,
    channels: int = 1,
    pcm_format: str = "s16le",
) -> Source:
    """The source that `auto`, `mic`, `mic:NAME_OR_INDEX`, a path or `-` (raw PCM on stdin) stands
    for, not yet entered.

    `auto` is the default microphone and, where there is none, the demo recording in real time; its
    name says why. Raises ConfigError for `mic:` without a name and for an unknown PCM format.
    """
    if spec == "auto":
        return _microphone_or_demo(capture)
    if spec == "-":
        return PcmSource(None, rate_hz, channels, pcm_format)
    if spec == "mic":
        return MicrophoneSource(capture)
    if spec.startswith("mic:"):
        wanted = spec.removeprefix("mic:").strip()
        if not wanted:
            raise ConfigError(
                "--source mic: lacks the name or index of a microphone; see --list-devices"
            )
        return MicrophoneSource(capture, int(wanted) if wanted.isdecimal() else wanted)
    return FileSource(spec, realtime)


def _microphone_or_demo(capture: CaptureSettings) -> Source:
    try:
        find_device(list_devices(capture.backend), None)
    except DeviceError as error:
        return FileSource(DEMO, realtime=True, name=f"demo recording ({error})")
    return MicrophoneSource(capture)
