"""Heads that learned at different times judge together: on one backbone their features are equal.

Earlier heads know recordings that may no longer be at hand.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import compose, helper
from onnx.shape_inference import infer_shapes
from onnx.utils import Extractor

from radd.errors import ConfigError

EARLIER = "earlier/"  # before the names of the earlier network
FEATURES, VECTOR, SCORE = "features", "embedding", "score"


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


def _width(network: onnx.ModelProto) -> int | None:
    """Of the features that the heads take; None where they take none."""
    widths = [
        entry.type.tensor_type.shape.dim[1].dim_value
        for entry in network.graph.input
        if entry.name == FEATURES
    ]
    return widths[0] if widths else None
