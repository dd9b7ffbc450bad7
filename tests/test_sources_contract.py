"""What every source keeps: its chunks, its counts, its end; and what a pipe and a file do
beside.
"""

import io
import logging
import os
import signal
import threading
import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from fixtures_patience import PATIENCE_S
from hypothesis import given, settings
from hypothesis import strategies as st

from radd.errors import AudioError, ConfigError
from radd.types import SAMPLE_RATE_HZ
from stream.capture.microphone import MicrophoneSource
from stream.capture.pcm import PCM_FORMATS
from stream.capture.portaudio import CaptureSettings
from stream.capture.sources import DEMO, FileSource, PcmSource, SourceOptions, open_sources

CAPTURE = CaptureSettings("sounddevice", 0, 0, 64, 1.75, 200)


def noise(frames, channels=1, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (frames, channels)).astype(np.float32)


def wav(path, seconds, rate_hz=SAMPLE_RATE_HZ, channels=1, subtype="FLOAT"):
    soundfile.write(path, noise(round(seconds * rate_hz), channels), rate_hz, subtype=subtype)
    return path


class Pipe:
    """A pipe whose reading end is a stream, as stdin is."""

    def __init__(self):
        reading, self.writing = os.pipe()
        self.stream = open(reading, "rb", buffering=0)  # noqa: SIM115

    def write(self, data):
        os.write(self.writing, data)
        return self

    def end(self):
        if self.writing >= 0:
            os.close(self.writing)
        self.writing = -1
        return self


@pytest.fixture
def pipe():
    made = Pipe()
    yield made
    made.end()
    made.stream.close()


@dataclass
class Case:
    source: object
    length: int | None
    """samples until it ends by itself; None if it never does"""
    clocked: bool = True


@pytest.fixture(
    params=[
        "file",
        "file-44k1-stereo",
        "file-in-real-time",
        "pipe",
        "pipe-f32-8k",
        "stalling-pipe",
        "microphone",
    ]
)
def case(request, tmp_path, pipe):
    """Every implementation of Source, in the ways it can be made."""
    match request.param:
        case "file":
            return Case(FileSource(wav(tmp_path / "a.wav", 2)), 2 * SAMPLE_RATE_HZ, clocked=False)
        case "file-44k1-stereo":
            return Case(
                FileSource(wav(tmp_path / "a.wav", 2, 44_100, 2)), 2 * SAMPLE_RATE_HZ, clocked=False
            )
        case "file-in-real-time":
            return Case(FileSource(wav(tmp_path / "a.wav", 0.7), realtime=True), 11_200)
        case "pipe":
            pipe.write(noise(15_000).tobytes()).end()
            return Case(PcmSource(pipe.stream), 30_000)
        case "pipe-f32-8k":
            pipe.write(noise(7_000, 2).tobytes()).end()
            return Case(PcmSource(pipe.stream, 8_000, 2, "f32le"), 14_000)
        case "stalling-pipe":
            return Case(PcmSource(pipe.write(noise(10_000).tobytes()).stream), None)
        case "microphone":
            microphone = request.getfixturevalue("virtual_microphone")
            return Case(MicrophoneSource(CAPTURE, microphone.device), None)


def listen(source, most=4):
    """All chunks of a source that ends, else the first few and what follows stop()."""
    chunks = []
    for chunk in source:
        chunks.append(chunk)
        if len(chunks) == most:
            source.stop()
    return chunks


def test_chunks_are_mono_finite_numbered_and_without_a_hole(case):
    with case.source as source:
        assert source is case.source
        assert source.name and source.native_rate_hz > 0 and source.native_channels > 0
        chunks = listen(source, most=4 if case.length is None else 0)
    assert chunks and chunks[0].start == 0
    for chunk in chunks:
        assert chunk.samples.dtype == np.float32 and chunk.samples.ndim == 1 and len(chunk.samples)
        assert np.isfinite(chunk.samples).all() and chunk.damaged == 0 and chunk.cause is None
    assert all(before.end == after.start for before, after in pairwise(chunks))
    assert case.length is None or chunks[-1].end == case.length


