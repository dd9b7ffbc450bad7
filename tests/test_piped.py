"""Containers on stdin are recognised and read; raw PCM is never taken for one, nor they for it."""

import io
import threading
from contextlib import suppress

import numpy as np
import pytest
from fixtures_patience import PATIENCE_S
from fixtures_recordings import alike, bare_mp3, coded, damaged, muxed, tones
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_sources_contract import Pipe

from radd.channels import ChannelChoice
from radd.errors import AudioError
from radd.recognition import is_container
from radd.types import SAMPLE_RATE_HZ
from stream.capture.sources import PcmSource

TONES = tones(3)
CONTAINERS = {
    "wav": lambda: coded(TONES, "wav"),
    "unfinished wav": lambda: coded(TONES, "wav")[:40] + bytes(4) + coded(TONES, "wav")[44:],
    "flac": lambda: coded(TONES, "flac"),
    "mp3": lambda: coded(TONES, "mp3"),
    "bare mp3": lambda: bare_mp3(coded(TONES, "mp3")),
    "ogg": lambda: coded(TONES, "ogg"),
    "opus": lambda: coded(TONES, "opus"),
    "adts": lambda: muxed(TONES, "aac", "adts"),
    "webm": lambda: muxed(tones(3, 48_000), "libopus", "webm", 48_000),
    "transport stream": lambda: muxed(TONES, "aac", "mpegts"),
    "amr": lambda: muxed(tones(3, 8_000), "libopencore_amrnb", "amr", 8_000),
    "aiff": lambda: muxed(TONES, "pcm_s16be", "aiff"),
}


@pytest.fixture
def piped():
    """What a source hears of bytes that come through a pipe in parts of `size`."""

    def hear(data, size=3_000, **options):
        pipe = Pipe()

        def fill():
            with suppress(BrokenPipeError):  # the source has told what is wrong and reads no more
                for start in range(0, len(data), size):
                    pipe.write(data[start : start + size])
            pipe.end()

        filling = threading.Thread(target=fill)
        filling.start()
        source = PcmSource(pipe.stream, **options)
        try:
            with source:
                chunks = list(source)
        finally:
            pipe.stream.close()
            filling.join(PATIENCE_S)
        return source, np.concatenate([chunk.samples for chunk in chunks])

    return hear


@pytest.mark.parametrize("kind", CONTAINERS)
@pytest.mark.parametrize("size", [7, 3_000])
def test_a_container_on_stdin_is_read_as_one(piped, caplog, kind, size):
    source, heard = piped(CONTAINERS[kind](), size)
    assert len(heard) / SAMPLE_RATE_HZ == pytest.approx(3, abs=0.2)
    assert np.std(heard) == pytest.approx(0.21, abs=0.04)
    assert "stdin holds a file" in caplog.text and source.stats()["chunks"] > 1
    if kind in ("wav", "unfinished wav", "flac", "aiff"):
        np.testing.assert_allclose(heard, TONES[:, 0], atol=1e-4)


def test_a_channel_of_a_container_on_stdin(piped):
    stereo = np.concatenate([TONES, tones(3, seed=5)], 1)
    _, heard = piped(coded(stereo, "wav"), choice=ChannelChoice("right"))
    assert alike(heard, stereo[:, 1], 0.999)
    with pytest.raises(AudioError, match="channel 3 was asked for"):
        piped(coded(stereo, "wav"), choice=ChannelChoice("3"))


def test_a_channel_of_raw_pcm(piped):
    stereo = np.concatenate([TONES, tones(3, seed=5)], 1)
    raw = (stereo * 32_767).astype("<i2").tobytes()
    _, heard = piped(raw, channels=2, choice=ChannelChoice("2"))
    np.testing.assert_allclose(heard, stereo[:, 1], atol=1e-4)


def test_a_damaged_container_on_stdin_is_heard_and_then_told(piped):
    with pytest.raises(AudioError, match="stdin is truncated or damaged: 2"):
        piped(damaged(coded(TONES, "flac"), size=200))


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=12, max_size=9_000))
@example(b"RIFF" * 3_000)
@example(b"\xff\xfb\x90\x44" + bytes(9_000))
@example(b"GGGG" + bytes(9_000))
@example(b"\xff" * 9_000)
def test_raw_pcm_is_no_container(data):
    assert is_container(data, is_all=True) is False


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([b"\xff\xfb", b"\xff\xf1", b"G", b"\xff\xe3"]))
def test_loud_pcm_that_begins_like_mpeg_is_no_container(seed, begin):
    sound = np.random.default_rng(seed).normal(0, 8_000, 6_000).astype("<i2").tobytes()
    assert is_container(begin + sound, is_all=False) is False


@pytest.mark.parametrize("kind", CONTAINERS)
def test_law_how_much_has_come_does_not_change_what_it_is(kind):
    data = CONTAINERS[kind]()
    found = [is_container(data[:n]) for n in (1, 11, 12, 100, 400, 5_000, 20_000)]
    told = [one for one in found if one is not None]
    assert told and all(told)


def test_a_closed_stdin_is_told(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(AudioError, match="stdin is closed"):
        PcmSource().__enter__()


def test_stop_ends_a_container_that_stalls():
    pipe = Pipe()
    pipe.write(coded(TONES, "flac")[:20_000])
    with PcmSource(pipe.stream) as source:
        threading.Timer(0.3, source.stop).start()
        list(source)
    pipe.end()
    pipe.stream.close()


def test_a_pcm_pipe_of_three_bytes_is_told(piped):
    with pytest.raises(AudioError, match="before its first frame"):
        piped(b"abc", channels=2)


def test_a_beginning_that_is_cut_off_is_told(piped):
    assert is_container(b"fLaC" + bytes(8))
    with pytest.raises(AudioError, match="stdin cannot be read as audio"):
        piped(io.BytesIO(coded(TONES, "flac")).read(30))
