"""What reaches the detector, and which trials count."""

import csv
import json

import numpy as np
import pytest
import soundfile
from fixtures_detector import silence, voice
from fixtures_scores import OpenBrightness, scored_trials

import evaluate
from evaluation.audio_folder import AudioFolder
from evaluation.conditions import CONDITIONS, ChannelCondition, through
from evaluation.filters import Filter, described
from evaluation.scoring import ClipScorer
from radd.errors import ProtocolError
from radd.score_files import write_trials
from radd.trials import Trials, read_protocol

NARROW = ("telephone-mulaw", "telephone-alaw", "gsm")


def power_db(sound):
    return 10 * np.log10(np.mean(np.square(sound, dtype=np.float64)))


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_keeps_length_and_step_and_is_the_same_again(name):
    for n in (1, 161, 48_001):
        sound = voice(3, 3.1, synthetic=False)[:n]
        heard = through(name, sound, "clip")
        assert heard.shape == sound.shape and heard.dtype == np.float32 and np.isfinite(heard).all()
        assert np.array_equal(heard, through(name, sound, "clip"))
    spectra = np.fft.rfft(sound, 2 * n).conj() * np.fft.rfft(heard, 2 * n)
    assert np.argmax(np.fft.irfft(spectra)) == 0
    assert np.array_equal(heard, sound) == (name == "clean")
    assert np.abs(through(name, silence(1), "clip")).max() < 0.02


@pytest.mark.parametrize("name", ["noise10", "room"])
def test_what_is_random_depends_on_the_name_of_the_clip_alone(name):
    sound = voice(3, 1, synthetic=False)
    assert not np.array_equal(through(name, sound, "one"), through(name, sound, "two"))


@pytest.mark.parametrize("name, change_db", [("mp3-40", 0), ("room", 0), ("level-30", -30)])
def test_level(name, change_db):
    sound = voice(4, 4, synthetic=False)
    assert power_db(through(name, sound, "clip")) - power_db(sound) == pytest.approx(
        change_db, abs=0.5
    )


def test_level_30_has_the_steps_of_16_bits():
    steps = 32768 * through("level-30", voice(4, 1, synthetic=False), "clip")
    assert np.array_equal(steps, np.round(steps)) and len(np.unique(steps)) > 10


def test_noise_is_10_db_below_the_voice_and_falls_as_speech_does():
    sound = voice(5, 4, synthetic=False)
    noise = through("noise10", sound, "clip") - sound
    assert power_db(sound) - power_db(noise) == pytest.approx(10, abs=0.5)
    spectrum = np.abs(np.fft.rfft(noise))[:32_000].reshape(64, -1)  # bands of 125 Hz
    bands = 10 * np.log10(np.mean(spectrum**2, axis=1))
    assert bands[1] - bands[16] == pytest.approx(18, abs=1.5)  # two octaves above the corner
    assert bands[16] - bands[32] == pytest.approx(9, abs=1)


@pytest.mark.parametrize("name", NARROW)
def test_a_telephone_is_narrow(name):
    rng = np.random.default_rng(0)
    heard = (
        np.abs(
            np.fft.rfft(through(name, 0.1 * rng.standard_normal(64_000).astype(np.float32), "clip"))
        )
        ** 2
    )
    middle, above, below = (
        heard[4 * 500 : 4 * 3000].mean(),
        heard[4 * 4000 :].mean(),
        heard[: 4 * 100].mean(),
    )
    assert above < 1e-4 * middle and below < 0.1 * middle


def test_a_room_decays_by_60_db_in_half_a_second():
    click = np.zeros(16_000, np.float32)
    click[0] = 1
    energy = through("room", click, "clip").astype(np.float64) ** 2
    assert energy[1:].sum() == pytest.approx(
        energy[0], rel=1e-3
    )  # the tail is as strong as the direct sound
    left_db = 10 * np.log10(np.cumsum(energy[::-1])[::-1][[800, 4000]] / energy.sum())
    assert (left_db[0] - left_db[1]) / 0.2 == pytest.approx(60 / 0.5, rel=0.1)