def test_it_counts_its_chunks(case):
    with case.source as source:
        assert source.stats()["chunks"] == 0
        chunks = listen(source, most=2)
        stats = source.stats()
    assert stats["chunks"] == len(chunks)
    assert all(isinstance(value, int | float) for value in stats.values())


def test_the_arrival_of_a_clocked_source_is_a_past_moment_that_only_grows(case):
    began = time.monotonic()
    with case.source as source:
        arrivals = [(chunk.arrived, time.monotonic()) for chunk in listen(source)]
    if not case.clocked:
        assert all(arrived is None for arrived, _ in arrivals)
        return
    assert all(began <= arrived <= now for arrived, now in arrivals)
    assert all(before[0] <= after[0] for before, after in pairwise(arrivals))


def test_stop_before_the_first_chunk_ends_it(case):
    with case.source as source:
        source.stop()
        assert sum(len(chunk.samples) for chunk in source) < SAMPLE_RATE_HZ


def test_stop_from_another_thread_ends_it(case):
    with case.source as source:
        chunks = iter(source)
        next(chunks)
        stopping = threading.Thread(target=source.stop)
        stopping.start()
        list(chunks)
        stopping.join(PATIENCE_S)


def test_stop_from_a_signal_handler_ends_it(case):
    before = signal.signal(signal.SIGALRM, lambda number, frame: case.source.stop())
    try:
        with case.source as source:
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            for _ in source:
                pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_file_in_real_time_keeps_the_pace_and_stops_at_once(tmp_path):
    path = wav(tmp_path / "a.wav", 60)
    with FileSource(path, realtime=True) as source:
        assert source.length_samples == 60 * SAMPLE_RATE_HZ
        chunks = iter(source)
        heard = [(next(chunks), time.monotonic()) for _ in range(8)]
        source.stop()
        began = time.monotonic()
        list(chunks)
        assert time.monotonic() - began < 30  # of the 59 s that are left
    (first, _), (last, came) = heard[0], heard[-1]
    assert last.arrived - first.arrived == pytest.approx(
        (last.end - first.end) / SAMPLE_RATE_HZ, abs=1e-6
    )
    assert came >= last.arrived


def test_a_truncated_file_raises_once_all_of_it_was_heard(tmp_path):
    path = wav(tmp_path / "a.wav", 2)
    path.write_bytes(path.read_bytes()[: -SAMPLE_RATE_HZ * 4])
    heard = 0
    with (
        FileSource(path) as source,
        pytest.raises(AudioError, match="a.wav is truncated or damaged: 1.00 s"),
    ):
        for chunk in source:
            heard = chunk.end
    assert heard == pytest.approx(SAMPLE_RATE_HZ, abs=100)


def test_numbers_that_are_none_become_zero_and_are_counted(tmp_path):
    samples = noise(5_000)[:, 0]
    samples[[10, 11, 4_000]] = np.nan, np.inf, -np.inf
    soundfile.write(tmp_path / "a.wav", samples, SAMPLE_RATE_HZ, subtype="FLOAT")
    with FileSource(tmp_path / "a.wav") as source:
        chunks = list(source)
    assert [chunk.damaged for chunk in chunks] == [2, 1, 0]
    heard = np.concatenate([chunk.samples for chunk in chunks])
    np.testing.assert_array_equal(heard, np.nan_to_num(samples, posinf=0, neginf=0))


def test_silence_is_sound_like_any_other(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(20_000), SAMPLE_RATE_HZ)
    with FileSource(tmp_path / "a.wav") as source:
        assert sum(len(chunk.samples) for chunk in source) == 20_000


@pytest.mark.parametrize("pcm_format", sorted(PCM_FORMATS.keys() - {"s24le", "mulaw", "alaw"}))
def test_every_pcm_format_means_the_same_sound(pipe, pcm_format):
    kind = np.dtype(PCM_FORMATS[pcm_format])
    expected = noise(2_000)[:, 0]
    full_scale = 1 if kind.kind == "f" else 2.0 ** (8 * kind.itemsize - 1)
    middle = full_scale if kind.kind == "u" else 0
    pipe.write((expected.astype(np.float64) * full_scale + middle).astype(kind).tobytes()).end()
    with PcmSource(pipe.stream, pcm_format=pcm_format) as source:
        heard = np.concatenate([chunk.samples for chunk in source])
    np.testing.assert_allclose(heard, expected, atol=1.01 / 128 if kind.itemsize == 1 else 1e-4)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 1_000), max_size=20), st.integers(1, 3))
