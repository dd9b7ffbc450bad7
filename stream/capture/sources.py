"""Audio sources: a file, an address, stdin, a microphone or the demo recording."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from radd.channels import SPLIT, ChannelChoice, Lane
from radd.errors import AudioError, ConfigError, DeviceError
from radd.files import lanes, open_audio, printable
from radd.resampling import PieceConverter
from radd.resources import resource
from radd.types import SAMPLE_RATE_HZ, AudioChunk, Source
from stream.capture.addressed import AddressSource, is_address
from stream.capture.devices import find_device
from stream.capture.microphone import MicrophoneSource
from stream.capture.piped import PcmSource
from stream.capture.portaudio import CaptureSettings, list_devices
from stream.capture.split import SharedSource

DEMO = resource("assets/demo.flac")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How sources are read."""

    realtime: bool = False
    """process files at the speed of their audio"""
    rate_hz: int = SAMPLE_RATE_HZ
    """of raw PCM on stdin, like the next two"""
    channels: int = 1
    pcm_format: str = "s16le"
    choice: ChannelChoice = ChannelChoice()
    """selects channels or tracks"""


class FileSource:
    """A Source that reads a file as fast as it is consumed or, with `realtime`, at the speed of its
    audio.

    Losses inside the file are gaps. Entering raises AudioError like radd.files.open_audio. A
    truncated or damaged file raises it at the end, after everything that can be decoded has been
    yielded.
    """

    def __init__(
        self,
        path: Path | str,
        realtime: bool = False,
        name: str | None = None,
        lane: Lane | None = None,
    ):
        """`lane` selects part of the file; None: the mean of the channels of its first track."""
        self.path, self.realtime, self.lane = Path(path), realtime, lane or Lane()
        self.name = name or printable(path) + (f" ({self.lane.name})" if self.lane.name else "")
        self.native_rate_hz = self.native_channels = 0
        self.length_samples: int | None = None
        """length according to the file, in samples of 16 kHz; None if unknown"""
        self._stopped = False
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._chunks = 0

    def __enter__(self) -> FileSource:
        self._file = open_audio(self.path, self.lane.track)
        self.native_rate_hz, self.native_channels = self._file.rate_hz, self._file.channels
        if self._file.frames is not None:
            self.length_samples = round(self._file.frames * SAMPLE_RATE_HZ / self.native_rate_hz)
        return self

    def __exit__(self, *exc) -> None:
        self._file.__exit__(*exc)

    def __iter__(self) -> Iterator[AudioChunk]:
        for chunk in self._convert():
            self._chunks += 1
            yield chunk
        if self._file.problem and not self._stopped:
            raise AudioError(self._file.problem)

    def stop(self) -> None:
        self._stopped = True
        self._wake.put(None)

    def stats(self) -> dict[str, int]:
        return {"chunks": self._chunks}

    def _convert(self) -> Iterator[AudioChunk]:
        converter = PieceConverter(self.lane.channel)
        began, played_s, due = time.monotonic(), 0.0, None
        for piece in self._file.pieces():
            played_s += piece.lost_s + len(piece.frames) / piece.rate_hz
            if self.realtime:
                due = began + played_s
                self._wait_until(due)
            if self._stopped:
                break
            yield from converter.push(piece, due)
        yield from converter.flush(due)

    def _wait_until(self, due: float) -> None:
        """Wait until time.monotonic() is `due` or stop() is called. A late call does not wait: the
        pace is kept.
        """
        while not self._stopped and (left_s := due - time.monotonic()) > 0:
            with contextlib.suppress(Empty):
                self._wake.get(timeout=left_s)


def open_sources(spec: str, capture: CaptureSettings, options: SourceOptions) -> list[Source]:
    """The sources for `auto`, `mic`, `mic:NAME_OR_INDEX`, a path, an address or `-` (stdin), not
    yet entered: one, except for a file with several channels or tracks to score.

    `auto` is the default microphone. If there is none, it is the demo recording in real time, and
    its name says why. Raises ConfigError for `mic:` without a name, for an unknown PCM format and
    for `split` without a file, and AudioError for a file that cannot be read.
    """
    if spec == "auto":
        return _microphone_or_demo(capture, options)
    if spec == "-" and options.choice.channel == SPLIT:
        form = options.rate_hz, options.channels, options.pcm_format
        return _split(PcmSource(None, *form, apart=True), options.channels)
    if spec == "-":
        return [
            PcmSource(None, options.rate_hz, options.channels, options.pcm_format, options.choice)
        ]
    if spec == "mic":
        return _microphones(capture, None, options)
    if spec.startswith("mic:"):
        wanted = spec.removeprefix("mic:").strip()
        if not wanted:
            raise ConfigError(
                "--source mic: lacks the name or index of a microphone; see --list-devices"
            )
        return _microphones(capture, int(wanted) if wanted.isdecimal() else wanted, options)
    if is_address(spec):
        return [AddressSource(spec, options.choice)]
    return _files(spec, options)


def _files(path: str, options: SourceOptions) -> list[Source]:
    found = lanes(path, options.choice)
    if found.note:
        log.warning(found.note)
    return [FileSource(path, options.realtime, lane=lane) for lane in found.lanes]


def _microphones(
    capture: CaptureSettings, wanted: str | int | None, options: SourceOptions
) -> list[Source]:
    """The microphone, or each of its channels."""
    if options.choice.channel != SPLIT:
        return [_microphone(capture, wanted, options)]
    device = find_device(list_devices(capture.backend), wanted)
    channels = capture.channels or min(device.channels, 2)
    return _split(MicrophoneSource(capture, wanted, apart=True), channels)


def _split(source: Source, channels: int) -> list[Source]:
    names = ["left", "right"] if channels == 2 else [f"channel {k + 1}" for k in range(channels)]
    return list(SharedSource(source, names).parts)


def _microphone(
    capture: CaptureSettings, wanted: str | int | None, options: SourceOptions
) -> MicrophoneSource:
    options.choice.for_one_stream("a microphone")
    return MicrophoneSource(capture, wanted, options.choice.number)


def _microphone_or_demo(capture: CaptureSettings, options: SourceOptions) -> list[Source]:
    try:
        find_device(list_devices(capture.backend), None)
    except DeviceError as error:
        return [FileSource(DEMO, realtime=True, name=f"demo recording ({error})")]
    return _microphones(capture, None, options)
