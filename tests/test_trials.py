"""Every protocol and score format of the field, and every way in which such a file can be wrong."""

import numpy as np
import pytest
from fixtures_scores import scored_trials
from hypothesis import given
from hypothesis import strategies as st

from radd.errors import ProtocolError
from radd.score_files import (
    match,
    own_trials,
    read_asv_scores,
    read_scores,
    write_2019,
    write_2021,
    write_asvspoof5,
    write_trials,
)
from radd.trials import FORMATS, read_protocol

PROTOCOLS = {
    "asvspoof2019": "LA_0039 LA_E_1 - A11 spoof\nLA_0040 LA_E_2 - - bonafide\n",
    "asvspoof2021": (
        "LA_0009 LA_E_1 alaw ita_tx A07 spoof notrim eval\nLA_0010 LA_E_2 none - - bonafide "
        "notrim eval\n"
        "LA_0011 LA_E_3 none - - bonafide notrim progress\n"
    ),
    "asvspoof5": "E_1 E_01 F C05 2 - AC1 A28 spoof -\nE_2 E_02 M - - - - bonafide bonafide -\n",
    "in-the-wild": "- 0.wav - - - spoof\n- 1.wav - - - bona-fide\n",
    "csv": "file,speaker,label\n0.wav,Alec Guinness,spoof\n1.wav,Alec Guinness,bona-fide\n",
}
DEEPFAKE = (
    "LA_0023 DF_E_1 nocodec asvspoof A14 spoof notrim eval traditional_vocoder - - - -\n"
    "TEF2 DF_E_2 low_mp3 vcc2020 - bonafide notrim eval bonafide Task1-team20 FF E -\n"
)


def written(folder, text, name="file.txt"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("format", PROTOCOLS)
@pytest.mark.parametrize("named", [True, False])
def test_every_format_by_name_and_by_looking(tmp_path, format, named):
    trials = read_protocol(written(tmp_path, PROTOCOLS[format]), format if named else "auto")
    assert trials.format == format
    assert trials.is_spoof.tolist() == [True, False]
    assert len(trials.utts) == 2 and not any(utt.endswith(".wav") for utt in trials.utts)
    assert trials.attacks[1] == "-"


def test_columns_beyond_the_key(tmp_path):
    trials = read_protocol(written(tmp_path, PROTOCOLS["asvspoof2021"]))
    assert (
        trials.edition == 2021
        and trials.speakers == ["LA_0009", "LA_0010"]
        and trials.attacks[0] == "A07"
    )
    assert trials.conditions == {"codec": ["alaw", "none"], "transmission": ["ita_tx", "-"]}
    trials = read_protocol(written(tmp_path, DEEPFAKE))
    assert trials.conditions["vocoder"] == ["traditional_vocoder", "bonafide"]
    trials = read_protocol(written(tmp_path, PROTOCOLS["asvspoof5"]))
    assert trials.attacks[0] == "A28" and trials.conditions["gender"] == ["F", "M"]
    trials = read_protocol(written(tmp_path, PROTOCOLS["csv"]), "in-the-wild")
    assert trials.format == "in-the-wild" and trials.speakers == ["Alec Guinness"] * 2


def test_subsets(tmp_path):
    path = written(tmp_path, PROTOCOLS["asvspoof2021"])
    assert read_protocol(path, subset="progress").utts == ["LA_E_3"]
    assert len(read_protocol(path, subset="all")) == 3
    with pytest.raises(ProtocolError, match="--subset"):
        read_protocol(path, subset="hidden")


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "empty"),
        ("a b c\n", "3 columns"),
        ("s u - A01 maybe\n", "expected a known protocol"),
        ("s u - A01 spoof\ns v - bonafide\n", ":2: 4 columns"),
        ("s u - A01 spoof\ns v - - perhaps\n", "'perhaps'"),
        ("s u - A01 spoof\ns u - A02 spoof\n", "more than once"),
        ("utt,speaker\na,b\n", "no column for key"),
        ("utt,key\na\n", "expected 2 columns"),
        ("utt,key\n", "no trial"),
        ("utt,key\na,1\n", "key '1'"),
    ],
)
def test_wrong_protocols(tmp_path, text, words):
    with pytest.raises(ProtocolError, match=words):
        read_protocol(written(tmp_path, text))


