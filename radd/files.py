"""Audio files, read in pieces with constant memory.

Plain WAV and similar formats are read by soundfile, which only this module imports, all others by
PyAV.
"""

from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from radd.channels import ChannelChoice, Lane, Plan, columns, plan
from radd.containers import ContainerFile, NotSound, open_container, problem
from radd.errors import AudioError
from radd.resampling import Piece, convert
from radd.types import AudioChunk

BLOCK_S = 0.128  # one hop, so that a file is scored as early as a microphone
PLAIN = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU")
UNCODED = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")
PLAIN_HEADS = (b"RIFF", b"RIFX", b"RF64", b"FORM", b".snd", b"riff")
RAW_SUFFIXES = (".raw", ".pcm")  # raw PCM has no header to be recognised by
UNKNOWN_BYTES = (
    # programs that write to a pipe do not know the length and write about this value or more
    0x7FFF_0000
)
LOUD, LOUD_SHARE = 8.0, 0.05  # +18 dB over full scale: correctly scaled audio is never this loud
_SHORT = re.compile(
    r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE
)

log = logging.getLogger(__name__)


class _Forward(soundfile.SoundFile):
    """Reads sequentially only: for seekable files soundfile seeks after each block."""

    def seekable(self) -> bool:
        return False


class AudioFile:
    """An open audio file that libsndfile reads. A context manager."""

    def __init__(self, name: str, sound: soundfile.SoundFile):
        self.name, self._sound = name, sound
        self.rate_hz: int = sound.samplerate
        self.channels: int = sound.channels
        self.track_channels = [sound.channels]
        """of every audio track, in order"""
        self.frames: int = sound.frames
        """number of frames according to the header"""
        self.problem: str | None = None
        """what is wrong with the file, known once its pieces have been read; None if nothing is"""

    def __enter__(self) -> AudioFile:
        return self

    def __exit__(self, *exc) -> None:
        self._sound.close()

    def pieces(self) -> Iterator[Piece]:
        """All frames that can be decoded, in order, about 128 ms each.

        A truncated file ends early; `problem` then describes it.
        """
        done, scale = 0, self._scale()
        while len(block := self._read()):
            done += len(block)
            yield Piece(block * scale if scale != 1 else block, self.rate_hz)
        if self._cut_off(done):
            self.problem = problem(self.name, done / self.rate_hz, self.frames / self.rate_hz)

    def _read(self) -> np.ndarray:
        size = max(1, round(self.rate_hz * BLOCK_S)), self.channels
        try:
            return self._sound.read(out=np.empty(size, np.float32))
        except soundfile.LibsndfileError:
            return np.empty((0, self.channels), np.float32)

    def _scale(self) -> np.float32:
        """Factor for the samples: floating-point files may contain 16-bit values."""
        if self._sound.subtype not in ("FLOAT", "DOUBLE"):
            return np.float32(1)
        loud = heard = 0
        peak = 0.0
        while len(block := self._read()):
            size = np.abs(np.where(np.isfinite(block), block, 0))
            loud, heard = loud + int((size > LOUD).sum()), heard + int((size > 1e-3).sum())
            peak = max(peak, float(size.max()))
        self._sound.seek(0)
        if loud <= LOUD_SHARE * heard:
            return np.float32(1)
        bits = next((bits for bits in (16, 24, 32) if peak <= 1.01 * 2 ** (bits - 1)), 32)
        log.warning(
            "%s holds samples up to %.0f where 1 is full scale: read as the numbers of %d bits",
            self.name,
            peak,
            bits,
        )
        return np.float32(2.0 ** (1 - bits))

    def _cut_off(self, done: int) -> bool:
        short = [(int(said), int(found)) for said, found in _SHORT.findall(self._sound.extra_info)]
        return done < self.frames or any(found < said < UNKNOWN_BYTES for said, found in short)


def open_audio(path: Path | str, track: int = 0) -> AudioFile | ContainerFile:
    """Open an audio file of any sample rate and channel count; `track` counts from 0.

    Raises AudioError if it is missing, empty, not a file, not readable, not audio or has no
    samples.
    """
    path = Path(path)
    name = printable(path)
    _check_file(path, name)
    head, sound = _head(path, name), None
    if head in PLAIN_HEADS:
        sound = _plain(path)
    if sound and sound.frames and _is_plain(sound):
        _check_one_track(name, track)
        return AudioFile(name, sound)
    try:
        file = open_container(path, name, track)
    except NotSound:
        return _last_resort(path, name, sound or _plain(path), track)
    if sound and not sound.frames and not file.has_sound():
        file.__exit__()
        raise AudioError(f"{name} has a header but no samples; expected audio")
    return file


