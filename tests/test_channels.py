"""Of several channels and tracks, those in which somebody speaks are judged, and it is said."""

import io
import os
import threading

import numpy as np
import pytest
import soundfile
from fixtures_recordings import coded, muxed

from radd.channels import ChannelChoice, Lane
from radd.errors import AudioError, ConfigError
from radd.files import chunks, lanes, load_speech
from radd.resampling import MixLevels
from radd.types import SAMPLE_RATE_HZ, AudioChunk
from stream.capture.piped import PcmSource
from stream.capture.portaudio import CaptureSettings
from stream.capture.sources import DEMO, SourceOptions, open_sources
from stream.capture.split import SharedSource

CAPTURE = CaptureSettings("sounddevice", 0, 0, 64, 1.75, 200)


@pytest.fixture(scope="module")
def voice():
    """A person, 7 s."""
    return load_speech(DEMO)[: 7 * SAMPLE_RATE_HZ]


@pytest.fixture(scope="module")
def other():
    """A synthetic voice, 7 s."""
    return load_speech(DEMO)[14 * SAMPLE_RATE_HZ : 21 * SAMPLE_RATE_HZ]


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(0, 0.1, 7 * SAMPLE_RATE_HZ).astype(np.float32)


def wav(tmp_path, *channels):
    path = tmp_path / "call.wav"
    length = min(map(len, channels))
    soundfile.write(path, np.stack([c[:length] for c in channels], 1), SAMPLE_RATE_HZ)
    return path


def heard(path, lane):
    return np.concatenate([chunk.samples for chunk in chunks(path, lane)])


def names(plan):
    return [lane.name for lane in plan.lanes]


def test_mono_and_channels_that_are_alike_are_one_sound_without_a_word(tmp_path, voice):
    for channels in ([voice], [voice, voice], [voice, 0.2 * voice], [voice, 0 * voice]):
        plan = lanes(wav(tmp_path, *channels))
        assert (plan.lanes, plan.note) == ((Lane(),), None)
        assert np.allclose(
            heard(tmp_path / "call.wav", plan.lanes[0]), np.mean(channels, 0), atol=1e-4
        )


def test_channels_that_cancel_are_heard_and_named(tmp_path, voice):
    path = wav(tmp_path, voice, -voice)
    plan = lanes(path)
    assert len(plan.lanes) == 1 and "sign changed" in plan.note
    np.testing.assert_allclose(np.abs(heard(path, plan.lanes[0])), np.abs(voice), atol=1e-4)
    assert load_speech(path).std() > 0.01


@pytest.mark.parametrize("spoken", [0, 1])
@pytest.mark.parametrize("gain", [0.1, 1.0])
def test_the_channel_with_speech_is_judged_and_not_the_noise(tmp_path, voice, noise, spoken, gain):
    both = [voice, gain * noise] if spoken == 0 else [gain * noise, voice]
    plan = lanes(wav(tmp_path, *both))
    assert names(plan) == [("left", "right")[spoken]]
    assert "left" in plan.note and "right" in plan.note and "judged" in plan.note


def test_two_voices_are_both_judged(tmp_path, voice, other):
    plan = lanes(wav(tmp_path, voice, other))
    assert names(plan) == ["left", "right"] and "speech: left" in plan.note


def test_channels_without_speech_are_one_lane_and_named(tmp_path, noise):
    plan = lanes(wav(tmp_path, noise, noise[::-1]))
    assert len(plan.lanes) == 1 and "0.0 s" in plan.note


def test_of_six_channels_the_one_with_speech_is_judged(tmp_path, voice, noise):
    rng = np.random.default_rng(1)
    others = [0.02 * rng.permutation(noise) for _ in range(5)]
    plan = lanes(wav(tmp_path, *others[:2], voice, *others[2:]))
    assert names(plan) == ["channel 3"]


def test_a_second_speaker_who_comes_late_is_not_left_out(tmp_path, voice, monkeypatch):
    monkeypatch.setattr("radd.channels.SURVEYED_S", 3)
    quiet = 1e-3 * np.random.default_rng(0).normal(size=4 * SAMPLE_RATE_HZ)
    late = np.concatenate([quiet, voice])[: len(voice)]
    assert names(lanes(wav(tmp_path, voice, late))) == ["left", "right"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("mix", [Lane()]),
        ("left", [Lane(0, 0, "left")]),
        ("right", [Lane(0, 1, "right")]),
        ("2", [Lane(0, 1, "right")]),
        ("split", [Lane(0, 0, "left"), Lane(0, 1, "right")]),
    ],
)
def test_a_channel_that_is_asked_for_is_judged(tmp_path, voice, other, choice, expected):
    path = wav(tmp_path, voice, other)
    plan = lanes(path, ChannelChoice(choice))
    assert (list(plan.lanes), plan.note) == (expected, None)
    if choice in ("right", "2"):
        np.testing.assert_allclose(heard(path, plan.lanes[0]), other, atol=1e-4)


@pytest.mark.parametrize("choice", ["0", "-1", "middle", "1.5", "٣", ""])
def test_what_is_no_channel_is_refused(choice):
    with pytest.raises(ConfigError, match="expected mix, split, left, right"):
        ChannelChoice(choice)


def test_a_channel_or_track_that_is_not_there_is_refused(tmp_path, voice):
    path = wav(tmp_path, voice, voice)
    with pytest.raises(AudioError, match="has 2 channels, and channel 3 was asked for"):
        lanes(path, ChannelChoice("3"))
    with pytest.raises(AudioError, match="has 1 tracks of sound, and track 2 was asked for"):
        lanes(path, ChannelChoice(track=2))


def columns(sound):
    return np.asarray(sound, np.float32)[:, None]


