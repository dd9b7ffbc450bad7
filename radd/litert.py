"""The one door of LiteRT, the runtime for small devices that was TensorFlow Lite."""

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
    """A network of fixed shapes that runs on one thread of the CPU; float32 in and out, whatever it
    computes in.
    """

    def __init__(self, path: Path) -> None:
        """Load the file `path`; raises ModelError where it is no LiteRT network or LiteRT is not
        installed.
        """
        if litert is None:
            raise ModelError(f"{path} needs LiteRT; install it: pip install -e '.[litert]'")
        try:
            interpreter = litert.Interpreter(str(path), num_threads=1)
            self._runner = interpreter.get_signature_runner()
            details, outputs = self._runner.get_input_details(), self._runner.get_output_details()
        except Exception as error:  # the runtime raises types of its own for a damaged file
            raise ModelError(
                f"{path} does not load as a LiteRT network ({type(error).__name__}); restore it"
            ) from error
        self.inputs = {
            name: [int(n) for n in described["shape"]] for name, described in details.items()
        }
        self.outputs = sorted(outputs)  # LiteRT has no order of its own; who exports names them so
        self._lock = (
            threading.Lock()
        )  # an interpreter works in buffers of its own; serve.py has several threads

    def run(self, **inputs: np.ndarray) -> list[np.ndarray]:
        """The network's outputs, in the order of `outputs`."""
        with self._lock:
            found = self._runner(**inputs)
        return [found[name] for name in self.outputs]
