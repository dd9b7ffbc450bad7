"""torch -> ONNX, each network compared with its source."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from radd.encoder import BLOCK_SAMPLES, block_spectra
from radd.features import BINS, STEPS
from radd.onnx import OnnxModel
from training.networks.embedding import Embedder
from training.networks.spectral import FRAME_WIDTH, SpectralNetwork

TOLERANCE = 1e-4  # single precision of deep networks; a wrong export differs by far more
HALVED_FROM = 4096  # numbers of a weight; smaller ones save nothing


class _Frames(nn.Module):
    def __init__(self, network: SpectralNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, spectra: Tensor, *pasts: Tensor) -> tuple[Tensor, ...]:
        frames, after = self.network.frames(spectra, list(pasts))
        return frames, *after


class _ScoreHead(nn.Module):
    def __init__(self, network: SpectralNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor, speech: Tensor) -> Tensor:
        return self.network.score(frames, speech)


def export_cnn(network: SpectralNetwork, frames: Path, score: Path) -> None:
    """Export the two networks of radd.cnn. Raises RuntimeError if ONNX Runtime and torch differ by
    more than TOLERANCE.
    """
    network = network.cpu().eval()
    pasts = tuple(torch.randn(1, *shape) for shape in network.past_shapes)
    names = [f"past{k:02}" for k in range(len(pasts))]
    export_network(
        _Frames(network),
        (torch.randn(1, 3 * STEPS, BINS), *pasts),
        ["spectra", *names],
        ["frames", *(f"after{k:02}" for k in range(len(pasts)))],
        {"spectra": {0: "batch", 1: "time"}, **{name: {0: "batch"} for name in names}},
        frames,
    )
    example = torch.randn(2, 50, FRAME_WIDTH), torch.rand(2, 50)
    export_network(
        _ScoreHead(network),
        example,
        ["frames", "speech"],
        ["score"],
        {"frames": {0: "batch", 1: "time"}, "speech": {0: "batch", 1: "time"}},
        score,
    )


def export_encoder(embedder: Embedder, path: Path) -> None:
    """Export the network of radd.encoder. Raises RuntimeError if ONNX Runtime and torch differ by
    more than TOLERANCE.
    """
    blocks = 0.1 * torch.randn(2, BLOCK_SAMPLES)
    spectra = torch.from_numpy(np.stack([block_spectra(block) for block in blocks.numpy()]))
    export_network(
        embedder.cpu().eval(),
        (blocks, spectra),
        ["samples", "spectra"],
        ["embedding", "score"],
        {"samples": {0: "batch"}, "spectra": {0: "batch"}},
        path,
    )


def export_network(
    module: nn.Module, example: tuple, inputs: list[str], outputs: list[str], free: dict, path: Path
) -> None:
    """Export a network with these inputs and outputs; `free` names the dynamic axes, as in
    torch.onnx.export.

    Raises RuntimeError if ONNX Runtime and torch differ by more than TOLERANCE on the example.
    """
    module.eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter(
            "ignore"
        )  # the exporter warns of traced shapes, which the check below covers
        torch.onnx.export(
            module,
            example,
            str(path),
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=free,
            dynamo=False,
            opset_version=17,
        )
        expected = module(*example)
    actual = OnnxModel(path).run(**{n: e.numpy() for n, e in zip(inputs, example, strict=True)})
    for name, want, got in zip(
        outputs, [expected] if isinstance(expected, Tensor) else expected, actual, strict=True
    ):
        if not np.allclose(want.numpy(), got, atol=TOLERANCE, rtol=TOLERANCE):
            raise RuntimeError(
                f"{path.name}: output {name} differs from torch by "
                f"{np.abs(want.numpy() - got).max():.2e}"
            )


def halve_weights(path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Store the large weights of an ONNX network as float16; it goes on computing in float32.

    The runtime casts them back once, when it loads the file, so only the file gets smaller.
    `metadata` is stored in the file.
    """
    network = onnx.load(path)
    graph, casts = network.graph, []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < HALVED_FROM:
            continue
        name, stored = weight.name, f"{weight.name}.half"
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)
    helper.set_model_props(network, dict(metadata or {}))
    onnx.save(network, path)
