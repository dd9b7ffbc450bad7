"""evaluate.py metrics, compare and peers, from score files alone."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fixtures_scores import scored_trials

import evaluate
from evaluation.compare import sign_test
from evaluation.tables import markdown
from radd.score_files import write_2021, write_trials

ROOT = Path(__file__).resolve().parents[1]
KEYS = [
    "eer_percent",
    "eer_percent_ci95",
    "min_tdcf_2019",
    "min_tdcf_2021",
    "min_dcf",
    "act_dcf",
    "cllr_bits",
    "min_cllr_bits",
    "n_bonafide",
    "n_spoof",
    "per_attack",
    "per_condition",
]


def system(seed: int, distance: float, n: int = 120):
    """A detector on the same 2n trials, better with distance; half of the speakers say half of the
    clips.
    """
    rng = np.random.default_rng(seed)
    speakers = [f"speaker{i % 12}" for i in range(2 * n)]
    return scored_trials(rng.normal(distance, 1.5, n), rng.normal(-distance, 1.5, n), speakers)


@pytest.fixture
def run(tmp_path):
    write_trials(tmp_path / "good.csv", system(1, 2.5))
    write_trials(tmp_path / "fair.csv", system(2, 1.0))
    return tmp_path


def test_metrics_writes_everything(run, capsys):
    out = run / "out"
    assert (
        evaluate.main(
            ["metrics", "--scores", str(run / "fair.csv"), "--out", str(out), "--bootstrap", "100"]
        )
        == 0
    )
    metrics = json.loads((out / "metrics.json").read_text())
    assert [key for key in KEYS if key not in metrics] == []
    low, high = metrics["eer_percent_ci95"]
    assert low < metrics["eer_percent"] < high
    assert metrics["bootstrap"] == {"unit": "speaker", "n_units": 12, "replicates": 100, "seed": 0}
    assert metrics["min_tdcf_2019"] is None
    assert (
        set(metrics["per_attack"]) == {"A00", "A01"}
        and metrics["per_attack"]["A00"]["n_spoof"] == 60
    )
    assert len(metrics["per_condition"]["speaker"]) == 12
    assert f"{metrics['eer_percent']:.4f}" in capsys.readouterr().out
    for name in ("det", "roc", "scores", "reliability"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "</svg>" in (out / f"{name}.svg").read_text()
    page = (out / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org/", "") and "https://" not in page


def test_a_reader_that_goes_away_is_no_fault(run):
    command = [
        sys.executable,
        ROOT / "evaluate.py",
        "metrics",
        "--scores",
        "fair.csv",
        "--out",
        "read",
        "--bootstrap",
        "20",
    ]
    with subprocess.Popen(
        command, cwd=run, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as ended:
        ended.stdout.close()
        assert ended.stderr.read() == b"" and ended.wait() == 141


def test_a_run_can_be_measured_again_and_gives_the_same(run):
    for source, out in (("fair.csv", "one"), ("fair.csv", "two"), ("one", "three")):
        arguments = [
            "metrics",
            "--scores",
            str(run / source),
            "--out",
            str(run / out),
            "--bootstrap",
            "20",
        ]
        assert evaluate.main(arguments) == 0
    for name in (
        "metrics.json",
        "trials.csv",
        "scores.svg",
        "scores.png",
        "det.svg",
        "report.html",
    ):
        assert (run / "one" / name).read_bytes() == (run / "two" / name).read_bytes()
    for name in ("metrics.json", "trials.csv", "scores.svg"):
        assert (run / "one" / name).read_bytes() == (run / "three" / name).read_bytes()


def test_compare_finds_the_better_system(run, capsys):
    arguments = ["--bootstrap", "200", "--out", str(run / "out")]
    assert evaluate.main(["compare", str(run / "fair.csv"), str(run / "good.csv"), *arguments]) == 0
    result = json.loads((run / "out" / "compare.json").read_text())
    difference = result["metrics"]["eer_percent"]
    assert difference["difference"] == pytest.approx(difference["b"] - difference["a"])
    assert difference["difference_ci95"][1] < 0 and difference["p_value"] < 0.05
    assert result["mcnemar"]["only_b_right"] > result["mcnemar"]["only_a_right"]
    assert evaluate.main(["compare", str(run / "good.csv"), str(run / "good.csv"), *arguments]) == 0
    same = json.loads((run / "out" / "compare.json").read_text())
    assert same["metrics"]["cllr_bits"]["p_value"] == 1 and same["mcnemar"]["p_value"] == 1
    assert "McNemar" in capsys.readouterr().out


def test_compare_needs_the_same_trials(run, capsys):
    write_trials(run / "other.csv", scored_trials([1, 2], [-1], prefix="other"))
    assert evaluate.main(["compare", str(run / "good.csv"), str(run / "other.csv")]) == 2
    assert "needs the same trials" in capsys.readouterr().err


def test_peers_are_ranked(run, capsys):
    write_2021(run / "plain.txt", system(3, 0.3))
    command = [
        "peers",
        f"fair={run / 'fair.csv'}",
        f"plain={run / 'plain.txt'}",
        f"good={run / 'good.csv'}",
    ]
    options = ["--protocol", str(run / "good.csv"), "--bootstrap", "50", "--out", str(run / "out")]
    assert evaluate.main([*command, *options]) == 0
    assert list(json.loads((run / "out" / "peers.json").read_text())) == ["good", "fair", "plain"]
    table = capsys.readouterr().out
    assert table.index("good") < table.index("fair") < table.index("plain")
    assert (run / "out" / "det.png").exists() and (run / "out" / "peers.md").read_text() == table


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["metrics", "--scores", "missing.txt", "--out", "out"], "cannot read missing.txt"),
        (["metrics", "--scores", ".", "--out", "out"], "neither trials.csv nor scores.txt"),
        (["peers", "good.csv"], "NAME=SCOREFILE"),
        (
            ["metrics", "--scores", "good.csv", "--out", "out", "--threshold", "high"],
            "expected eer, bayes or a number",
        ),
        (["compare", "good.csv", "good.csv", "--bootstrap", "0"], "--bootstrap 1 or more"),
        (
            ["metrics", "--scores", "good.csv", "--out", "out", "--audio", "nowhere"],
            "not a directory",
        ),
        (
            ["metrics", "--scores", "good.csv", "--out", "out", "--asv-scores", "good.csv"],
            "SOURCE target",
        ),
        (["metrics", "--scores", "one.csv", "--out", "out"], "no spoof scores"),
    ],
)
def test_mistakes_end_with_a_line_and_exit_code_two(run, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(run)
    (run / "one.csv").write_text("utt,key,score\na,bonafide,1\n")
    assert evaluate.main(arguments) == 2
    assert words in capsys.readouterr().err


def test_inverted_scores_and_the_wrong_edition_are_told(run, capsys):
    write_trials(run / "inverted.csv", system(1, -2))
    assert (
        evaluate.main(
            [
                "metrics",
                "--scores",
                str(run / "inverted.csv"),
                "--out",
                str(run / "out"),
                "--bootstrap",
                "0",
            ]
        )
        == 0
    )
    assert "worse than chance" in capsys.readouterr().err
    (run / "2019.txt").write_text("LA_E_1 A07 spoof -1\nLA_E_2 - bonafide 1\n")
    (run / "asv.txt").write_text(
        "bonafide target 2\nbonafide target 1\nbonafide nontarget -1\nA07 spoof 0.5\n"
    )
    assert (
        evaluate.main(
            [
                "metrics",
                "--scores",
                str(run / "2019.txt"),
                "--asv-scores",
                str(run / "asv.txt"),
                "--out",
                str(run / "out"),
                "--bootstrap",
                "10",
            ]
        )
        == 0
    )
    assert "min_tdcf_2021 on ASVspoof 2019 data" in capsys.readouterr().err
    assert json.loads((run / "out" / "metrics.json").read_text())["min_tdcf_2019"] == 0


def test_a_person_gets_no_traceback(run):
    command = [
        sys.executable,
        ROOT / "evaluate.py",
        "metrics",
        "--scores",
        "missing",
        "--out",
        "out",
    ]
    ended = subprocess.run(command, cwd=run, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.startswith("evaluate.py: cannot read") and ended.stderr.count("\n") == 1


def test_measuring_needs_neither_training_nor_listening():
    heavy = (
        "torch",
        "scipy",
        "sklearn",
        "pandas",
        "soundfile",
        "onnxruntime",
        "faiss",
        "sounddevice",
        "sqlalchemy",
    )
    code = f"import sys, evaluate; print([name for name in {heavy} if name in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
        ).stdout
        == "[]\n"
    )


def test_sign_test_by_hand():
    assert sign_test(0, 0) == 1
    assert sign_test(0, 5) == pytest.approx(2 / 32)
    assert sign_test(1, 5) == pytest.approx(2 * 7 / 64)
    assert sign_test(3, 3) == 1
    assert sign_test(40_000, 41_000) < 0.001


def test_tables_are_aligned():
    lines = markdown(["name", "value"], [["a", "1.00"], ["longer", "-"]]).splitlines()
    assert lines[0] == "| name   | value |" and len({len(line) for line in lines}) == 1
