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


def cut_backbone(whole: Path, out: Path) -> None:
    """Write the network that gives the features of Whisper's blocks alone, the last ones of the
    backbone `whole`, with the same values.

    Raises ModelError where `whole` is no backbone of two networks.
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
    part = Extractor(infer_shapes(network)).extract_model([GIVEN], [last])
    for node in part.graph.node:
        node.output[:] = [WANTED if name == last else name for name in node.output]
    part.graph.output[0].name = WANTED
    origins = {entry.key: entry.value for entry in network.metadata_props}
    helper.set_model_props(part, {name: told for name, told in origins.items() if name == PART})
    onnx.save(part, out)
