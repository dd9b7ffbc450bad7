"""Audio in containers: FLAC, MP3, Ogg, M4A, video sound tracks, and streams of them. The only
module that imports PyAV.

FFmpeg detects the format and decodes. Undecodable parts are skipped and marked as lost, and reading
continues after them. Changes inside a file, such as another sample rate, are passed on.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import av
import numpy as np

from radd.errors import AudioError
from radd.loss_clock import LossClock
from radd.ogg import OggLinks, Readable
from radd.resampling import Piece

FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,"
    "mj2,mp3,mpeg,mpegts,ogg,rm,tta,w64,wav,wv"
    # formats that FFmpeg may open; formats that refer to other files, such as playlists, are out
)
MOST_BAD = 2_000  # undecodable packets in a row after which the rest is abandoned
DECODERS = {
    "amrnb": "libopencore_amrnb",
    "amr_nb": "libopencore_amrnb",
    "amrwb": "libopencore_amrwb",
    "amr_wb": "libopencore_amrwb",
}  # FFmpeg's own decoders do not support silence descriptors
# limits how long opening waits
STREAM_OPTIONS = {"probesize": "1000000", "analyzeduration": "1000000"}
NETWORK_FORMATS = "hls,rtsp,sdp,rtp"
PROTOCOLS = "http,https,tcp,tls,crypto,rtp,udp"  # a playlist must not name files of this machine
OPEN_S, READ_S = 10.0, 4.0  # how long an address may take to answer, and to bring more
RTP_OPTIONS = {
    "sdp_flags": "custom_io",
    "protocol_whitelist": "",
    "analyzeduration": "200000",
    "probesize": "2000",
    "reorder_queue_size": "10",
    "max_delay": "100000",
}
"""packets wait for earlier ones for 100 ms or 10 packets, as in a telephone's jitter buffer"""
FORGIVEN_S = {"mov": 1.0, "matroska": 1.0, "asf": 1.0, "flac": 0.01, "mp3": 0.2}
"""tolerated excess of the length stated by a format over its audio; other formats state none"""


class NotSound(AudioError):
    """Content that FFmpeg cannot read, or without audio."""


