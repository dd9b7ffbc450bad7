"""Makes radd/vad.tflite, the voice-activity network of radd/vad.onnx for LiteRT, from the same
package.

    python -m training.vad_litert

It processes one block per run, in single precision like the other file, so that the gate is the
same on a small device. Needs the extras train, dev and tensorflow.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from radd.inference import file_for
from radd.vad import BLOCK_SAMPLES, CONTEXT_SAMPLES, NETWORK, WIDTH
from training.vad_export import STRIDES, package_weights


class VadLayer(tf.Module):
    """As training.vad_export.VadNetwork, of one block: (1, 1, CONTEXT_SAMPLES + BLOCK_SAMPLES) and
    state (2, 1, WIDTH).
    """

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        self._weights = {name: tf.constant(value) for name, value in weights.items()}

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec((1, 1, CONTEXT_SAMPLES + BLOCK_SAMPLES), name="blocks"),
            tf.TensorSpec((2, 1, WIDTH), name="state"),
        ],
    )
    def hear(self, blocks: tf.Tensor, state: tf.Tensor) -> dict[str, tf.Tensor]:
        weights = self._weights
        padded = tf.pad(blocks[0], [[0, 0], [0, CONTEXT_SAMPLES]], "REFLECT")[..., None]
        basis = tf.transpose(weights["stft.forward_basis_buffer"], (2, 1, 0))
        real, imaginary = tf.split(tf.nn.conv1d(padded, basis, 128, "VALID"), 2, axis=2)
        x = tf.sqrt(real**2 + imaginary**2)
        for i, stride in enumerate(STRIDES):
            weight, bias = (
                weights[f"encoder.{i}.reparam_conv.{part}"] for part in ("weight", "bias")
            )
            x = tf.pad(x, [[0, 0], [1, 1], [0, 0]])
            x = tf.nn.relu(tf.nn.conv1d(x, tf.transpose(weight, (2, 1, 0)), stride, "VALID") + bias)
        gates = (
            tf.matmul(x[:, 0], weights["decoder.rnn.weight_ih"], transpose_b=True)
            + weights["decoder.rnn.bias_ih"]
        )
        gates += (
            tf.matmul(state[0], weights["decoder.rnn.weight_hh"], transpose_b=True)
            + weights["decoder.rnn.bias_hh"]
        )
        enter, forget, cell, leave = tf.split(gates, 4, axis=1)
        kept = tf.sigmoid(forget) * state[1] + tf.sigmoid(enter) * tf.tanh(cell)
        hidden = tf.sigmoid(leave) * tf.tanh(kept)
        logit = (
            tf.matmul(tf.nn.relu(hidden), weights["decoder.decoder.2.weight"][0])
            + weights["decoder.decoder.2.bias"]
        )
        return {"probability": tf.sigmoid(logit), "state_after": tf.stack([hidden, kept])}


def export(path: Path) -> None:
    speech = VadLayer(package_weights())
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [speech.hear.get_concrete_function()], speech
    )
    path.write_bytes(converter.convert())


if __name__ == "__main__":
    export(file_for(NETWORK, "litert"))
