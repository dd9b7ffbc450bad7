"""Lists as people have them: every encoding, every kind of sound file, numbers as people write
them.
"""

import argparse

import numpy as np
import pytest
from fixtures_recordings import coded, muxed, tones

from app.options.values import within
from evaluation.audio_folder import AudioFolder
from evaluation.filters import Filter, described
from evaluation.streams import clip_length_s
from evaluation.summary import threshold_of
from radd.errors import ProtocolError
from radd.files import load_speech
from radd.metrics import error_rates
from radd.score_files import read_scores
from radd.trials import AUDIO_SUFFIXES, plain_number, read_protocol

SOUND = tones(1)
NARROW = tones(1, 8_000)
FILES = {
    "a.aac": lambda: muxed(SOUND, "aac", "adts"),
    "a.amr": lambda: muxed(NARROW, "libopencore_amrnb", "amr", 8_000),
    "a.webm": lambda: muxed(tones(1, 48_000), "libopus", "webm", 48_000),
    "a.mp4": lambda: muxed(SOUND, "aac", "mp4"),
    "a.aiff": lambda: muxed(SOUND, "pcm_s16be", "aiff"),
    "a.AIFF": lambda: muxed(SOUND, "pcm_s16be", "aiff"),
    "a.3gp": lambda: muxed(NARROW, "libopencore_amrnb", "3gp", 8_000),
    "a.mka": lambda: muxed(SOUND, "flac", "matroska"),
    "a.oga": lambda: coded(SOUND, "ogg"),
    "a.caf": lambda: muxed(SOUND, "pcm_s16le", "caf"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_in_a_list_is_found_and_measured(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name]())
    (tmp_path / "list.csv").write_text(f"file,label\n{name},fake\n")
    (utt,) = read_protocol(tmp_path / "list.csv").utts
    folder = AudioFolder(tmp_path)
    assert utt == "a" and folder.find(utt) == tmp_path / name
    assert clip_length_s(folder, utt) == pytest.approx(1, abs=0.15)
    assert len(load_speech(folder.find(utt))) == pytest.approx(16_000, abs=2_400)
    assert folder.player(utt).startswith("data:")


def test_suffixes_are_lower_case_and_once():
    assert len(set(AUDIO_SUFFIXES)) == len(AUDIO_SUFFIXES)
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in AUDIO_SUFFIXES)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_list_is_read_in_every_encoding_of_unicode(tmp_path, encoding):
    (tmp_path / "list.csv").write_bytes(
        "file,label,who\nä.wav,fake,Zoë\nb.wav,real,-\n".encode(encoding)
    )
    trials = read_protocol(tmp_path / "list.csv")
    assert trials.utts == ["ä", "b"] and trials.conditions["who"] == ["Zoë", "-"]
    (tmp_path / "scores.txt").write_bytes("ä 1.5\nb -2\n".encode(encoding))
    assert read_scores(tmp_path / "scores.txt").scores.tolist() == [1.5, -2]


@pytest.mark.parametrize(
    "data",
    [
        "file,label\nä.wav,fake\n".encode("latin-1"),
        b"\xff\xfef\0i",
        b'file,label\n"' + b"x" * 200_000 + b'",fake\n',
        b"f\0i\0l\0e\0,",
        b"\xff\xfe\0\xd8\0\xd8",
    ],
)
def test_what_is_no_list_is_refused_in_a_sentence(tmp_path, data):
    (tmp_path / "list.csv").write_bytes(data)
    with pytest.raises(ProtocolError, match="list.csv"):
        read_protocol(tmp_path / "list.csv")


@pytest.mark.parametrize("text", ["1_000", "١٢", "1,5", "", "0x10", "1 000"])
def test_what_only_python_takes_for_a_number_is_refused(tmp_path, text):
    with pytest.raises(ValueError):
        plain_number(text)
    (tmp_path / "scores.csv").write_text(f'utt,score\na,"{text}"\n', encoding="utf-8")
    with pytest.raises(ProtocolError, match="is not a number"):
        read_scores(tmp_path / "scores.csv")
    rates = error_rates(np.array([1.0, 2.0]), np.array([-1.0, 0.0]))
    with pytest.raises(ProtocolError, match="expected eer, bayes or a number"):
        threshold_of(text, rates)


@pytest.mark.parametrize("kind", [int, float])
def test_options_take_no_number_with_underscores(kind):
    assert within(1, 9_000, kind)("1000") == 1_000
    with pytest.raises(argparse.ArgumentTypeError, match="expected a number"):
        within(1, 9_000, kind)("1_000")


@pytest.mark.parametrize("column", ["system", "split", "lang", "spk"])
def test_a_column_of_meta_chooses_trials_whatever_its_name(tmp_path, column):
    (tmp_path / "list.csv").write_text("file,label\na,fake\nb,fake\nc,real\n")
    (tmp_path / "meta.csv").write_text(f"utt,{column}\na,one\nb,two\nc,one\n")
    trials = described(read_protocol(tmp_path / "list.csv"), tmp_path / "meta.csv")
    assert Filter((f"{column}=one",)).chosen(trials).tolist() == [0, 2]


def test_a_column_of_the_protocol_answers_to_its_own_name_too(tmp_path):
    (tmp_path / "list.csv").write_text("file,label,system\na,fake,one\nb,fake,two\n")
    trials = read_protocol(tmp_path / "list.csv")
    assert Filter(("system=two",)).chosen(trials).tolist() == [1]
    assert Filter(("attack=two",)).chosen(trials).tolist() == [1]
