"""The network on the spectrum, chunk by chunk: spectra -> frames, and a window of frames -> a
score.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from radd.onnx import OnnxModel

FRAME_SAMPLES = 512  # 32 ms, one frame; the same step as the speech probabilities


class SpectralCnn:
    """Two exported networks: `frames` is a streaming CNN that carries its own past, `score` pools a
    window.
    """

    def __init__(self, frames: Path, score: Path) -> None:
        """Load both networks. Raises ModelError if a file does not load."""
        self._frames, self._score = OnnxModel(frames), OnnxModel(score)
        self._pasts = {
            name: shape for name, shape in self._frames.inputs.items() if name != "spectra"
        }

    def start(self) -> dict[str, np.ndarray]:
        """The initial state of a stream: silence in every layer."""
        return {name: np.zeros([1, *shape[1:]], np.float32) for name, shape in self._pasts.items()}

    def frames(self, past: dict[str, np.ndarray], spectra: np.ndarray) -> np.ndarray:
        """Frames float32 (n / 2, width) of spectra float32 (n, BINS), n even; updates `past` in
        place.
        """
        frames, *after = self._frames.run(spectra=spectra[None], **past)
        past.update(zip(self._pasts, after, strict=True))
        return frames[0]

    def score(self, frames: np.ndarray, speech: np.ndarray) -> np.ndarray:
        """Uncalibrated scores (batch,), higher = bona fide, of frames (batch, n, width) with speech
        (batch, n).
        """
        return self._score.run(frames=frames, speech=speech)[0]