class ContainerFile:
    """An open audio file or stream that PyAV reads; a context manager."""

    _most_bad = MOST_BAD

    def __init__(self, source: Readable, name: str, file: BinaryIO | None, track: int = 0):
        """Takes ownership of `file`, which is `source` again if it can seek, else None.

        Raises NotSound for content that is not audio, and AudioError for a track that does not
        exist.
        """
        self.name, self._file, self._is_stream, self._track = name, file, file is None, track
        self._links: OggLinks | None = None
        head = _head(source)
        whole: Readable = Prefixed(head, source)
        if file is not None:
            file.seek(0)
            whole = file
        if head == b"OggS":
            whole = self._links = OggLinks(whole)
        mp3_s = None if file is None else _mp3_stated_s(file)  # before FFmpeg continues from there
        self._adopt(self._open(whole), mp3_s)

    def _adopt(self, container, mp3_s: float | None = None) -> None:
        """Take over an open container, which has sound."""
        self._container = container
        self.form: str = self._container.format.name.split(",")[0]
        """name of the format, such as wav"""
        context = self._stream(self._container).codec_context
        self.rate_hz: int = context.sample_rate
        self.channels: int = context.channels
        self.track_channels = [one.codec_context.channels for one in self._sounds(self._container)]
        """of every audio track, in order"""
        self._said_s = None if self._is_stream else self._stated_s(mp3_s)
        self.frames = None if self._said_s is None else round(self._said_s * self.rate_hz)
        """number of frames according to the header; None if unknown"""
        self.problem: str | None = None
        """what is wrong with it, known once its pieces have been read; None if nothing is"""
        self.is_broken = False
        """whether reading was given up before the end, known at the same time"""

    def __enter__(self) -> ContainerFile:
        return self

    def __exit__(self, *exc) -> None:
        self._container.close()
        if self._file is not None:
            self._file.close()

    def pieces(self) -> Iterator[Piece]:
        """All audio that can be decoded, in order; the codec determines the length of the pieces.

        Undecodable parts are skipped and reported as lost before the next piece; `problem` then
        describes them.
        """
        clock = LossClock(self.form)
        yield from self._decoded(clock)
        while self._links and self._links.next_link():
            clock.restart()
            if self._reopen(clock):
                yield from self._decoded(clock)
        self.problem, self.is_broken = self._told(clock), clock.broken

    def has_sound(self) -> bool:
        """Whether there is anything to decode, judging by its length."""
        return bool(self._container.duration)

    def _open(self, source):
        options = {"protocol_whitelist": "", "format_whitelist": FORMATS}
        try:
            container = av.open(
                source, options=options | (STREAM_OPTIONS if self._file is None else {})
            )
        except (av.FFmpegError, UnicodeDecodeError):  # PyAV decodes the file's metadata as UTF-8
            raise NotSound(self._unreadable()) from None
        if not self._sounds(container):
            container.close()
            raise NotSound(self._unreadable())
        return container

    def _reopen(self, clock: LossClock) -> bool:
        """Continue with the next link of a chain; parts that are not audio are lost."""
        try:
            self._container.close()
            self._container = self._open(self._links)
        except NotSound:
            clock.lose_link()
            return False
        return True

    def _sounds(self, container) -> list:
        return [
            stream
            for stream in container.streams.audio
            if stream.codec_context and stream.codec_context.sample_rate
        ]

    def _stream(self, container):
        sounds = self._sounds(container)
        if self._links and self._track >= len(sounds):
            return sounds[-1]
        if self._track >= len(sounds):
            raise AudioError(
                f"{self.name} has {len(sounds)} tracks of sound, not {self._track + 1}: choose "
                f"--track 1 to {len(sounds)}"
            )
        return sounds[self._track]

    def _decoded(self, clock: LossClock) -> Iterator[Piece]:
        stream = self._stream(self._container)
        decoder = _decoder(stream)
        self._codec = decoder.name
        for packet in _packets(self._container, stream, clock, self._most_bad):
            try:
                frames = decoder.decode(packet)
            except av.FFmpegError:
                clock.lose(packet)
                if clock.bad_in_row >= MOST_BAD:
                    return
                continue
            for frame in frames:
                if frame.samples:
                    lost = clock.lost_before(frame)
                    yield Piece(_floats(frame)[: self._kept(frame, clock)], frame.rate, *lost)
            clock.took(packet)

    def _kept(self, frame: av.AudioFrame, clock: LossClock) -> int:
        """Number of valid samples in a frame: FFmpeg does not always remove the padding at the end
        of Vorbis.
        """
        if not self._links or self._links.end_frames is None or self._codec != "vorbis":
            return frame.samples
        return max(0, frame.samples - max(0, clock.link_frames - self._links.end_frames))

    def _stated_s(self, mp3_s: float | None) -> float | None:
        """The length stated by the file; None if FFmpeg would only estimate it."""
        if self.form == "mp3":
            return mp3_s
        if self.form not in FORGIVEN_S:
            return None
        stream = self._stream(self._container)
        if stream.duration is not None:
            return float(stream.duration * stream.time_base)
        if self._container.duration is None or self._container.streams.video:
            return None
        return self._container.duration / av.time_base

    def _told(self, clock: LossClock) -> str | None:
        if not clock.done_s:
            return f"{self.name} holds no sound that can be decoded: it is damaged"
        forgiven_s = FORGIVEN_S.get(self.form, 0.0)
        is_short = clock.done_s + clock.lost_s < (self._said_s or 0.0) - forgiven_s
        is_open = bool(self._links and self._file and not self._links.is_closed)
        if not (is_short or is_open or clock.gaps or clock.broken):
            return None
        return problem(self.name, clock.done_s, self._said_s, clock.gaps, clock.lost_s)

    def _unreadable(self) -> str:
        return (
            f"{self.name} cannot be read as audio; expected WAV, FLAC, MP3, OGG, Opus, M4A "
            "or a video with a sound track"
        )


