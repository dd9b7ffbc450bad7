"""Cut the backbone of a bundle down to Whisper's blocks, for a smaller bundle of the same kind."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import helper
from onnx.shape_inference import infer_shapes
from onnx.utils import Extractor

from radd.errors import ModelError

PART = "WhisperBlocks"  # the origin that stays, by its name in the metadata
GIVEN, WANTED = "samples", "features"


def cut_backbone(whole: Path, out: Path, blocks: int | None = None) -> None:
    """Write the network that gives the features of Whisper's blocks alone, the last ones of the
    backbone `whole`, with the same values; of the first `blocks` of them, if given.

    Raises ModelError where `whole` is no backbone of two networks or has fewer blocks.
    """
    try:
        network = onnx.load(whole)
    except (OSError, DecodeError) as error:
        raise ModelError(f"{whole} is no ONNX network ({type(error).__name__})") from None
    joining = [node for node in network.graph.node if list(node.output) == [WANTED]]
    if not joining or joining[0].op_type != "Concat":
        raise ModelError(
            f"{whole} does not join the features of two networks; expected a file made with "
            "train.py backbone --whisper and --distill-mos, such as backbone.onnx of models/default"
        )
    last = joining[0].input[-1]
    origins = {entry.key: entry.value for entry in network.metadata_props}
    if blocks is not None:
        stacked = _stack(network, last)
        if not 1 <= blocks <= len(stacked.input):
            raise ModelError(f"{whole} has {len(stacked.input)} blocks of Whisper, not {blocks}")
        del stacked.input[blocks:]
        origins[PART] = f"the first {blocks} of {origins.get(PART, PART)}"
    part = Extractor(infer_shapes(network)).extract_model([GIVEN], [last])
    for node in part.graph.node:
        node.output[:] = [WANTED if name == last else name for name in node.output]
    part.graph.output[0].name = WANTED
    helper.set_model_props(part, {name: told for name, told in origins.items() if name == PART})
    onnx.save(part, out)


def _stack(network: onnx.ModelProto, features: str) -> onnx.NodeProto:
    """The node that puts the blocks' frames together, above the tensor `features`; a ModelError
    where there is none.
    """
    made_by = {name: node for node in network.graph.node for name in node.output}
    try:
        node = made_by[features]
        while node.op_type != "Concat" or made_by[node.input[0]].op_type != "Unsqueeze":
            node = made_by[node.input[0]]
    except (KeyError, IndexError):  # the network's input, or a constant
        raise ModelError(
            "the network has no blocks of Whisper to choose from; --blocks needs a file made with "
            "train.py backbone --whisper and --distill-mos"
        ) from None
    return node
