"""LiteRT, formerly TensorFlow Lite: the runtime for small devices. The only module that
imports it.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from radd.errors import ModelError

try:
    from ai_edge_litert import interpreter as litert
except ModuleNotFoundError:
    litert = None

INSTALLED = litert is not None


class LiteRtModel:
    """A network of fixed shapes on one CPU thread; inputs and outputs are float32, whatever it
    computes in.
    """

    def __init__(self, path: Path) -> None:
        """Load the file `path`. Raises ModelError if it is not a LiteRT network or LiteRT is not
        installed.
        """
        if litert is None:
            raise ModelError(f"{path} needs LiteRT; install it: pip install -e '.[litert]'")
        try:
            interpreter = litert.Interpreter(str(path), num_threads=1)
            self._runner = interpreter.get_signature_runner()
            details, outputs = self._runner.get_input_details(), self._runner.get_output_details()
        except Exception as error:  # the runtime raises its own exception types for a damaged file
            raise ModelError(
                f"{path} does not load as a LiteRT network ({type(error).__name__}); restore it"
            ) from error
        self.inputs = {
            name: [int(n) for n in described["shape"]] for name, described in details.items()
        }
        # LiteRT does not keep their order, so the exporter gives them names that sort
        self.outputs = sorted(outputs)
        self._lock = (
            threading.Lock()
        )  # an interpreter has its own buffers, and serve.py has several threads

    def run(self, **inputs: np.ndarray) -> list[np.ndarray]:
        """The network's outputs, in the order of `outputs`."""
        with self._lock:
            found = self._runner(**inputs)
        return [found[name] for name in self.outputs]
