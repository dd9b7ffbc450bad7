"""All sound of a recording is read, whatever happened to it; what is missing is a gap."""

import os
import struct

import numpy as np
import pytest
import soundfile
from fixtures_recordings import (
    alike,
    bare_mp3,
    coded,
    damaged,
    found,
    found_in_pieces,
    id3,
    muxed,
    tones,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from radd.errors import AudioError
from radd.files import load_speech, open_audio
from radd.types import SAMPLE_RATE_HZ

TONES = tones(5)
STEREO = np.repeat(TONES, 2, axis=1)
WIDE = tones(5, 48_000)
ROUGH = TONES + 0.02 * np.random.default_rng(0).normal(size=TONES.shape).astype(np.float32)
DAMAGED = {
    "m4a": lambda: muxed(ROUGH, "aac", "mp4"),
    "adts": lambda: muxed(ROUGH, "aac", "adts"),
    "mp3": lambda: coded(ROUGH, "mp3"),
    "flac": lambda: coded(ROUGH, "flac"),
    "vorbis": lambda: coded(np.tile(ROUGH, (3, 1)), "ogg"),
    "opus": lambda: coded(np.tile(ROUGH, (2, 1)), "opus"),
    "transport stream": lambda: muxed(ROUGH, "aac", "mpegts"),
    "amr": lambda: muxed(tones(5, 8_000), "libopencore_amrnb", "amr", 8_000),
}
TIMED = ["m4a", "flac", "vorbis", "opus", "transport stream"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (coded(TONES, "mp3"), coded(TONES, "mp3")),
        (coded(TONES, "mp3"), id3(b"part two") + coded(TONES, "mp3")),
        (coded(TONES, "mp3"), coded(WIDE, "mp3", 48_000)),
        (coded(TONES, "mp3"), coded(STEREO, "mp3")),
        (coded(TONES, "ogg"), coded(TONES, "ogg")),
        (coded(TONES, "ogg"), coded(WIDE, "ogg", 48_000)),
        (coded(TONES, "ogg"), coded(STEREO, "ogg")),
        (coded(TONES, "opus"), coded(TONES, "opus")),
        (coded(TONES, "opus"), coded(STEREO, "opus")),
        (coded(TONES, "ogg"), coded(TONES, "opus")),
        (coded(TONES, "flac"), coded(WIDE, "flac", 48_000)),
        (muxed(TONES, "aac", "adts"), muxed(TONES, "aac", "adts")),
    ],
    ids=[
        "mp3",
        "mp3 with tag",
        "mp3, rates",
        "mp3, channels",
        "vorbis",
        "vorbis, rates",
        "vorbis, channels",
        "opus",
        "opus, channels",
        "vorbis, opus",
        "flac, rates",
        "aac",
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["file", "stream"])
def test_recordings_joined_end_to_end_are_heard_to_the_end(tmp_path, first, second, streamed):
    data = first + second
    whole = found_in_pieces(data, 5_000) if streamed else found(tmp_path, data)
    assert whole.heard_s == pytest.approx(10, abs=0.3)
    assert whole.problem is None and whole.causes == []
    for part in (whole.samples[: 5 * SAMPLE_RATE_HZ], whole.samples[-5 * SAMPLE_RATE_HZ :]):
        assert np.std(part) == pytest.approx(0.21, abs=0.04)
    assert whole.frames is None or whole.frames < 2**40


def test_a_chain_that_is_cut_off_is_told(tmp_path):
    chain = coded(TONES, "opus") + coded(TONES, "opus")
    part = found(tmp_path, chain[: len(chain) * 8 // 10])
    assert 6 < part.heard_s < 9 and "truncated" in part.problem


def test_an_mp3_of_varying_rate_without_a_count_is_heard_whole(tmp_path):
    loud, quiet = (
        np.random.default_rng(0).normal(0, 0.2, (4 * SAMPLE_RATE_HZ, 1)),
        np.zeros((4 * SAMPLE_RATE_HZ, 1)),
    )
    data = coded(np.concatenate([quiet, loud]), "mp3", level=0.1)
    whole = found(tmp_path, bare_mp3(data))
    assert whole.heard_s == pytest.approx(8, abs=0.2)
    assert whole.problem is None and whole.frames is None


@pytest.mark.parametrize("kind", sorted(DAMAGED.keys() - {"amr"}))
def test_a_damaged_stretch_is_a_gap_and_what_follows_is_heard(tmp_path, kind):
    data = DAMAGED[kind]()
    before, after = found(tmp_path, data), found(tmp_path, damaged(data))
    assert before.problem is None and before.causes == []
    assert 0.6 * before.heard_s < after.heard_s < before.heard_s
    assert len(after.causes) >= 1
    assert "truncated or damaged" in after.problem and "missing" in after.problem
    assert alike(after.samples[: 2 * SAMPLE_RATE_HZ], before.samples[: 2 * SAMPLE_RATE_HZ])
    assert np.std(after.samples[-SAMPLE_RATE_HZ:]) == pytest.approx(0.21, abs=0.04)


def test_noise_in_amr_which_has_no_checksums_does_not_end_it(tmp_path):
    after = found(tmp_path, damaged(DAMAGED["amr"]()))
    assert after.heard_s > 4 and np.std(after.samples[-SAMPLE_RATE_HZ:]) > 0.1


@pytest.mark.parametrize("kind", TIMED)
def test_formats_with_timestamps_keep_the_time_over_a_gap(tmp_path, kind):
    data = DAMAGED[kind]()
    before, after = found(tmp_path, data), found(tmp_path, damaged(data))
    assert after.end_s == pytest.approx(before.end_s, abs=0.1)
    assert alike(after.samples[-SAMPLE_RATE_HZ:], before.samples[-SAMPLE_RATE_HZ:])


@pytest.mark.parametrize(("kind", "size"), [("mp3", 2_000), ("adts", 1_000)])
def test_formats_without_timestamps_keep_the_time_roughly(tmp_path, kind, size):
    data = DAMAGED[kind]()
    before, after = found(tmp_path, data), found(tmp_path, damaged(data, size=size))
    assert after.end_s == pytest.approx(before.end_s, abs=0.5)


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(["mp3", "flac", "vorbis", "m4a"]), st.integers(1, 9_000))
def test_law_how_a_stream_comes_does_not_matter(kind, size):
    data = damaged(DAMAGED[kind]()) if kind != "m4a" else muxed(TONES, "aac", "matroska")
    whole, trickled = found_in_pieces(data, 10**9), found_in_pieces(data, size)
    assert [c.start for c in trickled.chunks] == [c.start for c in whole.chunks]
    np.testing.assert_array_equal(trickled.samples, whole.samples)
    assert trickled.problem == whole.problem


@pytest.mark.parametrize("kind", ["mp3", "flac", "vorbis", "opus", "adts"])
def test_law_a_stream_is_read_as_the_file_is(tmp_path, kind):
    data = DAMAGED[kind]()
    file, stream = found(tmp_path, data), found_in_pieces(data, 4_000)
    n = len(file.samples)  # where a stream ends, MP3's padding is not known to be that
    assert n <= len(stream.samples) < n + 0.1 * SAMPLE_RATE_HZ
    np.testing.assert_array_equal(stream.samples[: n - 1_600], file.samples[:-1_600])


def test_silence_descriptors_of_amr_are_pauses(tmp_path):
    data = DAMAGED["amr"]()
    sizes, frames, at = (13, 14, 16, 18, 20, 21, 27, 32, 6), [], 6
    while at < len(data):
        frames.append(data[at : at + sizes[(data[at] >> 3) & 15]])
        at += len(frames[-1])
    quiet = [b"\x44" + bytes(5) if k % 8 == 0 else b"\x7c" for k in range(60)]
    frames[50:110] = quiet
    call = found(tmp_path, data[:6] + b"".join(frames))
    assert call.heard_s == pytest.approx(5.02, abs=0.05)
    assert call.problem is None and call.causes == []


def test_aac_that_begins_in_the_middle_of_a_frame_is_heard(tmp_path):
    joined_late = found(tmp_path, muxed(TONES, "aac", "adts")[777:])
    assert joined_late.heard_s > 4.5 and joined_late.problem is None


def test_noise_between_two_halves_does_not_end_the_file(tmp_path):
    data = coded(TONES, "mp3")
    middle = np.random.default_rng(1).bytes(200_000).replace(b"\xff", b"\0")
    both = found(tmp_path, data + middle + bare_mp3(data))
    assert both.heard_s > 9 and both.causes and "damaged" in both.problem


def unknown_length(data):
    """FLAC as it is written into a pipe."""
    return data[:21] + bytes([data[21] & 0xF0]) + bytes(4) + data[26:]


def test_flac_of_unknown_length_is_read_whole(tmp_path):
    data = coded(TONES, "flac")
    whole = found(tmp_path, unknown_length(data))
    assert whole.heard_s == 5 and whole.problem is None and whole.frames is None
    np.testing.assert_array_equal(whole.samples, found(tmp_path, data).samples)


@pytest.mark.parametrize("riff", [0, 36, 0xFFFF_FFFF])
@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF])
def test_a_wav_that_was_never_finished_is_read_whole(tmp_path, riff, size):
    data = bytearray(coded(TONES, "wav"))
    data[4:8], data[40:44] = struct.pack("<I", riff), struct.pack("<I", size)
    whole = found(tmp_path, bytes(data))
    assert whole.heard_s == 5 and whole.problem is None
    np.testing.assert_allclose(whole.samples, TONES[:, 0], atol=1e-4)


