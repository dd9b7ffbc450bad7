"""train.py fit --model NAME: baselines learn, are calibrated and listened with; classical features
equal librosa's.
"""

import csv
import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from app.settings import load
from radd.dataset import Clip
from radd.files import load_speech
from radd.flac import flac_bytes
from radd.front_ends import front_end
from radd.front_ends.classical import FRAME_FEATURES, NAMES, Classical, frame_features
from radd.front_ends.mel import LogMel
from radd.onnx import OnnxModel
from radd.types import HOP_SAMPLES

ROOT = Path(__file__).parents[1]
FIXTURE = Path(__file__).with_name("classical_features.npz")
RELATIVE = 1e-3  # of a feature's greatest value in a sound


@cache
def sounds() -> dict[str, np.ndarray]:
    """What librosa's figures in FIXTURE were computed of; tests/make_classical_features.py does
    so.
    """
    rng, n = np.random.default_rng(0), 31 * HOP_SAMPLES
    speech = load_speech(ROOT / "assets" / "demo.flac")
    return {
        "speech": speech[:n],
        "noise": rng.normal(0, 0.1, n).astype(np.float32),
        "tone": (0.3 * np.sin(0.2 * np.arange(n)) + rng.normal(0, 0.001, n)).astype(np.float32),
        "silence, then speech": np.concatenate(
            [np.zeros(n // 2, np.float32), speech[n : n + n - n // 2]]
        ),
    }


def close(found: np.ndarray, expected: np.ndarray) -> None:
    """Rows (features, ...) equal but for rounding."""
    scale = np.abs(expected).reshape(len(expected), -1).max(axis=1)
    worst = np.abs(found - expected).reshape(len(expected), -1).max(axis=1) / np.maximum(
        scale, 1e-3
    )
    assert worst.max() < RELATIVE, dict(zip(FRAME_FEATURES, worst, strict=False))


@pytest.mark.parametrize("name", ["speech", "noise", "tone", "silence, then speech"])
def test_classical_features_equal_those_that_librosa_computed(name):
    with np.load(FIXTURE) as kept:
        expected = kept[name]
    sound = sounds()[name]
    close(frame_features(sound)[:, ::8], expected)
    [row] = Classical().rows(sound)
    assert row.shape == Classical().shape(len(sound)) == (len(NAMES),)
    np.testing.assert_allclose(row[:26], frame_features(sound).mean(axis=1), rtol=1e-5)


def test_classical_features_equal_librosas_where_it_is_installed():
    pytest.importorskip("librosa", reason="librosa is not installed: pip install -e '.[train]'")
    from training.baselines import classical_features

    for sound in sounds().values():
        close(frame_features(sound), classical_features.frame_features(sound))
        close(Classical().rows(sound)[0], classical_features.features(sound))


def test_a_mel_picture_has_the_mean_taken_out_and_its_tone_in_the_right_band():
    picture = LogMel(bands=40)
    tone = (0.3 * np.sin(2 * np.pi * 1000 / 16_000 * np.arange(16_384))).astype(np.float32)
    [row] = picture.rows(tone)
    assert row.shape == picture.shape(16_384) == (1, 40, 65) and abs(row.mean()) < 1e-4
    noise = np.random.default_rng(0).normal(0, 0.1, 16_384).astype(np.float32)
    np.testing.assert_allclose(
        picture.rows(np.float32(0.1) * noise), picture.rows(noise), atol=1e-3
    )
    bands = row[0, :, 10:50].mean(axis=1)
    assert 10 < bands.argmax() < 17  # 1 kHz is the 15th of 40 to 8 kHz on Slaney's scale
    assert front_end("log_mel", {"bands": 40, "fft_samples": 1024, "step_samples": 256}) == picture


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Pieces of speech of eight sources, as they are and with their high frequencies raised, which
    counts as spoof.
    """
    folder = tmp_path_factory.mktemp("baselines")
    speech = load_speech(ROOT / "assets" / "demo.flac")
    pieces = np.array_split(speech[: len(speech) // 2], 8)
    rows, sides = ["utt,source_repo"], {"train": [], "dev": []}
    for k, piece in enumerate(pieces):
        for label, sound in (("bonafide", piece), ("spoof", np.diff(piece, append=np.float32(0)))):
            name, side = f"{label}{k}", "train" if k < 6 else "dev"
            (folder / f"{name}.flac").write_bytes(flac_bytes(sound.astype(np.float32)))
            sides[side].append(f"- {name} - {'-' if label == 'bonafide' else 'diff'} {label}")
            rows.append(f"{name},source{k}")
    for side, lines in sides.items():
        (folder / f"protocol.{side}.txt").write_text("\n".join([*lines, ""]))
    (folder / "meta.csv").write_text("\n".join([*rows, ""]))
    return folder


def fitted(name: str, corpus: Path, folder: Path) -> Path:
    import train

    folder.mkdir(exist_ok=True)
    (folder / "recipe.toml").write_text("[training]\nsteps = 6\nbatch = 4\n")
    assert (
        train.main(
            [
                "fit",
                "--model",
                name,
                "--data",
                str(corpus),
                "--out",
                str(folder / "bundle"),
                "--jobs",
                "1",
                "--work",
                str(folder / "work"),
                "--config",
                str(folder / "recipe.toml"),
            ]
        )
        == 0
    )
    return folder / "bundle"


@pytest.mark.parametrize("name", ["logistic", "forest", "svm", "raw_cnn", "mel_cnn"])
def test_a_baseline_becomes_a_bundle_that_listens_and_equal_seeds_give_equal_bytes(
    name, corpus, tmp_path, monkeypatch
):
    for package in ("torch", "sklearn", "skl2onnx", "librosa"):
        pytest.importorskip(
            package, reason=f"{package} is not installed: pip install -e '.[train]'"
        )
    from radd.bundle import load_detector, read_manifest

    if name == "forest":  # four small grids in place of six large ones
        from training.baselines import classical

        make, _ = classical.ESTIMATORS[name]
        monkeypatch.setitem(
            classical.ESTIMATORS,
            name,
            (lambda seed: make(seed).set_params(n_estimators=10), {"max_depth": [4, 8]}),
        )
    bundle = fitted(name, corpus, tmp_path / "one")
    manifest, chosen = read_manifest(bundle), load(environ={})
    assert manifest["kind"] == "window" and manifest["model"]["parameters"] > 50
    detector = load_detector(bundle, chosen.model, chosen.gate)
    speech = load_speech(ROOT / "assets" / "demo.flac")[: 40 * HOP_SAMPLES]
    llrs = [j.llr for j in detector.push(detector.start(), speech) if j.llr is not None]
    assert len(llrs) > 10 and np.isfinite(llrs).all()
    card = (bundle / "card.md").read_text()
    assert f"- model = {name}" in card and "dev_scores.svg" in card and "references" not in card
    if name in ("logistic", "forest", "svm"):
        with open(bundle / "importances.csv", newline="") as file:
            assert {row["feature"] for row in csv.DictReader(file)} == set(NAMES)
        assert (
            "</svg>" in (bundle / "importances.svg").read_text()
            and "EER over folds drawn at random" in card
        )
    if name in ("logistic", "mel_cnn"):
        again = fitted(name, corpus, tmp_path / "two")
        assert json.loads((again / "manifest.json").read_text())["files"] == manifest["files"]


@pytest.mark.parametrize(
    ("name", "package", "needed"),
    [("student", "keras", "tensorflow"), ("mel_cnn", "torch", "train")],
)
def test_what_a_model_learns_with_is_named_where_it_is_missing(
    name, package, needed, corpus, tmp_path, monkeypatch, capsys
):
    import train

    monkeypatch.setitem(sys.modules, package, None)  # as where it was never installed
    for module in [module for module in sys.modules if module.startswith("training.baselines.")]:
        monkeypatch.delitem(sys.modules, module)
    arguments = [
        "fit",
        "--model",
        name,
        "--data",
        str(corpus),
        "--out",
        str(tmp_path / "bundle"),
        "--work",
        str(tmp_path),
    ]
    assert train.main(arguments) == 2
    told = f"--model {name} needs {package}, which is not installed: pip install -e '.[{needed}]'"
    assert capsys.readouterr().err == f"error: {told}\n"


def test_clips_of_one_source_or_speaker_are_in_one_group():
    classical = pytest.importorskip(
        "training.baselines.classical", reason="the extra train is not installed"
    )

    def clip(source: str, speaker: str) -> Clip:
        return Clip("u", Path("u.flac"), "spoof", "tts", speaker, source, "CC0", "en")

    groups = classical.unrelated(
        [clip("a", "ann"), clip("a", "ben"), clip("b", "ben"), clip("c", "-"), clip("d", "-")]
    )
    assert groups.tolist() == [0, 0, 0, 1, 2]


def test_a_support_vector_machine_is_exported_however_many_vectors_it_sums(tmp_path, monkeypatch):
    classical = pytest.importorskip(
        "training.baselines.classical", reason="the extra train is not installed"
    )
    rng = np.random.default_rng(0)
    rows, bonafide = (
        rng.standard_normal((2500, len(NAMES))).astype(np.float32),
        rng.random(2500) < 0.5,
    )
    pipeline = classical.make_pipeline(
        classical.StandardScaler(), classical.SVC(C=1e4, gamma=0.003)
    ).fit(rows, bonafide)
    classical.export(pipeline, rows[::5], tmp_path / "network.onnx")
    found = OnnxModel(tmp_path / "network.onnx").run(X=rows[::5])[0][:, 0]
    expected = pipeline.decision_function(rows[::5])
    assert np.abs(found - expected).max() < 0.01 * expected.std()
    monkeypatch.setattr(classical, "TOLERANCE", 1e-9)
    with pytest.raises(RuntimeError, match="scores differ from scikit-learn's by .*e-"):
        classical.export(pipeline, rows[::5], tmp_path / "network.onnx")
