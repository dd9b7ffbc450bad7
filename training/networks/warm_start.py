"""Loads a bundle's networks for further training: exported weights -> torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from radd.bundle import ENCODER, FRAMES, SCORE
from radd.errors import ModelError
from training.batches import Batches, spectra
from training.networks.encoder import BANDS, BlockEncoder, compact
from training.networks.spectral import CausalConv, SpectralNetwork

_BATCHES = 4  # from which the statistics of the layers are estimated
_HELD = "pair.encoder."  # prefix of the encoder's weights in a bundle


def spectral_network(bundle: Path, batches: Batches) -> SpectralNetwork:
    """The SpectralNetwork of `bundle`, with batch norms that match `batches`.

    Exporting folds each batch norm into its convolution. Here the norm is restored with the layer's
    statistics on `batches`, so that the network computes the same as the bundle's and can be
    trained.

    Raises ModelError if the bundle's network has other layers.
    """
    network = SpectralNetwork()
    try:
        _fill(network, onnx.load(bundle / FRAMES), onnx.load(bundle / SCORE))
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{bundle} has no network to continue from: {error}; omit --start to train from scratch"
        ) from None
    _unfold(network.eval(), batches)
    return network


def block_encoder(bundle: Path) -> BlockEncoder:
    """The compact encoder of `bundle`, with new projection and head, because a bundle does not
    store these.

    Raises ModelError if the bundle has another encoder.
    """
    encoder = compact()
    try:
        _fill_encoder(encoder, onnx.load(bundle / ENCODER))
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{bundle} has no compact encoder to continue from: {error}; omit --start"
        ) from None
    return encoder


def _fill_encoder(encoder: BlockEncoder, model: onnx.ModelProto) -> None:
    """Copy every weight of the speech model."""
    initializers = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    held = _held(model, initializers)
    speech_model = encoder.speech_model
    scale, shift = _first_norm(model, initializers)
    norm = "feature_extractor.conv_layers.0.layer_norm"
    _set(speech_model.get_parameter(f"{norm}.weight"), scale[:, 0])
    _set(speech_model.get_parameter(f"{norm}.bias"), shift[:, 0])
    position = speech_model.get_submodule("encoder.pos_conv_embed.conv")
    # a weight norm splits it
    position.weight = torch.tensor(held["speech_model.encoder.pos_conv_embed.conv.weight"])
    others = (
        "parametrizations",
        "conv_layers.0.layer_norm",
        "masked_spec_embed",
        "encoder.layer_norm",
    )  # set or unused
    for name, parameter in speech_model.named_parameters():
        if not any(part in name for part in others):
            _set(parameter, held[f"speech_model.{name}"])


def _held(model: onnx.ModelProto, initializers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights by the encoder's names. The export kept the names of biases and of few weights;
    the weight beside a named bias has its layer's name.
    """
    held = {
        name.removeprefix(_HELD): value
        for name, value in initializers.items()
        if name.startswith(_HELD)
    }
    factors = {
        n.output[0]: initializers[n.input[1]].T
        for n in model.graph.node
        if n.op_type == "MatMul" and n.input[1] in initializers
    }
    for node in model.graph.node:
        named = [
            name.removeprefix(_HELD)
            for name in node.input
            if name.startswith(_HELD) and name.endswith(".bias")
        ]
        if named and (weight := [factors[name] for name in node.input if name in factors]):
            held[named[0].replace(".bias", ".weight")] = weight[0]
        elif named and node.op_type == "Conv":
            held[named[0].replace(".bias", ".weight")] = initializers[node.input[1]]
    return held


def _first_norm(
    model: onnx.ModelProto, initializers: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift of the norm after the first convolution, told by their shape."""
    (scale,), (shift,) = (
        [
            initializers[n.input[1]]
            for n in model.graph.node
            if n.op_type == kind
            and n.input[1] in initializers
            and initializers[n.input[1]].shape == (BANDS * 4, 1)
        ]
        for kind in ("Mul", "Add")
    )
    return scale, shift


def _fill(network: SpectralNetwork, frames: onnx.ModelProto, score: onnx.ModelProto) -> None:
    """Copy the weights of both graphs in execution order; norms become identities with an
    offset.
    """
    convolutions = [(m.conv, m.norm) for m in network.modules() if isinstance(m, CausalConv)]
    for (conv, norm), (weight, bias) in zip(convolutions, _operands(frames, "Conv"), strict=True):
        _set(conv.get_parameter("weight"), weight)
        norm.weight.data.fill_(1.0)
        _set(norm.get_parameter("bias"), bias)
        norm.get_buffer("running_var").fill_(1.0 - norm.eps)
    (projection,) = _operands(frames, "MatMul")
    _set(network.get_parameter("frame.0.weight"), projection[0].T)
    _set_named(network, frames)
    hidden, out = _operands(score, "MatMul")[:2]
    _set(network.get_parameter("attention.0.weight"), hidden[0].T)
    _set(network.get_parameter("attention.2.weight"), out[0].T)
    _set_named(network, score)


def _operands(model: onnx.ModelProto, kind: str) -> list[list[np.ndarray]]:
    """The weights of each node of a kind that has any, in order."""
    initializers = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    operands = (
        [initializers[name] for name in node.input if name in initializers]
        for node in model.graph.node
        if node.op_type == kind
    )
    return [weights for weights in operands if weights]


def _set_named(network: SpectralNetwork, model: onnx.ModelProto) -> None:
    """Copy what the export left under its own name."""
    own = dict(network.named_parameters())
    for initializer in model.graph.initializer:
        name = initializer.name.removeprefix("network.")
        if name in own:
            _set(own[name], numpy_helper.to_array(initializer))


def _set(parameter: nn.Parameter, value: np.ndarray) -> None:
    if tuple(parameter.shape) != value.shape:
        raise ValueError(f"a layer of shape {value.shape}, expected {tuple(parameter.shape)}")
    parameter.data.copy_(torch.tensor(value))


@torch.no_grad()
def _unfold(network: SpectralNetwork, batches: Batches) -> None:
    """Set each batch norm to the mean and variance of its layer, with a scale and offset that undo
    them.
    """
    statistics: dict[nn.BatchNorm2d, list[torch.Tensor]] = {}

    def listen(norm: nn.BatchNorm2d, inputs: tuple[torch.Tensor], _: torch.Tensor) -> None:
        x = inputs[0]
        statistics.setdefault(norm, []).append(
            torch.stack([x.mean((0, 2, 3)), x.square().mean((0, 2, 3))])
        )

    hooks = [
        m.register_forward_hook(listen) for m in network.modules() if isinstance(m, nn.BatchNorm2d)
    ]
    for step in range(_BATCHES):
        network.frames(torch.from_numpy(spectra(batches[step])))
    for hook in hooks:
        hook.remove()
    for norm, moments in statistics.items():
        mean, square = torch.stack(moments).mean(0)
        variance = square - mean.square()
        norm.get_buffer("running_mean").copy_(mean)
        norm.get_buffer("running_var").copy_(variance)
        norm.weight.data.copy_(torch.sqrt(variance + norm.eps))
        norm.bias.data.add_(mean)
