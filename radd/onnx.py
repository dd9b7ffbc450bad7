"""ONNX Runtime. The only module that imports it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from radd.errors import ModelError

# Read at the import: else the wheel looks up its vendor's host and writes a device id below HOME.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
try:
    import onnxruntime
except ModuleNotFoundError:  # a small device may have only LiteRT, see radd/inference.py
    onnxruntime = None

INSTALLED = onnxruntime is not None


class OnnxModel:
    """A network on one CPU thread; stateless weights, safe to share between streams."""

    def __init__(self, path: Path) -> None:
        """Load the file `path`. Raises ModelError if it is not an ONNX network or ONNX Runtime is
        not installed.
        """
        if onnxruntime is None:
            raise ModelError(
                f"{path} needs ONNX Runtime; install it: pip install -r requirements.txt"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        # the runtime raises a dozen exception types of its own for a damaged file
        except Exception as error:
            raise ModelError(
                f"{path} does not load as an ONNX network ({type(error).__name__}); restore it"
            ) from error
        self.inputs = {i.name: i.shape for i in self._session.get_inputs()}
        self.outputs = [o.name for o in self._session.get_outputs()]
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def run(self, **inputs: np.ndarray) -> list[np.ndarray]:
        """The network's outputs, in the order of `outputs`."""
        return self._session.run(None, inputs)
