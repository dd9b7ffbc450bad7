"""Corpora to learn from: every layout, what is refused, what is decoded, how often each clip is
met.
"""

import logging
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from radd.dataset import DecodedClips, read_corpus
from radd.errors import ConfigError

PROTOCOLS = {
    "asvspoof2019": "LA_1 real - - bonafide\nLA_2 fake - A01 spoof\n",
    "asvspoof5": "T_1 real F - - - - bonafide bonafide -\nT_2 fake M - - - AC1 A05 spoof -\n",
    "asvspoof5 of six columns": "T_1 real F - bonafide bonafide\nT_2 fake M AC1 A05 spoof\n",
    "in-the-wild": "- real.wav - - - bona-fide\n- fake.wav - - - spoof\n",
    "csv": "file,speaker,label\nreal.wav,Ann,bona-fide\nfake.wav,Bob,spoof\n",
    "csv with paths and systems": (
        "path,label,system\nsound/real.wav,real,\n./sound/fake.wav,fake,VITS\n"
    ),
    "csv with sides": (
        "path,label,split\nreal.wav,real,train\nfake.wav,fake,train\nnowhere.wav,fake,test\n"
    ),
}
OFFICIAL = [
    ("ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.train.trn.txt", "asvspoof2019", "train"),
    ("ASVspoof2019_PA_cm_protocols/ASVspoof2019.PA.cm.dev.trl.txt", "asvspoof2019", "dev"),
    ("ASVspoof5.train.tsv", "asvspoof5", "train"),
    ("ASVspoof5.dev.track_1.tsv", "asvspoof5", "dev"),
    ("release_in_the_wild/meta.csv", "csv", "train"),
]