class RtpFile(ContainerFile):
    """RTP packets that FFmpeg puts in order and decodes; the sockets are those of the caller.

    Packets that are missing are reported as lost before the next piece, also short ones.
    """

    def __init__(self, sdp: bytes, packets: Readable, name: str):
        """`sdp` describes one track. Each `packets.read` returns one packet, and nothing at the
        end; raises NotSound if they end before anything can be told of them.
        """
        self.name, self._file, self._is_stream, self._track = name, None, True, 0
        self._links = None
        try:
            container = av.open(_Described(sdp, packets), format="sdp", options=RTP_OPTIONS)
        except av.FFmpegError:
            raise NotSound(self._unreadable()) from None
        if not self._sounds(container):
            container.close()
            raise NotSound(self._unreadable())
        self._adopt(container)


class AddressFile(ContainerFile):
    """Audio at an address that FFmpeg fetches: http, https, rtsp, and HLS through them."""

    _most_bad = 1  # a connection that failed does not recover

    def __init__(self, url: str, name: str, track: int = 0):
        """Raises NotSound if nothing answers, or what answers is not audio; `name` stands for the
        address in messages. A connection that brings nothing for READ_S ends.
        """
        self.name, self._file, self._is_stream, self._track = name, None, False, track
        self._links = None
        options = {"format_whitelist": f"{FORMATS},{NETWORK_FORMATS}", "rtsp_transport": "tcp"}
        try:
            container = av.open(
                url,
                options=options | STREAM_OPTIONS | {"protocol_whitelist": PROTOCOLS},
                timeout=(OPEN_S, READ_S),
            )
        except (av.FFmpegError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not audio"
            raise NotSound(
                f"{name} cannot be read: {why}; expected audio at this address"
            ) from None
        if not self._sounds(container):
            container.close()
            raise NotSound(self._unreadable())
        self.is_live = not container.duration
        """whether its end is unknown"""
        self._adopt(container)


def open_container(path: Path, name: str, track: int = 0) -> ContainerFile:
    """Open a file. Raises AudioError like ContainerFile, and OSError if it cannot be read."""
    file = path.open("rb")  # opened by Python: FFmpeg accepts only UTF-8 names
    try:
        return ContainerFile(file, name, file, track)
    except BaseException:
        file.close()
        raise


def open_stream(file: Readable, name: str = "the stream", track: int = 0) -> ContainerFile:
    """Open audio that is still being written, from any object whose read(size) returns what is
    available, and nothing at the end. Raises AudioError like ContainerFile.
    """
    return ContainerFile(file, name, None, track)


def problem(
    name: str, done_s: float, said_s: float | None, gaps: int = 0, lost_s: float = 0
) -> str:
    """Describe what is wrong with audio of which `done_s` could be decoded."""
    of = f" of {said_s:.2f} s" if said_s is not None and said_s > done_s else ""
    places = f", {lost_s:.2f} s in {gaps} places are missing" if gaps else ""
    return (
        f"{name} is truncated or damaged: {done_s:.2f} s{of} could be decoded and were used"
        f"{places}; obtain the complete file for the rest"
    )


class _Described:
    """A description, its end, and then packets: the order in which FFmpeg reads them."""

    def __init__(self, description: bytes, packets: Readable):
        self._parts = [description, b""]
        self._packets = packets

    def read(self, size: int, /) -> bytes:
        return self._parts.pop(0) if self._parts else self._packets.read(size)


class Prefixed:
    """A stream whose first bytes were already read, from its beginning."""

    def __init__(self, head: bytes, file: Readable):
        self._head, self._file = head, file

    def read(self, size: int, /) -> bytes:
        if not self._head:
            return self._file.read(size)
        data, self._head = self._head[:size], self._head[size:]
        return data


def _head(source: Readable) -> bytes:
    """The first four bytes."""
    head = b""
    while len(head) < 4 and (more := source.read(4 - len(head))):
        head += more
    return head


def _decoder(stream):
    """The decoder of a track: FFmpeg's choice except for AMR; FLAC frames must have a valid
    checksum.
    """
    own = stream.codec_context
    name = DECODERS.get(own.name)
    if name is None:
        if own.name == "flac":
            own.options = {"err_detect": "crccheck+explode"}
        return own
    decoder = av.CodecContext.create(name, "r")
    decoder.sample_rate, decoder.layout = own.sample_rate, own.layout.name
    return decoder


def _packets(container, stream, clock: LossClock, most_bad: int) -> Iterator[av.Packet]:
    """The packets of a track; data that FFmpeg cannot split into packets is skipped."""
    failures = 0
    while failures < most_bad:
        try:
            for packet in container.demux(stream):
                failures = 0
                yield packet
            return
        except av.FFmpegError:
            failures += 1
    clock.broken = True


def _floats(frame: av.AudioFrame) -> np.ndarray:
    """The samples of a frame, float32 (n, channels), full scale +-1."""
    channels = len(frame.layout.channels) or frame.layout.nb_channels
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, channels)
    if values.dtype.kind == "f":
        return np.ascontiguousarray(values, np.float32)
    full_scale = 2.0 ** (8 * values.dtype.itemsize - 1)
    middle = full_scale if values.dtype.kind == "u" else 0.0
    return ((values - middle) / full_scale).astype(np.float32)