def test_how_a_pipe_is_filled_does_not_matter(sizes, channels):
    whole = np.random.default_rng(len(sizes)).bytes(sum(sizes))
    frames = len(whole) // (2 * channels)
    pipe, done = Pipe(), 0

    def fill():
        nonlocal done
        for size in sizes:
            pipe.write(whole[done : done + size])
            done += size
        pipe.end()

    filling = threading.Thread(target=fill)
    filling.start()
    try:
        with PcmSource(pipe.stream, channels=channels) as source:
            if not frames:
                with pytest.raises(AudioError, match="before its first frame"):
                    list(source)
                return
            heard = np.concatenate([chunk.samples for chunk in source])
    finally:
        filling.join(PATIENCE_S)
        pipe.stream.close()
    expected = np.frombuffer(whole[: frames * 2 * channels], "<i2").reshape(-1, channels) / 32768
    np.testing.assert_allclose(heard, expected.mean(axis=1), atol=1e-6)


def test_a_pipe_that_ends_in_the_middle_of_a_frame_says_so(pipe, caplog):
    pipe.write(bytes(2_001)).end()
    with caplog.at_level(logging.WARNING), PcmSource(pipe.stream) as source:
        assert sum(len(chunk.samples) for chunk in source) == 1_000
    assert (
        "ended in the middle of a frame (s16le, 1 channels, 2 bytes a frame): 1 bytes were dropped"
        in caplog.text
    )


def test_a_pipe_that_stalls_is_waited_for(pipe):
    with PcmSource(pipe.write(bytes(2_000)).stream) as source:
        chunks = iter(source)
        assert len(next(chunks).samples) == 1_000
        later = threading.Timer(0.3, lambda: pipe.write(bytes(600)).end())
        later.start()
        assert [len(chunk.samples) for chunk in chunks] == [300]
        later.join()


def test_a_pipe_without_sound_and_a_format_nobody_knows_are_refused(pipe):
    with (
        PcmSource(pipe.end().stream) as source,
        pytest.raises(AudioError, match="stdin ended after 0 bytes"),
    ):
        list(source)
    with pytest.raises(ConfigError, match="PCM format 's17le': expected one of u8, s16le"):
        PcmSource(io.BytesIO(), pcm_format="s17le")


def test_a_terminal_is_refused():
    leader, follower = os.openpty()
    with (
        open(leader, "rb", buffering=0),
        open(follower, "rb", buffering=0) as terminal,
        pytest.raises(AudioError, match="stdin is a terminal"),
    ):
        PcmSource(terminal).__enter__()


def test_a_specification_names_its_source(tmp_path):
    def open_source(spec, **options):
        (source,) = open_sources(spec, CAPTURE, SourceOptions(**options))
        return source

    file = open_source(str(wav(tmp_path / "a.wav", 0.5)), realtime=True)
    assert isinstance(file, FileSource) and file.realtime
    assert open_source("mic").wanted is None
    assert open_source("mic:3").wanted == 3
    assert open_source("mic:USB Audio").wanted == "USB Audio"
    with pytest.raises(ConfigError, match="lacks the name or index"):
        open_source("mic:")
    with pytest.raises(AudioError, match="does not exist"):
        open_source(str(tmp_path / "missing.wav"))


def test_the_demo_recording_is_short_and_holds_a_voice_among_pauses():
    with FileSource(DEMO) as source:
        samples = np.concatenate([chunk.samples for chunk in source])
    assert 20 <= len(samples) / SAMPLE_RATE_HZ <= 30 and DEMO.stat().st_size < 1_000_000
    levels = 20 * np.log10(
        np.sqrt(np.mean(samples[: len(samples) // 1_600 * 1_600].reshape(-1, 1_600) ** 2, axis=1))
    )
    assert levels.min() < -60 < -30 < levels.max() and np.abs(samples).max() < 1