@pytest.mark.parametrize("condition", ["clean", "noise10"])
def test_the_first_seconds_have_the_score_of_a_cut_file(clips, tmp_path, condition):
    sound, rate = soundfile.read(clips / "fake9.flac", dtype="int16")
    soundfile.write(tmp_path / "fake9.flac", sound[: 2 * rate], rate)
    cut = ClipScorer(OpenBrightness(), AudioFolder(tmp_path), ChannelCondition(condition)).score(
        "fake9"
    )
    found = ClipScorer(
        OpenBrightness(), AudioFolder(clips), ChannelCondition(condition, 2.0)
    ).score("fake9")
    assert found == cut
    assert found != ClipScorer(
        OpenBrightness(), AudioFolder(clips), ChannelCondition(condition)
    ).score("fake9")


@pytest.fixture(scope="module")
def scored(clips, shipped_bundle, tmp_path_factory):
    """A run in noise, its options, and where it is."""
    out = tmp_path_factory.mktemp("noisy") / "run"
    options = [
        "--protocol",
        str(clips / "protocol.txt"),
        "--audio",
        str(clips),
        "--bootstrap",
        "10",
    ]
    assert (
        evaluate.main(
            ["score", *options, "--condition", "noise10", "--jobs", "2", "--out", str(out)]
        )
        == 0
    )
    return options, out


def test_order_and_processes_do_not_matter(scored, clips, tmp_path):
    options, out = scored
    lines = (clips / "protocol.txt").read_text().splitlines()
    (tmp_path / "turned.txt").write_text("\n".join(lines[::-1]))
    assert (
        evaluate.main(
            [
                "score",
                *options,
                "--protocol",
                str(tmp_path / "turned.txt"),
                "--condition",
                "noise10",
                "--jobs",
                "1",
                "--out",
                str(tmp_path),
            ]
        )
        == 0
    )
    assert sorted((tmp_path / "scores.txt").read_text().split("\n")) == sorted(
        (out / "scores.txt").read_text().split("\n")
    )


def test_the_record_names_the_condition(scored, tmp_path, capsys):
    options, out = scored
    assert (
        evaluate.main(["metrics", "--scores", str(out), "--out", str(tmp_path), "--bootstrap", "0"])
        == 0
    )
    for folder in (out, tmp_path):
        metrics = json.loads((folder / "metrics.json").read_text())
        assert (metrics["condition"], metrics["seconds"]) == ("noise10", None)
        assert "condition noise10" in (folder / "report.html").read_text()
    for other in (["--condition", "room"], ["--condition", "noise10", "--seconds", "1"]):
        assert evaluate.main(["score", *options, *other, "--resume", "--out", str(out)]) == 2
        assert "another detector, condition or protocol" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option, value, words",
    [
        ("--condition", "submarine", "telephone-mulaw"),
        ("--seconds", "0", "above 0"),
        ("--seconds", "long", "above 0"),
    ],
)
def test_unknown_conditions_are_refused(clips, tmp_path, capsys, option, value, words):
    with pytest.raises(SystemExit) as ended:
        evaluate.main(["score", "--audio", str(clips), "--out", str(tmp_path), option, value])
    assert ended.value.code == 2 and words in capsys.readouterr().err


@pytest.fixture
def known(tmp_path):
    """Eight scored trials, a CSV file that tells languages and sets, and a protocol to train on."""
    write_trials(tmp_path / "scores.csv", scored_trials([3, 2, 1, -4], [-1, -2, 4, -3]))
    rows = [
        f"utt{i}.wav,{language},{corpus},ignored"
        for i, (language, corpus) in enumerate(
            [("en", "a"), ("en", "b"), ("fr", "b"), ("fr", "LJ")] * 2
        )
    ]
    (tmp_path / "meta.csv").write_text("\n".join(["file,lang,dataset,label", *rows[:7]]))
    (tmp_path / "train.txt").write_text("ann x - - bonafide\nben y - a01 spoof\n")
    return tmp_path


def measured(folder, *options):
    assert (
        evaluate.main(
            [
                "metrics",
                "--scores",
                str(folder / "scores.csv"),
                "--out",
                str(folder / "out"),
                "--meta",
                str(folder / "meta.csv"),
                "--bootstrap",
                "0",
                *options,
            ]
        )
        == 0
    )
    return json.loads((folder / "out" / "metrics.json").read_text())


