"""train.py card: measured numbers in the card of a bundle, whose weights stay what they are."""

import json
import shutil

import numpy as np
import pytest
from fixtures_scores import scored_trials

import evaluate
import train
from radd.bundle import MANIFEST, WEIGHTS, read_manifest
from radd.score_files import ScoredTrials, write_trials
from radd.trials import Trials


@pytest.fixture
def bundle(shipped_bundle, tmp_path):
    """The bundle that ships, before anything was measured of it."""
    shutil.copytree(shipped_bundle, tmp_path / "bundle")
    manifest = tmp_path / "bundle" / MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"metrics": {}}))
    return tmp_path / "bundle"


def measured(folder, conditions):
    """metrics.json of evaluate.py on 160 trials with these columns."""
    rng = np.random.default_rng(4)
    scored = scored_trials(rng.normal(2, 2, 80), rng.normal(-2, 2, 80))
    t = scored.trials
    trials = Trials(t.format, t.utts, t.is_spoof, t.speakers, t.attacks, conditions)
    write_trials(folder / "trials.csv", ScoredTrials(trials, scored.scores))
    arguments = [
        "metrics",
        "--scores",
        str(folder / "trials.csv"),
        "--out",
        str(folder / "run"),
        "--bootstrap",
        "20",
    ]
    assert evaluate.main(arguments) == 0
    return folder / "run" / "metrics.json"


def test_numbers_by_language_sex_and_system_reach_the_card(bundle, tmp_path):
    languages = ["en", "de", "en", "zh"] * 39 + ["fo"] * 4
    file = measured(
        tmp_path,
        {"lang": languages, "gender": ["F", "M"] * 80, "mood": ["glad"] * 80 + ["sad"] * 80},
    )
    before = read_manifest(bundle)
    assert train.main(["card", "--bundle", str(bundle), "--metrics", f"a list={file}"]) == 0
    after, values = read_manifest(bundle), json.loads(file.read_text())
    assert after["version"] == before["version"] and set(before["metrics"]) < set(after["metrics"])
    assert {name: after["files"][name] for name in WEIGHTS} == {
        name: before["files"][name] for name in WEIGHTS
    }
    card = (bundle / "card.md").read_text().split("### a list")[1]
    assert f"| EER, % | {values['eer_percent']:.2f} |" in card
    english = values["per_condition"]["lang"]["en"]
    assert (
        f"| en | {english['n_bonafide']} | {english['n_spoof']} | {english['eer_percent']:.1f} |"
        in card
    )
    for row in ("| gender | real clips |", "| F | 40 |", "| A00 | 40 |", "| 0.9 |"):
        assert row in card
    assert "| fo |" not in card and "glad" not in card
    for point in values["operating_points"]:
        assert (
            f"| {point['p_spoof']} | {point['false_alarm_percent']:.1f} | "
            f"{point['missed_percent']:.1f} |" in card
        )
    assert "Accuracy by sex" not in card and "Accuracy by codec or line: no run above" in card


def test_numbers_by_condition_reach_the_card(bundle, tmp_path):
    line = {
        "times_clean": 1.0,
        "eer_percent": 8.75,
        "cllr_bits": 0.402,
        "act_dcf": None,
        "refused": 3,
    }
    told = {
        "n_bonafide": 3,
        "n_spoof": 5,
        "heard": {"clean": line, "gsm": line | {"times_clean": 2.5, "eer_percent": 21.875}},
    }
    (tmp_path / "heard.json").write_text(json.dumps(told))
    assert (
        train.main(
            ["card", "--bundle", str(bundle), "--metrics", f"on its way={tmp_path / 'heard.json'}"]
        )
        == 0
    )
    card = (bundle / "card.md").read_text().split("### on its way")[1]
    for row in (
        "| spoof clips | 5 |",
        "| heard | EER, % | times clean | Cllr, bit |\n",
        "| clean | 8.75 | 1.00 | 0.40 |\n",
        "| gsm | 21.88 | 2.50 | 0.40 |\n",
    ):
        assert row in card
    assert "by codec or line: no run" not in card and "refused" not in card


def test_what_is_not_known_is_said(bundle, tmp_path):
    file = measured(tmp_path, {})
    assert train.main(["card", "--bundle", str(bundle), "--metrics", f"plain={file}"]) == 0
    card = (bundle / "card.md").read_text()
    for words in (
        "by language: no run",
        "by sex: no run",
        "by codec or line: no run",
        "by age, accent and health",
    ):
        assert words in card


@pytest.mark.parametrize(
    "text, words",
    [
        ("[1]", "has none of"),
        ("{}", "has none of"),
        ("EER 1 %", "cannot read"),
        (None, "cannot read"),
    ],
)
def test_files_that_are_no_metrics(bundle, tmp_path, capsys, text, words):
    if text is not None:
        (tmp_path / "metrics.json").write_text(text)
    assert (
        train.main(["card", "--bundle", str(bundle), "--metrics", f"x={tmp_path / 'metrics.json'}"])
        == 2
    )
    assert words in capsys.readouterr().err
    read_manifest(bundle)
