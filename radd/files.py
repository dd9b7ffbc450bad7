"""Audio files, read in blocks with constant memory. The only module that imports soundfile and
PyAV.

PyAV is optional. It is imported only for files that libsndfile cannot read: M4A, AAC and video
sound tracks.
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
    # formats that FFmpeg may open; formats that refer to other files, such as playlists, are out
)
UNKNOWN_BYTES = (
    # programs that write to a pipe do not know the length and write about this value or more
    0x7FFF_0000
)
_SHORT = re.compile(
    r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE
)

log = logging.getLogger(__name__)


class _Forward(soundfile.SoundFile):
    """Reads sequentially only. For seekable files soundfile seeks after each block, and MP3
    decoding does not survive that.
    """

    def seekable(self) -> bool:
        return False


class AudioFile:
    """An open audio file that libsndfile reads: WAV, FLAC, MP3, OGG, Opus, AIFF and more. A context
    manager.
    """

    def __init__(self, path: Path, sound: soundfile.SoundFile):
        self.path, self._sound = path, sound
        self.rate_hz: int = sound.samplerate
        self.channels: int = sound.channels
        self.frames: int | None = sound.frames
        """number of frames according to the header; None if unknown"""
        self.problem: str | None = None
        """what is wrong with the file, known once its blocks have been read; None if nothing is"""

    def __enter__(self) -> AudioFile:
        return self

    def __exit__(self, *exc) -> None:
        self._sound.close()

    def blocks(self) -> Iterator[np.ndarray]:
        """All frames that can be decoded, in order: float32 (n, channels), about 128 ms each, full
        scale +-1.

        A truncated or damaged file ends early; `problem` then describes it.
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
                )  # frames decoded before the error are in the block
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
    """An open audio file that only PyAV reads; same interface as AudioFile."""

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
        """Like AudioFile.blocks; the codec determines the block length."""
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
        ):  # the stated length is rounded, so a missing second is tolerated
            self.problem = _problem(self, done)


def open_audio(path: Path | str) -> AudioFile | ContainerFile:
    """Open an audio file of any sample rate and channel count.

    Raises AudioError if it is missing, empty, not a file, not readable, not audio or has no
    samples.
    """
    path = Path(path)
    if path.is_fifo() or path.is_char_device():
        raise AudioError(f"{path} is not a regular file; send raw PCM to --source - instead")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise AudioError(f"{path} does not exist") from None
    except IsADirectoryError:
        raise AudioError(f"{path} is a directory; name an audio file inside it") from None
    except OSError as error:
        raise AudioError(f"cannot read {path}: {error.strerror}") from None
    if empty:
        raise AudioError(f"{path} is empty (0 bytes); expected an audio file")
    try:
        sound = _Forward(path)
    except TypeError:
        raise AudioError(
            f"{path} is raw PCM without a header; send it to --source - and give --rate, "
            "--channels and --format"
        ) from None
    except soundfile.LibsndfileError as error:
        return _open_container(path, error.error_string.rstrip("."))
    if sound.frames == 0:
        sound.close()
        raise AudioError(f"{path} has a header but no samples; expected audio")
    return AudioFile(path, sound)


def load_speech(path: Path | str) -> np.ndarray:
    """Read a whole file as float32 (n,), mono, 16 kHz; a problem with a truncated file is logged.

    Raises AudioError like open_audio.
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
            f"{path} cannot be read as audio ({found}); expected WAV, FLAC, MP3, OGG or "
            "Opus; for M4A and video, pip install -e '.[video]'"
        ) from None
    unreadable = AudioError(
        f"{path} cannot be read as audio ({found}); expected WAV, FLAC, MP3, OGG, Opus, M4A "
        "or a video with a sound track"
    )
    try:
        container = av.open(
            str(path), options={"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
        )
    except (av.FFmpegError, UnicodeDecodeError):  # PyAV decodes the file's metadata as UTF-8
        raise unreadable from None
    return _sounding(path, av, container, unreadable)


def open_stream(file: BinaryIO) -> ContainerFile:
    """Open an Ogg or WebM stream that is still being written, from any object with read(size).

    Raises AudioError for any other content, and if PyAV is missing.
    """
    try:
        import av
    except ImportError:
        raise AudioError("Opus streams need PyAV: pip install -e '.[video]'") from None
    unreadable = AudioError(
        "the stream cannot be read as audio; expected Opus or Vorbis in Ogg or WebM"
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
        "and were used; obtain the complete file for the rest"
    )


def _ogg_ended(path: Path) -> bool:
    """Whether the last page of an Ogg file is marked as the end of its stream."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2 * 65_307))  # a page has at most 65,307 bytes
        tail = file.read()
    flags = tail.rfind(b"OggS") + 5
    return flags < len(tail) and bool(tail[flags] & 4)


def _mp3_counted(path: Path) -> bool:
    """Whether an MP3 file states its number of frames; otherwise its length is an estimate."""
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
    """Encode mono audio, int16 or float32 (n,), as the bytes of a file such as ("FLAC", "PCM_16")
    or ("OGG", "OPUS").

    `level` is the compression, 0 (best quality) to 1 (smallest file), if the codec has a choice;
    `constant` selects constant bit rate for MP3.
    """
    file = io.BytesIO()
    extra = {} if level is None else {"compression_level": float(level)}
    if constant:
        extra["bitrate_mode"] = "CONSTANT"
    soundfile.write(file, pcm, rate_hz, format=form, subtype=subtype, **extra)
    return file.getvalue()


def decoded(data: bytes, dtype: str) -> tuple[np.ndarray, int]:
    """Decode a file's bytes to frames (n, channels) and a rate in Hz. Raises AudioError if they are
    not audio.
    """
    try:
        return soundfile.read(io.BytesIO(data), dtype=dtype, always_2d=True)
    except soundfile.SoundFileError as error:
        raise AudioError(
            f"{len(data)} bytes cannot be decoded: {error}; they are damaged or not audio"
        ) from None
