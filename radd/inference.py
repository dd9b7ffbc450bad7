"""Which runtime a network runs on: ONNX Runtime, or LiteRT where a network has a file for it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from radd import onnx
from radd.errors import ModelError

RUNTIMES = {
    "onnx": ".onnx",
    "litert": ".tflite",
    "litert-int8": ".int8.tflite",
}  # suffixes of a network's files
AUTO = "auto"


class Network(Protocol):
    """Weights without memory, safe to share between streams and threads."""

    inputs: dict[str, list]
    """shapes by name; a size that is free is no int"""
    outputs: list[str]

    def run(self, **inputs: np.ndarray) -> list[np.ndarray]: ...


def open_network(path: Path, runtime: str = AUTO) -> Network:
    """The network whose ONNX file is `path` and whose other files, if any, lie beside it.

    `auto` means ONNX Runtime; where that is not installed, LiteRT, with the 8-bit file if there is
    one. Raises ModelError where the chosen runtime is not installed or the network has no file for
    it.
    """
    if runtime == AUTO:
        runtime = "onnx" if onnx.INSTALLED else "litert-int8"
        if not file_for(path, runtime).is_file():
            runtime = "litert"
        if not file_for(path, runtime).is_file():
            runtime = "onnx"  # says what is missing
    chosen = file_for(path, runtime)
    if runtime == "onnx":
        return onnx.OnnxModel(chosen)
    if not chosen.is_file():
        raise ModelError(
            f"{path.parent} has no {chosen.name}, so it cannot run on {runtime}; set [model] "
            "runtime to auto"
        )
    from radd.litert import LiteRtModel  # costs a start that most need not pay

    return LiteRtModel(chosen)


def file_for(path: Path, runtime: str) -> Path:
    """The file of a network for a runtime, as its ONNX file is `path`."""
    return path.with_suffix(RUNTIMES[runtime])