def test_every_column_of_a_csv_file_has_a_table_of_groups(known):
    metrics = measured(known)
    tables = metrics["per_condition"]
    assert list(tables) == ["lang", "dataset"] and list(tables["lang"]) == ["-", "en", "fr"]
    assert tables["lang"]["en"]["eer_percent"] == 0 and tables["lang"]["en"]["n_bonafide"] == 2
    assert tables["lang"]["-"] == {
        "eer_percent": None,
        "n_bonafide": 0,
        "n_spoof": 1,
        "false_alarm_percent": None,
        "missed_percent": 0,
    }
    assert metrics["eer_percent"] == 25 and "where" not in metrics
    assert "By lang" in (known / "out" / "report.html").read_text()


def test_trials_are_chosen_by_what_is_known_of_them(known):
    metrics = measured(known, "--where", "dataset!=LJ", "--where", "lang!=-")
    assert (metrics["n_bonafide"], metrics["n_spoof"], metrics["eer_percent"]) == (
        3,
        3,
        pytest.approx(100 / 3),
    )
    assert metrics["where"] == ["dataset!=LJ", "lang!=-"]
    assert "only dataset!=LJ; only lang!=-" in (known / "out" / "report.html").read_text()
    again = [
        "metrics",
        "--scores",
        str(known / "out"),
        "--where",
        "lang=en",
        "--out",
        str(known / "again"),
    ]
    assert evaluate.main([*again, "--bootstrap", "0"]) == 0
    metrics = json.loads((known / "again" / "metrics.json").read_text())
    assert (metrics["n_bonafide"], metrics["n_spoof"], metrics["eer_percent"]) == (2, 2, 0)
    assert metrics["where"] == ["dataset!=LJ", "lang!=-", "lang=en"]


def test_systems_that_training_names_are_left_out(known):
    metrics = measured(known, "--unseen", str(known / "train.txt"))
    assert list(metrics["per_attack"]) == ["A00"] and (
        metrics["n_bonafide"],
        metrics["n_spoof"],
    ) == (4, 2)
    assert metrics["unseen_in"] == ["train.txt"]


def test_what_nobody_can_name_is_not_called_unseen(known):
    trials = Trials(
        "csv", ["r", "u", "n"], np.array([False, True, True]), ["-"] * 3, ["-", "-", "new"]
    )
    assert Filter(unseen=(known / "train.txt",)).chosen(trials).tolist() == [0, 2]


def test_scoring_and_streams_hear_the_chosen_trials_only(clips, shipped_bundle, tmp_path, capsys):
    rows = [f"{kind}{i},{'en' if i < 2 else 'fr'}" for kind in ("real", "fake") for i in range(4)]
    (tmp_path / "meta.csv").write_text("\n".join(["utt,lang", *rows]))
    common = [
        "--audio",
        str(clips),
        "--out",
        str(tmp_path / "run"),
        "--jobs",
        "1",
        "--where",
        "lang=en",
    ]
    protocol = ["--protocol", str(clips / "protocol.txt"), "--meta", str(tmp_path / "meta.csv")]
    assert evaluate.main(["score", *common, *protocol, "--seconds", "1", "--bootstrap", "0"]) == 0
    with open(tmp_path / "run" / "trials.csv", newline="") as file:
        assert [row["utt"] for row in csv.DictReader(file)] == ["real0", "real1", "fake0", "fake1"]
    assert evaluate.main(["stream", *common, *protocol]) == 2
    assert "from 4 trials" in capsys.readouterr().err
    assert evaluate.main(["stream", *common, "--annotations", str(tmp_path / "meta.csv")]) == 2
    assert "--annotations has none" in capsys.readouterr().err


@pytest.mark.parametrize(
    "where, words",
    [
        ("lang", "expected COLUMN=VALUE"),
        ("colour=red", "there are lang, dataset, speaker, attack"),
        ("dataset!=LJSpeech", "no trial has that dataset; there are -, LJ, a, b"),
    ],
)
def test_a_slip_of_the_pen_is_told(known, where, words):
    trials = described(read_protocol(known / "scores.csv"), known / "meta.csv")
    with pytest.raises(ProtocolError, match=words):
        Filter((where,)).chosen(trials)
    with pytest.raises(ProtocolError, match="exclude all 8 trials"):
        Filter(("lang=en", "dataset=LJ")).chosen(trials)
    (known / "other.csv").write_text("utt,lang\nothers,en\n")
    with pytest.raises(ProtocolError, match="has none of 8 trials such as utt0"):
        described(trials, known / "other.csv")