def noise(seconds, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(round(16_000 * seconds)).astype(
        np.float32
    )


@pytest.fixture
def corpus(tmp_path):
    """A directory with two clips in sound/; tests give it a protocol."""
    (tmp_path / "sound").mkdir()
    for seed, name in enumerate(("real.wav", "fake.wav")):
        soundfile.write(tmp_path / "sound" / name, noise(1.5, seed), 16_000)
    return tmp_path


def assert_both_clips(clips, corpus):
    assert [(c.label, c.path) for c in clips] == [
        ("bonafide", corpus / "sound" / "real.wav"),
        ("spoof", corpus / "sound" / "fake.wav"),
    ]
    assert clips[0].system == "-" and clips[1].system != "-"


@pytest.mark.parametrize("layout", PROTOCOLS)
def test_every_layout_is_read(corpus, layout):
    (corpus / "protocol.train.txt").write_text(PROTOCOLS[layout])
    clips = read_corpus(corpus, "train")
    assert_both_clips(clips, corpus)
    assert {c.source for c in clips} == {corpus.name} and {c.licence for c in clips} == {"unstated"}


@pytest.mark.parametrize("name, layout, side", OFFICIAL)
def test_official_names_are_found(corpus, name, layout, side):
    (corpus / name).parent.mkdir(exist_ok=True)
    (corpus / name).write_text(PROTOCOLS[layout])
    assert_both_clips(read_corpus(corpus, side), corpus)


def test_several_protocols_of_a_side_are_told_apart_by_a_person(corpus):
    for track in ("LA", "PA"):
        (corpus / f"ASVspoof2019.{track}.cm.train.trn.txt").write_text(PROTOCOLS["asvspoof2019"])
    with pytest.raises(ConfigError, match="several protocols of its train set"):
        read_corpus(corpus, "train")


def test_what_more_is_known_of_clips(corpus):
    (corpus / "protocol.dev.txt").write_text(PROTOCOLS["asvspoof2019"])
    (corpus / "meta.csv").write_text("utt,source_repo,licence,lang\nreal,books,CC0,en\n")
    (corpus / "meta_more.csv").write_text("utt,source_repo,licence,lang\nfake,,MIT,\n")
    real, fake = read_corpus(corpus, "dev")
    assert (real.source, real.licence, real.language, real.speaker) == (
        "books",
        "CC0",
        "en",
        "LA_1",
    )
    assert (fake.source, fake.licence, fake.language, fake.system) == (
        corpus.name,
        "MIT",
        "-",
        "A01",
    )


def test_resynthesised_copies_belong_to_the_train_side_only(corpus):
    for side in ("train", "dev"):
        (corpus / f"protocol.{side}.txt").write_text("LA_1 real - - bonafide\n")
    (corpus / "protocol.vocoded.txt").write_text("LA_1 fake - WORLD spoof\n")
    (corpus / "meta.csv").write_text("utt,source_repo,licence,lang\nreal,books,CC0,en\n")
    (corpus / "vocoded.csv").write_text("utt,source_utt\nfake,real\n")
    assert_both_clips(train := read_corpus(corpus, "train"), corpus)
    assert train[1].licence == "CC0" and train[1].language == "en"
    assert len(read_corpus(corpus, "dev")) == 1


@pytest.mark.parametrize(
    "text, words",
    [
        ("LA_1 gone - - bonafide\n", "no such audio file"),
        ("LA_1 twice - - bonafide\n", "more than one audio file"),
        ("LA_0009 real alaw ita_tx - bonafide notrim eval\n", "no trial of the subset train"),
        ("path,label,split\nreal.wav,real,dev\n", "no trial of the subset train"),
    ],
)
def test_protocols_that_cannot_serve(corpus, text, words):
    for folder in ("one", "two"):
        (corpus / folder).mkdir()
        soundfile.write(corpus / folder / "twice.wav", noise(1), 16_000)
    (corpus / "protocol.train.txt").write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_corpus(corpus, "train")


def test_a_corpus_may_have_a_train_side_only(corpus):
    (corpus / "protocol.train.txt").write_text(PROTOCOLS["asvspoof2019"])
    assert_both_clips(read_corpus(corpus, "train"), corpus)
    assert read_corpus(corpus, "dev") == []
    (corpus / "protocol.train.txt").unlink()
    with pytest.raises(ConfigError, match="protocol.train.txt is missing"):
        read_corpus(corpus, "train")


def test_the_eval_side_is_not_for_learning(corpus):
    (corpus / "protocol.eval.txt").write_text(PROTOCOLS["asvspoof2019"])
    with pytest.raises(ConfigError, match="the evaluation set is for evaluate.py"):
        read_corpus(corpus, "eval")


def test_corpora_are_mixed_and_what_cannot_be_read_is_told(corpus, tmp_path_factory, caplog):
    other = tmp_path_factory.mktemp("other")
    soundfile.write(other / "loud.flac", np.full(48_000, 0.999, np.float32), 48_000)
    soundfile.write(other / "cut.wav", noise(2), 16_000)
    (other / "cut.wav").write_bytes((other / "cut.wav").read_bytes()[:30_000])
    (other / "text.flac").write_text("no sound")
    (other / "empty.wav").write_bytes(b"")
    (corpus / "protocol.train.txt").write_text(PROTOCOLS["asvspoof2019"])
    (other / "protocol.train.txt").write_text(
        "".join(
            f"{name},{key}\n"
            for name, key in [
                ("utt", "key"),
                ("loud", "real"),
                ("cut", "fake"),
                ("text", "fake"),
                ("empty", "real"),
            ]
        )
    )
    with caplog.at_level(logging.CRITICAL, "radd.files"):
        clips = DecodedClips(
            read_corpus(corpus, "train") + read_corpus(other, "train"), corpus / "cache", 1
        )
    assert [c.utt for c in clips.clips] == ["real", "fake", "loud", "cut"]
    assert [line.split(":")[0] for line in clips.unreadable] == [
        str(other / "text.flac"),
        str(other / "empty.wav"),
    ]
    for i, seconds in enumerate((1.5, 1.5, 1.0, (30_000 - 44) / 32_000)):
        samples = clips.samples(i)
        assert samples.dtype == np.float32 and len(samples) == int(seconds * 16_000) // 512 * 512
        assert clips.speech(i).shape == (len(samples) // 512,)
    assert (
        np.abs(
            clips.samples(0) - soundfile.read(clips.clips[0].path, dtype="float32")[0][:23_552]
        ).max()
        < 1e-4
    )
    assert clips.hours == pytest.approx(
        sum(len(clips.samples(i)) for i in range(4)) / 16_000 / 3600
    )


def test_labels_weigh_the_same_and_groups_by_their_root(corpus):
    for k in range(9):
        soundfile.write(corpus / f"many{k}.wav", noise(1, k), 16_000)
    lines = [f"reader many{k} - - bonafide\n" for k in range(9)]
    (corpus / "protocol.train.txt").write_text("".join(lines) + PROTOCOLS["asvspoof2019"])
    clips = DecodedClips(read_corpus(corpus, "train"), corpus / "cache", 1)
    weights = dict(zip([c.utt for c in clips.clips], clips.sampling_weights(), strict=True))
    assert weights["fake"] == pytest.approx(0.5)
    assert weights["real"] == pytest.approx(0.5 / (1 + 3)) and weights["many0"] == pytest.approx(
        weights["real"] / 3
    )
    source = clips.clips[0].source
    assert {c.source for c in clips.clips} == {source}
    lone = next(c for c in clips.clips if c.utt == "real")
    other = replace(lone, utt="other", source="elsewhere", path=lone.path)
    twice = DecodedClips(
        [lone, other, *clips.clips[-1:]], corpus / "cache", 1, {"elsewhere": 4.0}
    ).sampling_weights()
    assert twice[1] == pytest.approx(4 * twice[0]) and twice[:2].sum() == pytest.approx(0.5)
    (corpus / "protocol.train.txt").write_text("".join(lines))
    alone = DecodedClips(read_corpus(corpus, "train"), corpus / "cache", 1)
    with pytest.raises(ConfigError, match="one label only"):
        alone.sampling_weights()
