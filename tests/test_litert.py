"""LiteRT in place of ONNX Runtime: the gate, the bundle for small devices, and processes that have
only one of the two.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixtures_patience import PATIENCE_S

from app.settings import load
from radd.bundle import MANIFEST, NETWORK, load_detector
from radd.errors import ConfigError, ModelError
from radd.files import load_speech
from radd.inference import RUNTIMES, file_for, open_network
from radd.types import HOP_SAMPLES
from radd.vad import SpeechNetwork, SpeechState

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install -e '.[litert]'")

ROOT = Path(__file__).parent.parent
STUDENT = ROOT / "models" / "student"
DEMO = ROOT / "assets" / "demo.flac"
LIMIT_BYTES = 2_000_000
shipped = pytest.mark.skipif(
    not STUDENT.is_dir(), reason="models/student is not there: train.py fit --model student"
)


def loaded(runtime: str, bundle: Path = STUDENT):
    chosen = load(environ={})
    return load_detector(bundle, replace(chosen.model, runtime=runtime), chosen.gate)


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return load_speech(DEMO)[: 60 * HOP_SAMPLES]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Runs detect.py as on a device where one of the runtimes was never installed."""

    def run(missing: str, *arguments):
        blocked = tmp_path_factory.mktemp("without")
        text = f"raise ModuleNotFoundError(\"No module named '{missing}'\", name='{missing}')\n"
        (blocked / f"{missing}.py").write_text(text)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RADD_")}
        command = [
            sys.executable,
            ROOT / "detect.py",
            "--json",
            "--no-store",
            "--source",
            DEMO,
            "--duration",
            "6",
            *arguments,
        ]
        return subprocess.run(
            command,
            cwd=blocked,
            env=kept | {"PYTHONPATH": str(blocked)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    return run


def test_the_gate_says_the_same_on_both_runtimes(sound):
    both = np.stack([sound, sound[::-1]])
    found, expected = (
        SpeechNetwork(runtime).probability(SpeechState.batch(2), both)
        for runtime in ("litert", "onnx")
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.max() > 0.9 and found.min() < 0.1


@shipped
def test_the_student_says_the_same_on_all_runtimes(sound):
    llrs = {}
    for runtime in RUNTIMES:
        detector = loaded(runtime)
        llrs[runtime] = np.array(
            [j.llr for j in detector.push(detector.start(), sound, gated=False)]
        )
    np.testing.assert_allclose(llrs["litert"], llrs["onnx"], atol=1e-3)
    assert np.abs(llrs["litert-int8"] - llrs["onnx"]).mean() < 0.3
    assert np.ptp(llrs["onnx"]) > 0.1


@shipped
def test_where_onnx_runtime_is_missing_the_student_runs(alone, sound):
    heard = alone("onnxruntime", "--bundle", STUDENT)
    lines = [json.loads(line) for line in heard.stdout.splitlines()]
    found = [line["llr"] for line in lines if line["type"] == "score"]
    assert heard.returncode == 0 and "Traceback" not in heard.stderr
    detector = loaded("litert-int8")
    expected = detector.push(detector.start(), sound[: len(found) * HOP_SAMPLES])
    assert found == [
        judgement.llr and pytest.approx(judgement.llr, abs=1e-3) for judgement in expected
    ]
    assert sum(llr is not None for llr in found) > 10


def test_where_onnx_runtime_is_missing_the_shipped_bundle_says_what_it_needs(alone):
    refused = alone("onnxruntime")
    assert refused.returncode == 4 and refused.stdout == ""
    assert (
        "needs ONNX Runtime; install it" in refused.stderr
        and refused.stderr.strip().count("\n") == 0
    )


@shipped
def test_litert_is_not_needed_where_there_is_onnx_runtime(alone):
    assert alone("ai_edge_litert", "--bundle", STUDENT).returncode == 0


@shipped
def test_a_small_device_can_hold_it():
    assert sum(file.stat().st_size for file in STUDENT.iterdir()) < LIMIT_BYTES
    assert 100_000 <= json.loads((STUDENT / MANIFEST).read_text())["model"]["parameters"] <= 300_000


def test_a_runtime_without_a_file_a_damaged_file_and_an_unknown_runtime_are_refused(
    tmp_path, window_bundle
):
    with pytest.raises(
        ModelError,
        match=r"has no network.tflite, so it cannot run on litert; set \[model\] runtime to auto",
    ):
        loaded("litert", window_bundle)
    with pytest.raises(
        ConfigError, match="runtime = 'tflite': expected one of auto, onnx, litert, litert-int8"
    ):
        loaded("tflite")
    file_for(tmp_path / NETWORK, "litert").write_bytes(b"TFL3" * 20)
    with pytest.raises(ModelError, match="does not load as a LiteRT network"):
        open_network(tmp_path / NETWORK, "litert")
