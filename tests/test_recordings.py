"""Long recordings built from clips or described by a file."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.conditions import through
from evaluation.recordings import (
    FAKE_S,
    LEVEL,
    MIXED,
    REAL_S,
    SEAM_SAMPLES,
    LongRecording,
    VoiceSegment,
    join,
    plan,
    read_annotations,
    write_annotations,
)
from radd.errors import ProtocolError
from radd.trials import UNKNOWN, Trials


def protocol(n_real, n_fake, speakers, systems):
    utts = [f"real{i}" for i in range(n_real)] + [f"fake{i}" for i in range(n_fake)]
    who = [f"speaker{i % speakers}" for i in range(n_real)] + [UNKNOWN] * n_fake
    attacks = [UNKNOWN] * n_real + [f"system{i % systems}" for i in range(n_fake)]
    return Trials("csv", utts, np.arange(n_real + n_fake) >= n_real, who, attacks)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(60, 200),
    st.integers(40, 200),
    st.integers(1, 40),
    st.integers(1, 8),
    st.integers(0, 2**32 - 1),
)
def test_recordings_are_as_promised(n_real, n_fake, speakers, systems, seed):
    trials = protocol(n_real, n_fake, speakers, systems)
    lengths = dict(
        zip(
            trials.utts,
            np.random.default_rng(seed).uniform(1, 4.1, len(trials)).tolist(),
            strict=True,
        )
    )
    recordings = plan(trials, lengths.get, np.random.default_rng(seed))
    assert recordings == plan(trials, lengths.get, np.random.default_rng(seed))
    used = [clip for recording in recordings for clip in recording.clips]
    assert len(used) == len(set(used))
    who = dict(zip(trials.utts, zip(trials.speakers, trials.attacks, strict=True), strict=False))
    for recording in recordings:
        real, *fakes = recording.segments
        assert REAL_S[0] <= real.duration_s <= REAL_S[1] and not real.is_spoof
        joined_s = sum(lengths[clip] - SEAM_SAMPLES / 16_000 for clip in recording.clips)
        assert recording.segments[-1].end_s == pytest.approx(joined_s)
        speaking = {who[clip][0] for clip in recording.clips if clip.startswith("real")}
        assert real.who == MIXED or speaking == {real.who}
        for fake in fakes:
            assert fake.onset_s == real.end_s and FAKE_S[0] <= fake.duration_s <= FAKE_S[1]
            assert {who[clip][1] for clip in recording.clips if clip.startswith("fake")} == {
                fake.who
            }
    assert 1 <= sum(len(recording.fakes) for recording in recordings) <= len(recordings)


def test_too_little_sound_is_told():
    with pytest.raises(ProtocolError, match="0 stretches of real speech"):
        plan(protocol(3, 20, 1, 1), lambda utt: 4.0, np.random.default_rng(0))
    with pytest.raises(ProtocolError, match="0 of one system"):
        plan(protocol(30, 20, 1, 20), lambda utt: 4.0, np.random.default_rng(0))
    with pytest.raises(ProtocolError, match="0 stretches"):
        plan(protocol(30, 30, 1, 1), lambda utt: 0.0, np.random.default_rng(0))


def test_joined_clips_have_one_level_and_their_length():
    rng = np.random.default_rng(0)
    parts = (0.01, 20_000), (0.2, 30_000), (0.0, 8_000)
    clips = [(gain * rng.normal(size=n)).astype(np.float32) for gain, n in parts]
    joined = join(clips)
    assert joined.dtype == np.float32 and len(joined) == 58_000 - 3 * SEAM_SAMPLES
    for part in (joined[500:19_000], joined[21_000:49_000]):
        assert np.sqrt(np.mean(part**2)) == pytest.approx(LEVEL, rel=0.02)
    assert not joined[50_000:].any() and np.abs(joined).max() < 1


def test_a_telephone_keeps_the_middle_of_a_voice():
    t = np.arange(3 * 16_000) / 16_000
    sound = sum(0.1 * np.sin(2 * np.pi * hz * t) for hz in (100, 1000, 3000, 6000)).astype(
        np.float32
    )
    for name in ("telephone-mulaw", "telephone-alaw"):
        heard = through(name, sound[:-1], "")
        assert heard.dtype == np.float32 and len(heard) == len(sound) - 1
        spectrum = np.abs(np.fft.rfft(heard, 48_000)) / 24_000
        assert spectrum[[3000, 9000]] == pytest.approx(0.1, abs=0.005)
        assert spectrum[[300, 18_000]].max() < 0.002
        wrong = heard[2000:-2000] - through("telephone-mulaw", sound, "")[2000:-2001]
        assert np.sqrt(np.mean(wrong**2)) < 0.01


def written(folder, text):
    path = folder / "annotations.csv"
    path.write_text(text)
    return path


def test_annotations_are_read_back(tmp_path):
    recordings = [
        LongRecording(
            "call",
            (VoiceSegment(0.0, 20.0, False, "ann"), VoiceSegment(25.5, 10.25, True, "tts")),
            ("call",),
        ),
        LongRecording("news", (VoiceSegment(1.0, 3600.0, False, "-"),), ("news",)),
    ]
    write_annotations(tmp_path / "own.csv", recordings)
    assert read_annotations(tmp_path / "own.csv") == recordings
    assert recordings[0].real_s == 20 and len(recordings[0].fakes) == 1


@pytest.mark.parametrize(
    "text, words",
    [
        ("file,onset,label\na.wav,0,spoof\n", "expected file, onset, duration and label"),
        (
            "file,onset,duration,label\na.wav,zero,1,spoof\n",
            ":2: onset and duration must be numbers",
        ),
        ("file,onset,duration,label\na.wav,0,0,spoof\n", "expected 0 or more"),
        ("file,onset,duration,label\na.wav,nan,1,spoof\n", "expected 0 or more"),
        ("file,onset,duration,label\na.wav,0,5,spoof\na.wav,4,5,real\n", "overlap at 4.0 s"),
        ("file,onset,duration,label\na.wav,0,5,maybe\n", "'maybe'"),
        ("file,onset,duration,label\n", "no recording"),
    ],
)
def test_wrong_annotations(tmp_path, text, words):
    with pytest.raises(ProtocolError, match=words):
        read_annotations(written(tmp_path, text))
