"""Bundles of kind window with a network of one layer, made here: the louder the high frequencies,
the more synthetic.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from radd.bundle import CARD, MANIFEST, NETWORK, write_window_manifest
from radd.calibration import Calibration
from radd.types import HOP_SAMPLES
from radd.window_detector import WindowModel


def write_network(path: Path, samples: int, outputs: int = 1) -> None:
    """Log of the power of the sound over that of its first difference, float32 (batch, outputs),
    for (batch, samples).
    """
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install -e '.[dev]'")
    from onnx import TensorProto, helper, numpy_helper

    weights = np.tile([1.0, -1.0], outputs)[:outputs].astype(np.float32)
    nodes = [
        helper.make_node("Slice", ["sound", "first", "last", "axis"], ["early"]),
        helper.make_node("Slice", ["sound", "second", "end", "axis"], ["late"]),
        helper.make_node("Sub", ["late", "early"], ["difference"]),
        helper.make_node("ReduceSumSquare", ["sound", "axis"], ["power"]),
        helper.make_node("ReduceSumSquare", ["difference", "axis"], ["slope"]),
        helper.make_node("Add", ["power", "floor"], ["some_power"]),
        helper.make_node("Add", ["slope", "floor"], ["some_slope"]),
        helper.make_node("Div", ["some_power", "some_slope"], ["ratio"]),
        helper.make_node("Log", ["ratio"], ["dullness"]),
        helper.make_node("Mul", ["dullness", "weights"], ["score"]),
    ]
    constants = {"first": [0], "last": [samples - 1], "second": [1], "end": [samples], "axis": [1]}
    given = [
        numpy_helper.from_array(np.array(value, np.int64), name)
        for name, value in constants.items()
    ]
    given += [
        numpy_helper.from_array(np.array([1e-3], np.float32), "floor"),
        numpy_helper.from_array(weights, "weights"),
    ]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("sound", TensorProto.FLOAT, ["batch", samples])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch", outputs])],
        given,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def write_window_bundle(
    directory: Path,
    window_hops: int = 8,
    stride_hops: int = 4,
    outputs: int = 1,
    labels: tuple[str, ...] = (),
) -> Path:
    """A bundle of the front end waveform, calibrated to say about +2 of dull and -2 of bright
    noise.
    """
    directory.mkdir(parents=True)
    write_network(directory / NETWORK, window_hops * HOP_SAMPLES, outputs)
    (directory / CARD).write_text("# Model card\n", encoding="utf-8")
    model = WindowModel("waveform", {"rms": 0.0}, window_hops, stride_hops, labels, 0)
    scale = 0.5 if labels else 1.0
    write_window_manifest(
        directory, "brightness", model, Calibration((1.0, 2.0), ((scale, 0.0),) * 2), {}, {}
    )
    return directory


def change_manifest(bundle: Path, change) -> None:
    """Have `change` alter the manifest's content in place."""
    manifest = json.loads((bundle / MANIFEST).read_text())
    change(manifest)
    (bundle / MANIFEST).write_text(json.dumps(manifest))


@pytest.fixture(scope="session")
def window_bundle(tmp_path_factory) -> Path:
    return write_window_bundle(tmp_path_factory.mktemp("window") / "bundle")
