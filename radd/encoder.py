"""A Wav2Vec2-family encoder as an exported network: a block of sound -> a unit vector and a score."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from radd.onnx import OnnxModel
from radd.types import HOP_SAMPLES

BLOCK_HOPS = 8
BLOCK_SAMPLES = BLOCK_HOPS * HOP_SAMPLES  # 1.024 s


class Encoder(Protocol):
    """What turns a block of sound into a point among the references."""

    id: str
    """of the weights; an index knows which encoder its vectors come from"""
    width: int

    def embed(self, block: np.ndarray) -> tuple[np.ndarray, float]:
        """Unit vector float32 (width,) and uncalibrated score, higher = bona fide, of float32 (BLOCK_SAMPLES,)."""
        ...


class OnnxEncoder:
    """An Encoder in ONNX Runtime."""

    def __init__(self, path: Path, id: str) -> None:
        """Raises ModelError where the file does not load."""
        self._model = OnnxModel(path)
        self.id = id
        self.width = self.embed(np.zeros(BLOCK_SAMPLES, np.float32))[0].size

    def embed(self, block: np.ndarray) -> tuple[np.ndarray, float]:
        embedding, score = self._model.run(samples=block[None])
        return embedding[0], float(score[0])
