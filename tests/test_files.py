"""Files of every kind are read in full, and what is wrong with one is told."""

import io
import logging
import os
import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from radd.errors import AudioError
from radd.files import load_speech, open_audio
from radd.types import SAMPLE_RATE_HZ

KINDS = {
    "WAV": "PCM_16",
    "WAVEX": "FLOAT",
    "FLAC": "PCM_16",
    "AIFF": "PCM_24",
    "MP3": "MPEG_LAYER_III",
    "OGG": "VORBIS",
    "RF64": "PCM_16",
    "W64": "PCM_16",
    "AU": "PCM_16",
}


def speech_like(frames, channels=1, seed=0):
    walk = np.random.default_rng(seed).uniform(-0.3, 0.3, (frames + 15, channels))
    return np.apply_along_axis(np.convolve, 0, walk, np.ones(16) / 8, "valid")


def write(path, samples, rate_hz=SAMPLE_RATE_HZ, kind="WAV", subtype=None):
    soundfile.write(path, samples, rate_hz, format=kind, subtype=subtype or KINDS[kind])
    return path


def read(path):
    """All frames of a file and what its reader says was wrong."""
    with open_audio(path) as file:
        blocks = [piece.frames for piece in file.pieces()]
        assert all(
            block.dtype == np.float32 and block.shape[1] == file.channels for block in blocks
        )
        return np.concatenate(blocks), file.problem


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rate_hz", "channels"), [(8_000, 1), (16_000, 2), (44_100, 1)])
def test_reads_every_kind(tmp_path, kind, rate_hz, channels):
    samples = speech_like(rate_hz, channels)
    frames, problem = read(write(tmp_path / "sound", samples, rate_hz, kind))
    assert frames.shape == samples.shape and problem is None
    if KINDS[kind] not in ("MPEG_LAYER_III", "VORBIS"):
        np.testing.assert_allclose(frames, samples, atol=1e-4)


def test_reads_opus(tmp_path):
    frames, problem = read(
        write(tmp_path / "sound.opus", speech_like(48_000), 48_000, "OGG", "OPUS")
    )
    assert frames.shape == (48_000, 1) and problem is None


@pytest.mark.parametrize(("rate_hz", "channels"), [(192_000, 1), (8_000, 1), (48_000, 6)])
def test_speech_is_mono_16_khz_whatever_the_file_is(tmp_path, rate_hz, channels):
    speech = load_speech(write(tmp_path / "sound.wav", speech_like(rate_hz, channels), rate_hz))
    assert speech.shape == (SAMPLE_RATE_HZ,) and speech.dtype == np.float32


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_file_gives_what_is_there_and_says_so(tmp_path, kind, caplog):
    whole = write(tmp_path / "whole", speech_like(5 * SAMPLE_RATE_HZ), kind=kind)
    path = tmp_path / "cut"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    frames, problem = read(path)
    expected, _ = read(whole)
    assert 1.5 * SAMPLE_RATE_HZ < len(frames) < 3.5 * SAMPLE_RATE_HZ
    if KINDS[kind] not in ("MPEG_LAYER_III", "VORBIS"):
        np.testing.assert_array_equal(frames, expected[: len(frames)])
    assert (
        "is truncated or damaged" in problem and f"{len(frames) / SAMPLE_RATE_HZ:.2f} s" in problem
    )
    with caplog.at_level(logging.WARNING):
        assert len(load_speech(path)) == len(frames)
    assert problem in caplog.text


@pytest.mark.parametrize("said", [0xFFFF_FFFF, 0x7FFF_FFFF, 0x7FFF_F000])
def test_a_wav_that_was_written_to_a_pipe_is_not_truncated(tmp_path, said):
    path = write(tmp_path / "sound.wav", speech_like(5_000))
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = struct.pack("<I", said)
    path.write_bytes(data)
    frames, problem = read(path)
    assert len(frames) == 5_000 and problem is None


def test_an_mp3_without_a_frame_count_is_not_truncated(tmp_path):
    data = write(tmp_path / "whole.mp3", speech_like(5 * SAMPLE_RATE_HZ), kind="MP3").read_bytes()
    path = tmp_path / "bare.mp3"
    path.write_bytes(data[data.index(data[:2], 10) :])
    frames, problem = read(path)
    assert len(frames) > SAMPLE_RATE_HZ and problem is None


