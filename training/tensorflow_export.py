"""TensorFlow -> ONNX and LiteRT, each file compared with its source."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tf2onnx

from radd.litert import LiteRtModel
from radd.onnx import OnnxModel

TOLERANCE = 1e-4  # as in training/export.py
OPSET = 17
OUTPUT = "score"


def export_onnx(model: keras.Model, path: Path) -> None:
    """Export a model of one input for ONNX Runtime. Raises RuntimeError if the results differ from
    Keras by over TOLERANCE.
    """
    spec = tf.TensorSpec(model.inputs[0].shape, tf.float32, model.inputs[0].name)
    inference = tf.function(lambda x: {OUTPUT: model(x, training=False)}, [spec], autograph=False)
    tf2onnx.convert.from_function(inference, [spec], opset=OPSET, output_path=str(path))
    _agree(OnnxModel(path), path, model, 2)


def export_litert(model: keras.Model, path: Path) -> None:
    """Export a model of one input for LiteRT, one row per run. Raises RuntimeError like
    export_onnx.
    """
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    _agree(LiteRtModel(path), path, model, 1)


def export_int8(model: keras.Model, path: Path, examples: np.ndarray) -> None:
    """Export the model for LiteRT with integer weights and float32 ends, quantised after training
    (Jacob et al. 2018).

    `examples`, inputs float32 (n, ...), determine the range of every activation.
    """
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([row[None]] for row in examples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    path.write_bytes(converter.convert())


def _agree(exported: OnnxModel | LiteRtModel, path: Path, model: keras.Model, rows: int) -> None:
    example = (
        np.random.default_rng(0)
        .standard_normal((rows, *model.inputs[0].shape[1:]))
        .astype(np.float32)
    )
    [actual] = exported.run(**{name: example for name in exported.inputs})
    expected = model(example, training=False).numpy()
    if not np.allclose(expected, actual, atol=TOLERANCE, rtol=TOLERANCE):
        raise RuntimeError(
            f"{path.name} differs from Keras by {np.abs(expected - actual).max():.2e}"
        )
