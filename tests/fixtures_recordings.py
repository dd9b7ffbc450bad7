"""Small recordings of every format, made in the test: encoded, joined, cut and damaged."""

import io

import av
import numpy as np

from radd.containers import open_stream
from radd.files import encoded, open_audio
from radd.resampling import convert
from radd.types import SAMPLE_RATE_HZ

KINDS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
}


def tones(seconds, rate_hz=SAMPLE_RATE_HZ, channels=1, seed=0):
    """Sound that codecs keep: float32 (n, channels), a new note every quarter of a second."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate_hz)
    notes = np.repeat(rng.uniform(200, 2_000, (n // (rate_hz // 4) + 1, channels)), rate_hz // 4, 0)
    phase = 2 * np.pi * np.cumsum(notes[:n], axis=0) / rate_hz
    return (0.3 * np.sin(phase)).astype(np.float32)


def coded(samples, kind, rate_hz=SAMPLE_RATE_HZ, **options):
    """A file of one of KINDS."""
    return encoded(np.asarray(samples, np.float32), rate_hz, *KINDS[kind], **options)


def muxed(samples, codec, form, rate_hz=SAMPLE_RATE_HZ, video=False):
    """A file that FFmpeg writes: samples (n, channels), or several tracks of them."""
    tracks = samples if isinstance(samples, list) else [samples]
    with io.BytesIO() as file:
        with av.open(file, "w", format=form) as container:
            streams = [_stream(container, one, codec, rate_hz) for one in tracks]
            for packet in _interleaved(streams, tracks, rate_hz):
                container.mux(packet)
        return file.getvalue()


def _stream(container, samples, codec, rate_hz):
    return container.add_stream(
        codec, rate=rate_hz, layout=("mono", "stereo")[samples.shape[1] - 1]
    )


def _interleaved(streams, tracks, rate_hz):
    for stream, samples in zip(streams, tracks, strict=True):
        layout = stream.codec_context.layout.name
        convert = av.AudioResampler(stream.codec_context.format, layout, rate_hz)
        for start in range(0, len(samples), 1_024):
            part = np.ascontiguousarray(samples[start : start + 1_024].T, np.float32)
            frame = av.AudioFrame.from_ndarray(part, "fltp", layout)
            frame.sample_rate, frame.pts = rate_hz, start
            for each in convert.resample(frame):
                yield from stream.encode(each)
        yield from stream.encode(None)


def damaged(data, at=0.5, size=600, seed=0):
    """The bytes with a stretch of noise in them, from this share of their length on."""
    begin = round(at * len(data))
    return data[:begin] + np.random.default_rng(seed).bytes(size) + data[begin + size :]


def bare_mp3(data):
    """An MP3 file without the frame that says how long it is."""
    return data[data.index(data[:2], 10) :]


def id3(text=b"", picture=0):
    """A tag as players write them, with a title and a picture of so many bytes."""
    body = b"TIT2" + (len(text) + 1).to_bytes(4, "big") + b"\0\0\0" + text if text else b""
    if picture:
        image = b"\0image/png\0\3\0\x89PNG\r\n\x1a\n" + bytes(picture)
        body += b"APIC" + len(image).to_bytes(4, "big") + b"\0\0" + image
    size = bytes((len(body) >> shift) & 127 for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + size + body


class Found:
    """What the reader makes of a file: chunks of 16 kHz, and what it says is wrong."""

    def __init__(self, file):
        with file:
            self.frames = file.frames
            self.chunks = list(convert(file.pieces()))
        self.problem = file.problem
        self.samples = np.concatenate([np.zeros(0, np.float32), *(c.samples for c in self.chunks)])
        self.heard_s = len(self.samples) / SAMPLE_RATE_HZ
        self.end_s = self.chunks[-1].end / SAMPLE_RATE_HZ if self.chunks else 0.0
        self.causes = [chunk.cause for chunk in self.chunks if chunk.cause]


def found(tmp_path, data, name="sound"):
    """What is found in bytes as a file, and that a stream of them gives the same sound."""
    path = tmp_path / name
    path.write_bytes(data)
    return Found(open_audio(path))


def found_in_pieces(data, size):
    """What is found in bytes as a stream that comes in pieces of this size."""
    return Found(open_stream(Trickle(data, size)))


class Trickle:
    """Bytes as a pipe gives them: never more than `size` at once."""

    def __init__(self, data, size):
        self._file, self._size = io.BytesIO(data), size

    def read(self, size):
        return self._file.read(min(size, self._size))


def alike(samples, other, share=0.9):
    """Whether two sounds of equal place are nearly the same."""
    n = min(len(samples), len(other))
    return np.corrcoef(samples[:n], other[:n])[0, 1] > share


def columns_of(samples):
    """Mono sound (n,) as (n, 1)."""
    return np.asarray(samples, np.float32)[:, None]