@pytest.mark.parametrize("count", [1, 160])
def test_a_very_short_file_is_read(tmp_path, count):
    assert len(load_speech(write(tmp_path / "short.wav", speech_like(count)))) == count


def bad(path, data):
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("empty.wav", b"", r"is empty \(0 bytes\)"),
        ("text.wav", b"hello world " * 100, "cannot be read as audio"),
        ("noise.flac", np.random.default_rng(0).bytes(20_000), "cannot be read as audio"),
        ("zeros.wav", bytes(5_000), "cannot be read as audio"),
        ("half-a-header.wav", b"RIFF\x00\x10\x00\x00WAVEfmt ", "cannot be read as audio"),
        ("sound.raw", bytes(5_000), "raw PCM without a header"),
    ],
)
def test_what_is_no_audio_is_refused(tmp_path, name, data, message):
    with pytest.raises(AudioError, match=message) as failure:
        open_audio(bad(tmp_path / name, data))
    assert name in str(failure.value)


def test_a_missing_file_a_directory_a_pipe_and_a_header_alone_are_refused(tmp_path):
    with pytest.raises(AudioError, match="does not exist"):
        open_audio(tmp_path / "missing.wav")
    with pytest.raises(AudioError, match="is a directory"):
        open_audio(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AudioError, match="send raw PCM to --source -"):
        open_audio(tmp_path / "pipe")
    with pytest.raises(AudioError, match="no samples"):
        open_audio(write(tmp_path / "header.wav", np.zeros(0)))


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["WAV", "FLAC", "OGG", "AIFF"]), st.data())
def test_damage_anywhere_gives_sound_or_an_audio_error(tmp_path_factory, kind, data):
    file = io.BytesIO()
    soundfile.write(file, speech_like(3_000), SAMPLE_RATE_HZ, format=kind, subtype=KINDS[kind])
    damaged = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = bad(tmp_path_factory.mktemp("damaged") / "sound", damaged)
    try:
        speech = load_speech(path)
    except AudioError as error:
        assert str(error)
    else:
        assert np.isfinite(speech).all()


@pytest.fixture
def m4a(tmp_path):
    """A file of two seconds of AAC, 44.1 kHz stereo."""
    path = tmp_path / "sound.m4a"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100, layout="stereo")
        for block in np.split(speech_like(88_200, 2).astype(np.float32), range(1024, 88_200, 1024)):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(block.T), format="fltp", layout="stereo"
            )
            frame.sample_rate = 44_100
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_reads_m4a(m4a):
    frames, problem = read(m4a)
    assert frames.shape[1] == 2 and abs(len(frames) - 88_200) < 4_096 and problem is None
    assert 0.05 < frames.std() < 0.5
    assert abs(len(load_speech(m4a)) - 2 * SAMPLE_RATE_HZ) < 1_600


def test_a_truncated_m4a_is_refused_with_its_name(m4a):
    m4a.write_bytes(m4a.read_bytes()[:5_000])
    with pytest.raises(AudioError, match=r"sound\.m4a cannot be read as audio"):
        open_audio(m4a)


def test_memory_stays_flat_over_three_hours(tmp_path):
    path = write(tmp_path / "long.wav", np.zeros(1))
    frames = 3 * 3600 * SAMPLE_RATE_HZ
    header = bytearray(path.read_bytes()[:44])
    header[4:8], header[40:44] = struct.pack("<I", 36 + 2 * frames), struct.pack("<I", 2 * frames)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(44 + 2 * frames)  # a hole in the file, which takes no room on the disk
    script = f"""
import resource
from stream.capture.sources import FileSource
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
end = warm = 0
with FileSource({str(path)!r}) as source:
    for chunk in source:
        end = chunk.end
        warm = warm or end > 960_000 and peak()
print(end, warm / peak())
"""
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
    )
    end, flatness = done.stdout.split()
    assert int(end) == frames
    assert float(flatness) > 0.97