def printable(path: Path | str) -> str:
    """The name of a file as storable text, even if it is not UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def lanes(path: Path | str, choice: ChannelChoice | None = None) -> Plan:
    """The tracks and channels of a file to score. Raises AudioError like open_audio and plan."""
    with open_audio(path) as file:
        channels, name = file.track_channels, file.name

    def heard(track: int) -> Iterator[np.ndarray]:
        with open_audio(path, track) as file:
            yield from columns(file.pieces(), channels[track])

    return plan(name, channels, heard, choice or ChannelChoice())


def chunks(path: Path | str, lane: Lane) -> Iterator[AudioChunk]:
    """The audio of one lane of a file, mono, 16 kHz; problems of the file are logged at the end.

    Raises AudioError like open_audio, and if nothing can be decoded.
    """
    chunk = None
    with open_audio(path, lane.track) as file:
        for chunk in convert(file.pieces(), lane.channel):
            yield chunk
    if chunk is None:
        raise AudioError(file.problem or f"{file.name} is too short: it holds no sound")
    if file.problem:
        log.warning(file.problem)


def load_speech(path: Path | str) -> np.ndarray:
    """Read a whole file as float32 (n,), mono, 16 kHz: the mean of its channels or, if they differ,
    the first with speech. Losses are skipped.

    Other content and problems are logged. Raises AudioError like open_audio.
    """
    found = lanes(path)
    if found.note:
        log.warning("%s; used: %s", found.note, found.lanes[0].name)
    return np.concatenate([chunk.samples for chunk in chunks(path, found.lanes[0])])


def _check_file(path: Path, name: str) -> None:
    if path.is_fifo() or path.is_char_device():
        raise AudioError(f"{name} is not a regular file; send raw PCM to --source - instead")


def _head(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except FileNotFoundError:
        raise AudioError(f"{name} does not exist") from None
    except IsADirectoryError:
        raise AudioError(f"{name} is a directory; name an audio file inside it") from None
    except OSError as error:
        raise AudioError(f"cannot read {name}: {error.strerror}") from None
    if not head:
        raise AudioError(f"{name} is empty (0 bytes); expected an audio file")
    return head


def _plain(path: Path) -> soundfile.SoundFile | None:
    """The file opened by libsndfile; None if it cannot read it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _Forward(descriptor, closefd=True)
    except soundfile.LibsndfileError:
        return None


def _is_plain(sound: soundfile.SoundFile) -> bool:
    return sound.format in PLAIN and sound.subtype.startswith(UNCODED)


def _check_one_track(name: str, track: int) -> None:
    if track:
        raise AudioError(f"{name} has one track of sound, not {track + 1}: choose --track 1")


def _last_resort(path: Path, name: str, sound: soundfile.SoundFile | None, track: int) -> AudioFile:
    """Open a file that only libsndfile reads. Raises AudioError if it cannot either."""
    if sound and sound.frames and not sound.subtype.startswith("MPEG"):
        _check_one_track(name, track)
        return AudioFile(name, sound)
    if sound and not sound.frames:
        raise AudioError(f"{name} has a header but no samples; expected audio")
    if path.suffix.lower() in RAW_SUFFIXES:
        raise AudioError(
            f"{name} is raw PCM without a header; send it to --source - and give --rate, "
            "--channels and --format"
        )
    raise AudioError(
        f"{name} cannot be read as audio; expected WAV, FLAC, MP3, OGG, Opus, M4A or a "
        "video with a sound track"
    )


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
    extra: dict[str, float | str] = {} if level is None else {"compression_level": float(level)}
    if constant:
        extra["bitrate_mode"] = "CONSTANT"
    soundfile.write(file, pcm, rate_hz, format=form, subtype=subtype, **extra)
    return file.getvalue()


def decoded(data: bytes, dtype: str, longest: int | None = None) -> tuple[np.ndarray, int]:
    """Decode a file's bytes to frames (n, channels) and a rate in Hz. Raises AudioError if they are
    not audio, or if they say that they have more than `longest` samples of all channels.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if longest is not None and file.frames * file.channels > longest:
                raise AudioError(
                    f"{len(data)} bytes hold {file.frames} frames of {file.channels} channels, at "
                    f"most {longest} samples are decoded"
                )
            # GSM in WAV cannot seek, so its number of frames must be named
            return file.read(file.frames, dtype=dtype, always_2d=True), file.samplerate
    except soundfile.SoundFileError as error:
        raise AudioError(
            f"{len(data)} bytes cannot be decoded: {error}; they are damaged or not audio"
        ) from None
