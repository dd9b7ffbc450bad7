"""Files of sound, read in blocks with constant memory; the one door of soundfile and of PyAV.

PyAV is optional and is imported only for a file that libsndfile cannot read: M4A, AAC and the sound
of a video.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from radd.errors import AudioError
from radd.resampling import Converter

BLOCK_S = 0.128
CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,"
    "ogg,rm,tta,w64,wav,wv"
)  # what FFmpeg may open: formats that name other files, such as playlists, are not here
UNKNOWN_BYTES = (
    0x7FFF_0000  # programs that write to a pipe put about this or more where the length belongs
)
_SHORT = re.compile(
    r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE
)

log = logging.getLogger(__name__)


class _Forward(soundfile.SoundFile):
    """Reads straight on: soundfile makes a file that can seek do so after each block, which MP3
    does not survive.
    """

    def seekable(self) -> bool:
        return False


class AudioFile:
    """An open file of sound that libsndfile reads: WAV, FLAC, MP3, OGG, Opus, AIFF and more. A
    context manager.
    """

    def __init__(self, path: Path, sound: soundfile.SoundFile):
        self.path, self._sound = path, sound
        self.rate_hz: int = sound.samplerate
        self.channels: int = sound.channels
        self.frames: int | None = sound.frames
        """how many frames it says it holds; None if it does not say"""
        self.problem: str | None = None
        """what is wrong with the file, known once its blocks have been read; None if nothing is"""

    def __enter__(self) -> AudioFile:
        return self

    def __exit__(self, *exc) -> None:
        self._sound.close()

    def blocks(self) -> Iterator[np.ndarray]:
        """All frames that can be decoded, in order: float32 (n, channels), about 128 ms each, full
        scale +-1.

        A file that is cut off or damaged ends early, and `problem` then says so.
        """
        done, broken = 0, False
        while not broken:
            block = np.full(
                (max(1, round(self.rate_hz * BLOCK_S)), self.channels), np.nan, np.float32
            )
            try:
                count = len(self._sound.read(out=block))
            except soundfile.LibsndfileError:
                broken = True
                count = int(
                    np.isfinite(block).all(axis=1).sum()
                )  # what came before the error is in the block
            if count == 0:
                break
            done += count
            yield block[:count]
        if broken or self._cut_off(done):
            self.problem = _problem(self, done)

    def _cut_off(self, done: int) -> bool:
        if self._sound.format == "OGG":
            return not _ogg_ended(self.path)
        if self._sound.format == "MP3" and not _mp3_counted(self.path):
            return False
        short = [(int(said), int(found)) for said, found in _SHORT.findall(self._sound.extra_info)]
        return done < self.frames or any(found < said < UNKNOWN_BYTES for said, found in short)


class ContainerFile:
    """An open file of sound that only PyAV reads; as AudioFile."""

    def __init__(self, path: Path, av, container):
        self.path, self._av, self._container = path, av, container
        self._stream = container.streams.audio[0]
        self.rate_hz: int = self._stream.codec_context.sample_rate
        self.channels: int = self._stream.codec_context.channels
        span = self._stream.duration
        self.frames = None if span is None else int(span * self._stream.time_base * self.rate_hz)
        self.problem: str | None = None

    def __enter__(self) -> ContainerFile:
        return self

    def __exit__(self, *exc) -> None:
        self._container.close()

    def blocks(self) -> Iterator[np.ndarray]:
        """As AudioFile.blocks; the blocks are as long as the codec makes them."""
        packed = self._av.AudioResampler(
            "flt", self._stream.codec_context.layout.name, self.rate_hz
        )
        done, broken = 0, False
        try:
            for frame in self._container.decode(self._stream):
                for part in packed.resample(frame):
                    done += part.samples
                    yield part.to_ndarray().reshape(-1, self.channels)
        except self._av.FFmpegError:
            broken = True
        if (
            broken or done < (self.frames or 0) - self.rate_hz
        ):  # its length is rounded, so a second is forgiven
            self.problem = _problem(self, done)


def open_audio(path: Path | str) -> AudioFile | ContainerFile:
    """Open a file of sound of any rate and channel count.

    Raises AudioError for one that is missing, empty, no file, not readable, not audio or without
    sound.
    """
    path = Path(path)
    if path.is_fifo() or path.is_char_device():
        raise AudioError(
            f"{path} is no file that can be read twice; send raw PCM to --source - instead"
        )
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise AudioError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise AudioError(f"{path} is a directory; name a file of sound inside it") from None
    except OSError as error:
        raise AudioError(f"cannot read {path}: {error.strerror}") from None
    if empty:
        raise AudioError(f"{path} is empty (0 bytes); expected a file of sound")
    try:
        sound = _Forward(path)
    except TypeError:
        raise AudioError(
            f"{path}: raw PCM has no header that gives its rate; send it to --source - instead"
        ) from None
    except soundfile.LibsndfileError as error:
        return _open_container(path, error.error_string.rstrip("."))
    if sound.frames == 0:
        sound.close()
        raise AudioError(f"{path} holds no sound: its header is there, but not one sample")
    return AudioFile(path, sound)


def load_speech(path: Path | str) -> np.ndarray:
    """The whole file as float32 (n,), mono, 16 kHz; what is wrong with a file that is cut off is
    logged.

    Raises AudioError as open_audio.
    """
    with open_audio(path) as file:
        converter = Converter(file.rate_hz, file.channels)
        parts = [converter.push(block).samples for block in file.blocks()]
        parts.append(converter.flush().samples)
    if file.problem:
        log.warning(file.problem)
    return np.concatenate(parts)


def _open_container(path: Path, found: str) -> ContainerFile:
    try:
        import av
    except ImportError:
        raise AudioError(
            f"{path} is not audio that can be read ({found}); expected WAV, FLAC, MP3, OGG or "
            "Opus; for M4A and video, pip install -e '.[video]'"
        ) from None
    unreadable = AudioError(
        f"{path} is not audio that can be read ({found}); expected WAV, FLAC, MP3, OGG, Opus, M4A "
        "or a video with sound"
    )
    try:
        container = av.open(
            str(path), options={"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
        )
    except (av.FFmpegError, UnicodeDecodeError):  # PyAV takes the file's own texts for UTF-8
        raise unreadable from None
    return _sounding(path, av, container, unreadable)


def open_stream(file: BinaryIO) -> ContainerFile:
    """Open an Ogg or WebM stream of sound that is still being written, from anything that has
    read(size).

    Raises AudioError for anything else, and without PyAV.
    """
    try:
        import av
    except ImportError:
        raise AudioError("streams of Opus need PyAV: pip install -e '.[video]'") from None
    unreadable = AudioError(
        "this stream is no sound that can be read; expected Opus or Vorbis in Ogg or WebM"
    )
    try:
        container = av.open(
            file, options={"protocol_whitelist": "", "format_whitelist": "ogg,matroska,webm"}
        )
    except (av.FFmpegError, UnicodeDecodeError):
        raise unreadable from None
    return _sounding(Path("the stream"), av, container, unreadable)


def _sounding(path: Path, av, container, unreadable: AudioError) -> ContainerFile:
    codec = container.streams.audio[0].codec_context if container.streams.audio else None
    if codec is None or not codec.sample_rate or not codec.channels:
        container.close()
        raise unreadable
    return ContainerFile(path, av, container)


def _problem(file: AudioFile | ContainerFile, done: int) -> str:
    of = f" of {file.frames / file.rate_hz:.2f} s" if (file.frames or 0) > done else ""
    return (
        f"{file.path} is truncated or damaged: {done / file.rate_hz:.2f} s{of} could be decoded "
        "and were used; get the whole file for the rest"
    )


def _ogg_ended(path: Path) -> bool:
    """Whether the last page of an Ogg file bears the mark of the end of its stream."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2 * 65_307))  # a page is at most 65,307 bytes long
        tail = file.read()
    flags = tail.rfind(b"OggS") + 5
    return flags < len(tail) and bool(tail[flags] & 4)