def _mp3_stated_s(file: BinaryIO) -> float | None:
    """The length stated in the first frame of an MP3 file (Xing, Info), which FFmpeg does not
    distinguish from its own estimate.
    """
    head = file.read(10)
    while head[:3] == b"ID3":
        size = sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        file.seek(size, io.SEEK_CUR)
        head = file.read(10)
    frame = head + file.read(64)
    file.seek(0)
    for at in (13, 15, 21, 23, 36, 38):  # after the side information, with or without a checksum
        if frame[at : at + 4] in (b"Xing", b"Info") and frame[at + 7] & 1:
            version, rate = (frame[1] >> 3) & 3, (frame[2] >> 2) & 3
            rates = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000)}
            rate_hz = (*rates.get(version, (11_025, 12_000, 8_000)), 0)[rate]
            samples = 1152 if version == 3 else 576
            count = int.from_bytes(frame[at + 8 : at + 12], "big")
            return samples * count / rate_hz if rate_hz else None
    return None


def _codec(name: str, mode: Literal["r", "w"], rate_hz: int) -> av.AudioCodecContext:
    """A decoder ("r") or an encoder ("w") of mono sound, not yet open."""
    context = av.CodecContext.create(name, mode)
    if not isinstance(context, av.AudioCodecContext):
        raise ValueError(f"{name} is no codec of sound")
    context.sample_rate, context.layout = rate_hz, "mono"
    if mode == "w" and (formats := av.Codec(name, "w").audio_formats):
        context.format = formats[0].name
    return context


def transcode(
    samples: np.ndarray,
    rate_hz: int,
    codec: str,
    bit_rate: int | None = None,
    options: dict[str, str] | None = None,
) -> tuple[np.ndarray, int]:
    """Audio after an encoder of FFmpeg and its decoder: float32 (m,) and its rate in Hz.

    `samples` are float32 (n,), mono, full scale +-1, at a rate that the codec supports; `bit_rate`
    is in bit/s. The result may be a few milliseconds longer or later than the input.
    """
    encoder = _codec(codec, "w", rate_hz)
    encoder.options = options or {}
    if bit_rate is not None:
        encoder.bit_rate = bit_rate
    encoder.open()
    decoder = _codec(av.Codec(codec, "w").canonical_name, "r", rate_hz)
    if encoder.extradata:
        decoder.extradata = bytes(encoder.extradata)
    frames = [
        frame for packet in _encoded(samples, rate_hz, encoder) for frame in decoder.decode(packet)
    ]
    return np.concatenate([_floats(frame).reshape(-1) for frame in frames]), frames[0].sample_rate


def _encoded(samples: np.ndarray, rate_hz: int, encoder) -> Iterator[av.Packet]:
    size = encoder.frame_size or rate_hz // 50
    whole = np.pad(samples, (0, -len(samples) % size))
    pcm = (np.clip(whole, -1, 1) * 32767).astype(np.int16)
    to_format = av.AudioResampler(encoder.format.name, "mono", rate_hz)
    for at in range(0, len(pcm), size):
        frame = av.AudioFrame.from_ndarray(pcm[None, at : at + size], "s16", "mono")
        frame.sample_rate, frame.pts = rate_hz, at
        for ready in to_format.resample(frame):
            yield from encoder.encode(ready)
    yield from encoder.encode(None)
