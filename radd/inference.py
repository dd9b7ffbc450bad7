"""Selects the runtime of a network: ONNX Runtime, or LiteRT if the network has a file for it."""

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
}  # file suffixes
AUTO = "auto"


class Network(Protocol):
    """Stateless weights, safe to share between streams and threads."""

    inputs: dict[str, list]
    """shapes by name; a dynamic size is not an int"""
    outputs: list[str]

    def run(self, **inputs: np.ndarray) -> list[np.ndarray]: ...


def open_network(path: Path, runtime: str = AUTO) -> Network:
    """Open the network whose ONNX file is `path`; files for other runtimes lie beside it.

    `auto` selects ONNX Runtime; if that is not installed, LiteRT, with the 8-bit file if there is
    one. Raises ModelError if the selected runtime is not installed or the network has no file for
    it.
    """
    if runtime == AUTO:
        runtime = "onnx" if onnx.INSTALLED else "litert-int8"
        if not file_for(path, runtime).is_file():
            runtime = "litert"
        if not file_for(path, runtime).is_file():
            runtime = "onnx"  # opening it reports that ONNX Runtime is missing
    chosen = file_for(path, runtime)
    if runtime == "onnx":
        return onnx.OnnxModel(chosen)
    if not chosen.is_file():
        raise ModelError(
            f"{path.parent} has no {chosen.name}, so it cannot run on {runtime}; set [model] "
            "runtime to auto"
        )
    from radd.litert import LiteRtModel  # slow to import, and most starts do not need it

    return LiteRtModel(chosen)


def file_for(path: Path, runtime: str) -> Path:
    """The file of a network for a runtime; `path` is its ONNX file."""
    return path.with_suffix(RUNTIMES[runtime])
