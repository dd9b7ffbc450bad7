"""A bundle is what its manifest names: nothing that a network may read lies beside it."""

import os
import shutil

import numpy as np
import pytest
from fixtures_console import BUNDLE

from radd.bundle import read_manifest
from radd.errors import ModelError
from radd.onnx import OnnxModel


@pytest.fixture
def bundle(tmp_path):
    return shutil.copytree(BUNDLE, tmp_path / "bundle", copy_function=os.link)


@pytest.mark.parametrize("name", ["encoder.onnx.data", "weights.bin", ".weights", "notes.txt"])
def test_a_file_that_the_manifest_does_not_name_is_refused(bundle, name):
    read_manifest(bundle)
    (bundle / name).write_bytes(b"weights")
    with pytest.raises(ModelError, match=name):
        read_manifest(bundle)


def test_a_directory_of_weights_is_refused_and_what_a_system_leaves_is_not(bundle):
    (bundle / ".DS_Store").write_bytes(b"")
    read_manifest(bundle)
    (bundle / "data").mkdir()
    with pytest.raises(ModelError, match="data"):
        read_manifest(bundle)


@pytest.mark.parametrize("where", ["../weights.bin", "/weights.bin"])
def test_a_network_reads_no_weights_from_elsewhere(tmp_path, where):
    onnx = pytest.importorskip("onnx")
    from onnx.external_data_helper import set_external_data

    inside = tmp_path / "bundle"
    inside.mkdir()
    place = f"{tmp_path}{where}" if where.startswith("/") else where
    weights = onnx.numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    (inside / place).write_bytes(weights.raw_data)
    set_external_data(weights, place)
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    shapes = [onnx.helper.make_tensor_value_info(name, 1, [1, 4]) for name in "xy"]
    product = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = onnx.helper.make_graph([product], "g", shapes[:1], shapes[1:], [weights])
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    made.ir_version = 9
    (inside / "network.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(ModelError, match="does not load"):
        OnnxModel(inside / "network.onnx")