def test_a_silent_first_track_is_not_all_that_is_heard(tmp_path, voice):
    path = tmp_path / "film.mp4"
    path.write_bytes(muxed([columns(0 * voice), columns(voice)], "aac", "mp4"))
    plan = lanes(path)
    assert names(plan) == ["track 2"] and "track 1 0.0 s" in plan.note
    assert heard(path, plan.lanes[0]).std() > 0.01
    assert lanes(path, ChannelChoice(track=1)).lanes[0].track == 0


def test_two_tracks_with_speech_are_both_judged(tmp_path, voice, other):
    path = tmp_path / "film.mkv"
    path.write_bytes(muxed([columns(voice), columns(other)], "aac", "matroska"))
    assert names(lanes(path)) == ["track 1", "track 2"]


def test_a_file_of_two_voices_is_two_sources_named_for_their_channel(
    tmp_path, voice, other, caplog
):
    path = wav(tmp_path, voice, other)
    sources = open_sources(str(path), CAPTURE, SourceOptions())
    assert [source.name for source in sources] == [f"{path} (left)", f"{path} (right)"]
    assert "holds 2 different channels" in caplog.text
    sounds = []
    for source in sources:
        with source:
            sounds.append(np.concatenate([chunk.samples for chunk in source]))
    np.testing.assert_allclose(sounds[1], other, atol=1e-4)


def test_an_address_is_not_split():
    with pytest.raises(ConfigError, match="not for an address"):
        open_sources("http://127.0.0.1/", CAPTURE, SourceOptions(choice=ChannelChoice("split")))


def test_each_channel_of_raw_pcm_is_a_source(voice, other):
    length = min(len(voice), len(other), 3 * SAMPLE_RATE_HZ)
    reading, writing = os.pipe()
    data = np.stack([voice[:length], other[:length]], 1).astype("<f4").tobytes()
    filling = threading.Thread(target=lambda: (os.write(writing, data), os.close(writing)))
    with open(reading, "rb", buffering=0) as stream:
        parts = SharedSource(
            PcmSource(stream, SAMPLE_RATE_HZ, 2, "f32le", apart=True), ["left", "right"]
        ).parts
        filling.start()
        with parts[0] as left, parts[1] as right:
            assert (left.name, right.name) == ("- (left)", "- (right)")
            sounds = [[], []]
            both = zip(left, right, strict=True)
            for chunks in both:
                for sound, chunk in zip(sounds, chunks, strict=True):
                    sound.append(chunk.samples)
    filling.join()
    for sound, expected in zip(sounds, (voice, other), strict=True):
        np.testing.assert_allclose(np.concatenate(sound), expected[:length], atol=1e-6)


def test_a_channel_that_nobody_reads_does_not_hold_the_others(voice):
    chunk = AudioChunk(np.stack([voice[:2_048]] * 2, 1), 0)

    class Endless:
        name, native_rate_hz, native_channels, stopped = "array", 16_000, 2, False

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            pass

        def __iter__(self):
            while not self.stopped:
                yield chunk

        def stop(self):
            self.stopped = True

        def stats(self):
            return {"chunks": 0}

    source = Endless()
    left, right = SharedSource(source, ["left", "right"]).parts
    with left, right:
        right.stop()
        for _ in zip(range(50), left, strict=False):
            pass
        left.stop()
        assert source.stopped


def test_a_live_mean_of_different_channels_is_told_once(voice, caplog):
    noise = np.random.default_rng(1).normal(0, 0.1, len(voice)).astype(np.float32)
    for other_channel, told in ((voice * 0.7, 0), (noise, 1)):
        levels = MixLevels(SAMPLE_RATE_HZ)
        frames = np.stack([voice, other_channel], 1)
        for at in range(0, len(frames), 2_048):
            part = frames[at : at + 2_048]
            levels.heard(part, part.mean(axis=1))
        assert caplog.text.count("the channels differ") == told


@pytest.mark.parametrize("size", [100, 20_000])
def test_a_live_mean_that_cancels_is_told_once(voice, caplog, size):
    levels = MixLevels(SAMPLE_RATE_HZ)
    for start in range(0, len(voice), size):
        part = voice[start : start + size]
        levels.heard(np.stack([part, -part], 1), np.zeros(len(part), np.float32))
    assert caplog.text.count("cancel each other") == 1


def test_a_format_that_changes_to_mono_keeps_the_chosen_channel(tmp_path, voice, other):
    stereo = np.stack([voice, other[: len(voice)]], 1)
    path = tmp_path / "joined.mp3"
    path.write_bytes(coded(stereo, "mp3") + coded(voice, "mp3"))
    assert len(heard(path, Lane(0, 1))) == pytest.approx(2 * len(voice), rel=0.05)


def test_float_samples_in_units_of_16_bits_are_scaled_and_told(tmp_path, voice, caplog):
    file = io.BytesIO()
    soundfile.write(file, voice * 32_768, SAMPLE_RATE_HZ, format="WAV", subtype="FLOAT")
    (tmp_path / "loud.wav").write_bytes(file.getvalue())
    np.testing.assert_allclose(load_speech(tmp_path / "loud.wav"), voice, atol=1e-6)
    assert "numbers of 16 bits" in caplog.text


def test_one_wild_sample_does_not_make_a_file_one_of_16_bits(tmp_path, voice):
    wild = voice.copy()
    wild[1_000] = 30_000
    file = io.BytesIO()
    soundfile.write(file, wild, SAMPLE_RATE_HZ, format="WAV", subtype="FLOAT")
    (tmp_path / "wild.wav").write_bytes(file.getvalue())
    np.testing.assert_allclose(load_speech(tmp_path / "wild.wav")[2_000:], voice[2_000:], atol=1e-6)
