"""Heads of an earlier bundle judge along with new ones, or learn on: on one backbone their features
are equal.

Earlier heads know recordings that may no longer be at hand.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import compose, helper, numpy_helper
from onnx.shape_inference import infer_shapes
from onnx.utils import Extractor

from radd.errors import ConfigError
from training.head import Head

EARLIER = "earlier/"  # before the names of the earlier network
FEATURES, VECTOR, SCORE = "features", "embedding", "score"
_LAST = re.compile(r"(.*heads\.\d+\.)out\.bias")  # the last weight of a head, after its prefix
_WIDE = "widen.1.weight"  # the first one
_COUNTER = "num_batches_tracked"  # of batch normalisation: not stored, as judging needs none


def join_heads(new: Path, earlier: Path) -> None:
    """Make the heads at `new` give the mean of their score and that of the heads at `earlier`.

    The vectors stay those of the new heads. Raises ConfigError where the heads at `earlier` take
    other features.
    """
    network, before = onnx.load(new), onnx.load(earlier)
    if (here := _width(network)) != (there := _width(before)):
        raise ConfigError(
            f"the heads of {earlier.parent} take {there or 'no'} features and the new ones {here}: "
            "they stand on another backbone; set [training] keep_heads = false"
        )
    before = compose.add_prefix(before, EARLIER)
    for node in before.graph.node:
        node.input[:] = [FEATURES if n == EARLIER + FEATURES else n for n in node.input]
    own = f"new/{SCORE}"
    for node in network.graph.node:
        node.output[:] = [own if name == SCORE else name for name in node.output]
    network.graph.node.extend(before.graph.node)
    network.graph.initializer.extend(before.graph.initializer)
    network.graph.node.append(helper.make_node("Mean", [own, EARLIER + SCORE], [SCORE]))
    used = Extractor(infer_shapes(network)).extract_model([FEATURES], [VECTOR, SCORE])
    onnx.save(used, new)


def read_heads(path: Path, width: int) -> list[Head]:
    """The heads of the network at `path`, made by export_heads or join_heads, to learn on.

    Raises ConfigError where they take other than `width` features or where there are none.
    """
    network = onnx.load(path)
    if (there := _width(network)) != width:
        raise ConfigError(
            f"the heads of {path.parent} take {there or 'no'} features and the backbone gives "
            f"{width}: they stand on another backbone; set [training] tune_heads = false"
        )
    stored = {entry.name: entry for entry in network.graph.initializer}
    made_by = {name: node for node in network.graph.node for name in node.output}

    def weight(name: str) -> torch.Tensor:
        while name not in stored:  # kept as float16 and cast, or equal to that of another head
            name = made_by[name].input[0]
        return torch.from_numpy(numpy_helper.to_array(stored[name]).astype(np.float32))

    heads = []
    for prefix in [found[1] for name in stored if (found := _LAST.fullmatch(name))]:
        wide = next(node for node in network.graph.node if prefix + _WIDE in node.input)
        scaled = made_by[wide.input[0]]  # (features - mean) * scale, which heads may share
        shifted = made_by[scaled.input[0]]
        head = Head(weight(shifted.input[1]), 1 / weight(scaled.input[1]))
        own = (name for name in head.state_dict() if "." in name and not name.endswith(_COUNTER))
        head.load_state_dict({name: weight(prefix + name) for name in own}, strict=False)
        heads.append(head)
    return heads


def _width(network: onnx.ModelProto) -> int | None:
    """Of the features that the heads take; None where they take none."""
    widths = [
        entry.type.tensor_type.shape.dim[1].dim_value
        for entry in network.graph.input
        if entry.name == FEATURES
    ]
    return widths[0] if widths else None