def test_protocols_that_cannot_be_read(tmp_path):
    with pytest.raises(ProtocolError, match="No such file"):
        read_protocol(tmp_path / "missing.txt")
    (tmp_path / "sound.flac").write_bytes(b"fLaC\xff\xfe\x00")
    with pytest.raises(ProtocolError, match="not text"):
        read_protocol(tmp_path / "sound.flac")
    with pytest.raises(ProtocolError, match="expected the columns of asvspoof5"):
        read_protocol(written(tmp_path, PROTOCOLS["asvspoof2019"]), "asvspoof5")


@pytest.mark.parametrize(
    "text, has_keys",
    [
        ("LA_E_1 A07 spoof -2.5\nLA_E_2 - bonafide 1e0\n", True),
        ("LA_E_1 -2.5\nLA_E_2 1\n", False),
        ("filename\tcm-score\nLA_E_1\t-2.5\nLA_E_2\t1\n", False),
        (
            "utt,speaker,attack,key,score,codec\nLA_E_1,s,A07,spoof,-2.5,a\nLA_E_2,s,-,bonafide,1,b\n",
            True,
        ),
        ("asv_score,cm_score,sasv_label\n0.5,-2.5,0.0\n0.5,1,1.0\n", True),
    ],
)
def test_score_formats(tmp_path, text, has_keys):
    file = read_scores(written(tmp_path, text))
    assert file.scores.tolist() == [-2.5, 1.0]
    if not has_keys:
        with pytest.raises(ProtocolError, match="--protocol"):
            own_trials(file, "it")
        return
    scored = own_trials(file, "it")
    assert scored.spoof().tolist() == [-2.5] and scored.bonafide().tolist() == [1.0]


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "empty"),
        ("a 1 2\n", "3 columns"),
        ("a nan\nb 1\n", "NaN or Inf"),
        ("a inf\n", "NaN or Inf"),
        ("a x\n", "'x' is not a number"),
        ("a 1\na 2\n", "more than once"),
        ("a 1\nb\n", ":2: 1 columns"),
        ("utt,key\na,spoof\n", "no column for score"),
    ],
)
def test_wrong_score_files(tmp_path, text, words):
    with pytest.raises(ProtocolError, match=words):
        read_scores(written(tmp_path, text))


def test_keys_and_scores_meet(tmp_path):
    protocol = read_protocol(written(tmp_path, PROTOCOLS["in-the-wild"], "key"))
    complete = read_scores(written(tmp_path, "1.flac 2\n7 9\n0 -1\n"))
    scored = match(protocol, complete, "scores")
    assert scored.scores.tolist() == [-1, 2] and scored.without_key == 1
    with pytest.raises(ProtocolError, match="1 of 2 trials"):
        match(protocol, read_scores(written(tmp_path, "1 2\n")), "scores")


def test_verification_scores_of_both_editions(tmp_path):
    old = read_asv_scores(
        written(tmp_path, "bonafide target 2\nbonafide nontarget -1\nA07 spoof 0.5\n")
    )
    scores = written(tmp_path, "s a 2\ns b -1\ns c 0.5\ns d 4\n", "score.txt")
    key = written(
        tmp_path,
        "".join(
            f"s {utt} - - - {kind} notrim {subset}\n"
            for utt, kind, subset in (
                ("a", "target", "eval"),
                ("b", "nontarget", "eval"),
                ("c", "spoof", "eval"),
                ("d", "target", "hidden"),
            )
        ),
        "key",
    )
    new = read_asv_scores(scores, key)
    assert {kind: list(values) for kind, values in old.items()} == {
        kind: list(values) for kind, values in new.items()
    }
    with pytest.raises(ProtocolError, match="--asv-key"):
        read_asv_scores(scores)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=8))
def test_written_scores_are_read_back_to_the_last_bit(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("scores")
    scored = scored_trials(values[:1], values[1:], speakers=[f"s, {i}" for i in range(len(values))])
    for write in (write_2019, write_2021, write_asvspoof5, write_trials):
        write(folder / "file", scored)
        file = read_scores(folder / "file")
        assert file.utts == scored.trials.utts
        assert np.array_equal(file.scores, scored.scores)
    trials = own_trials(file, "file").trials
    assert trials.speakers == scored.trials.speakers and trials.attacks == scored.trials.attacks
    assert np.array_equal(read_protocol(folder / "file").is_spoof, scored.trials.is_spoof)


@given(st.text(max_size=200), st.sampled_from(FORMATS))
def test_no_text_breaks_the_reader(tmp_path_factory, text, format):
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_text(text, encoding="utf-8", newline="")
    for read in (lambda: read_protocol(path, format), lambda: read_scores(path)):
        try:
            read()
        except ProtocolError as error:
            assert str(path) in str(error)