def _mp3_counted(path: Path) -> bool:
    """Whether an MP3 file says how many frames it holds; without that, its length is an
    estimate.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    return b"Xing" in head or b"Info" in head


def encoded(
    pcm: np.ndarray,
    rate_hz: int,
    form: str,
    subtype: str,
    level: float | None = None,
    constant: bool = False,
) -> bytes:
    """Mono sound, int16 or float32 (n,), as the bytes of a file such as ("FLAC", "PCM_16") or
    ("OGG", "OPUS").

    `level` is the compression, 0 (best sound) to 1 (smallest file), where the codec has a choice;
    `constant` holds MP3 to one bit rate.
    """
    file = io.BytesIO()
    extra = {} if level is None else {"compression_level": float(level)}
    if constant:
        extra["bitrate_mode"] = "CONSTANT"
    soundfile.write(file, pcm, rate_hz, format=form, subtype=subtype, **extra)
    return file.getvalue()


def decoded(data: bytes, dtype: str) -> tuple[np.ndarray, int]:
    """The frames (n, channels) and rate in Hz of a file's bytes; raises AudioError where they are
    no sound.
    """
    try:
        return soundfile.read(io.BytesIO(data), dtype=dtype, always_2d=True)
    except soundfile.SoundFileError as error:
        raise AudioError(
            f"{len(data)} bytes cannot be decoded: {error}; they are damaged or no sound"
        ) from None