@pytest.mark.parametrize("kind", ["AIFF", "AU", "W64"])
def test_other_files_that_were_never_finished_are_read_whole(tmp_path, kind):
    soundfile.write(tmp_path / "whole", TONES, SAMPLE_RATE_HZ, format=kind, subtype="PCM_16")
    data = (tmp_path / "whole").read_bytes()
    mark, beyond, size = {
        "AIFF": (b"SSND", 4, 4),
        "AU": (b".snd", 8, 4),
        "W64": (b"data", 16, 8),
    }[kind]
    at = data.index(mark) + beyond
    empty = data[:at] + (b"\xff" * size if kind == "AU" else bytes(size)) + data[at + size :]
    assert found(tmp_path, empty).heard_s == pytest.approx(5, abs=0.01)


def mp3_in_wav(data):
    form = struct.pack("<HHIIHHHHIHHH", 0x55, 1, SAMPLE_RATE_HZ, 4000, 1, 0, 12, 1, 2, 576, 1, 0)
    body = (
        b"WAVEfmt " + struct.pack("<I", 30) + form + b"data" + struct.pack("<I", len(data)) + data
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_mp3_inside_wav_and_tags_that_hold_info_are_not_truncated(tmp_path):
    data = coded(TONES, "mp3")
    for whole in (mp3_in_wav(data), id3(b"Info Radio, Xing show") + bare_mp3(data)):
        read = found(tmp_path, whole, "sound.wav")
        assert read.heard_s == pytest.approx(5, abs=0.2) and read.problem is None


def test_an_mp3_with_a_picture_that_is_cut_in_half_is_truncated(tmp_path):
    tag, data = id3(b"a song", picture=20_000), coded(TONES, "mp3")
    whole, half = found(tmp_path, tag + data), found(tmp_path, tag + data[: len(data) // 2])
    assert whole.problem is None and whole.heard_s == pytest.approx(5, abs=0.1)
    assert 2 < half.heard_s < 3 and "of 5.0" in half.problem


def test_a_webm_that_is_cut_off_and_an_m4a_in_pieces(tmp_path):
    data = muxed(tones(5, 48_000), "libopus", "webm", 48_000)
    part = found(tmp_path, data[: len(data) * 6 // 10])
    assert 2 < part.heard_s < 4 and "truncated" in part.problem


def test_a_file_name_that_is_not_utf_8_is_read_and_printable(tmp_path):
    for data in (coded(TONES, "wav"), coded(TONES, "mp3")):
        path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.sound")
        with open(path, "wb") as file:
            file.write(data[:-9_000])
        with open_audio(os.fsdecode(path)) as file:
            assert sum(len(piece.frames) for piece in file.pieces()) > SAMPLE_RATE_HZ
        assert "caf\\xe9.sound is truncated" in file.problem and file.problem.encode()


def test_a_raw_suffix_does_not_hide_a_wav(tmp_path):
    assert found(tmp_path, coded(TONES, "wav"), "sound.raw").heard_s == 5


def test_what_holds_packets_but_no_sound_is_told(tmp_path):
    data = coded(TONES, "ogg")
    page = data.index(b"OggS", 200)
    noise = np.random.default_rng(0).bytes(len(data) - page)
    with pytest.raises(AudioError, match="no sound|no samples|cannot be read"):
        (tmp_path / "x.ogg").write_bytes(data[:page] + noise)
        load_speech(tmp_path / "x.ogg")
