"""A Wav2Vec2-family encoder as an exported network: a block of sound -> a unit vector and a
score.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from radd.errors import ModelError
from radd.features import SpectrumState, log_spectra, remove_channel
from radd.onnx import OnnxModel
from radd.types import HOP_SAMPLES
from radd.vad import BLOCK_SAMPLES as SPEECH_SAMPLES

BLOCK_HOPS = 8
BLOCK_SAMPLES = BLOCK_HOPS * HOP_SAMPLES  # 1.024 s
BLOCK_SPEECH = 0.5  # share of speech above which a block is worth encoding
SPEECH_THRESHOLD = 0.5  # the same as the default of [gate] speech_threshold
_AT_ONCE = 4  # blocks per run: more are not faster and need more memory


def speech_blocks(speech: np.ndarray, step_hops: int = BLOCK_HOPS) -> Iterator[int]:
    """Start positions of blocks with enough speech, in samples, `step_hops` apart; `speech` as in
    DecodedClips.speech.
    """
    per_hop, per_block = HOP_SAMPLES // SPEECH_SAMPLES, BLOCK_SAMPLES // SPEECH_SAMPLES
    spoken = speech >= SPEECH_THRESHOLD
    for at in range(0, len(spoken) - per_block + 1, step_hops * per_hop):
        if spoken[at : at + per_block].mean() >= BLOCK_SPEECH:
            yield at * SPEECH_SAMPLES


class Encoder(Protocol):
    """Maps an audio block to a point in the space of the references."""

    id: str
    """identifies the weights; an index records which encoder made its vectors"""
    width: int

    def embed(self, block: np.ndarray) -> tuple[np.ndarray, float]:
        """Unit vector float32 (width,) and uncalibrated score, higher = bona fide, of float32
        (BLOCK_SAMPLES,).
        """
        vectors, scores = self.embed_many(block[None])
        return vectors[0], float(scores[0])

    def embed_many(self, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vectors (n, width) and scores (n,) of blocks (n, BLOCK_SAMPLES), equal to those of
        embed.
        """
        ...


def block_spectra(block: np.ndarray) -> np.ndarray:
    """Channel-normalised spectra float32 (..., 64, BINS) of each block by itself, so that equal
    blocks give equal spectra.

    Blocks are float32 (..., BLOCK_SAMPLES).
    """
    state = SpectrumState.fresh(block.shape[:-1])
    spectra = log_spectra(state, block)
    return remove_channel(state, spectra, np.ones(spectra.shape[:-1], np.float32))


class OnnxEncoder(Encoder):
    """An Encoder in ONNX Runtime: one network, or a head on the features of a frozen backbone."""

    def __init__(self, path: Path, id: str, backbone: Path | None = None) -> None:
        """`backbone` is the network whose features the network at `path` takes, if it takes any.

        Raises ModelError where a file does not load.
        """
        self._model = OnnxModel(path)
        self._backbone = None if backbone is None else OnnxModel(backbone)
        self.id = id
        self.width = self.embed(np.zeros(BLOCK_SAMPLES, np.float32))[0].size

    def embed_many(self, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = [self._run(blocks[k : k + _AT_ONCE]) for k in range(0, len(blocks), _AT_ONCE)]
        vectors, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        return vectors, scores

    def _run(self, blocks: np.ndarray) -> list[np.ndarray]:
        if self._backbone is not None:
            return self._model.run(features=self._backbone.run(samples=blocks)[0])
        spectra = {"spectra": block_spectra(blocks)} if "spectra" in self._model.inputs else {}
        return self._model.run(samples=blocks, **spectra)


class CorrectedEncoder(Encoder):
    """An Encoder whose score was corrected from labels. Its vectors, and therefore its id, do not
    change.
    """

    def __init__(self, encoder: Encoder, correction: np.ndarray) -> None:
        """`correction` float32 (width + 2,): weight of the encoder's score, weights of the vector,
        offset.

        Raises ModelError for another shape or a value that is not finite.
        """
        if correction.shape != (encoder.width + 2,) or not np.isfinite(correction).all():
            raise ModelError(
                f"a correction of shape {correction.shape}; expected {encoder.width + 2} finite "
                "numbers; restore the bundle"
            )
        self._encoder, self.correction = encoder, correction
        self.id, self.width = encoder.id, encoder.width

    def embed_many(self, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        vectors, scores = self._encoder.embed_many(blocks)
        return vectors, corrected(self.correction, scores, vectors)


def corrected(correction: np.ndarray, scores: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Corrected scores (...,) of blocks, or of means of blocks, with vectors (..., width)."""
    return correction[0] * scores + vectors @ correction[1:-1] + correction[-1]
