"""Fusion and calibration: the parts' scores -> one log likelihood ratio, for each length of speech its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radd.errors import ModelError

PARTS = ("spectrum", "encoder", "retrieval")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Affine logistic fusion (Brummer and du Preez 2006) at a few lengths of speech, interpolated between them.

    `alone` judges by the spectrum while no block has been encoded; `fused` by all parts. Each row is the weights of
    its parts and then the offset; the result is in nats, higher = bona fide.
    """

    speech_s: tuple[float, ...]
    """lengths of speech at which it was fitted, ascending (n,)"""
    alone: tuple[tuple[float, float], ...]
    """(n, 2)"""
    fused: tuple[tuple[float, float, float, float], ...]
    """(n, 4)"""

    def __post_init__(self) -> None:
        n = len(self.speech_s)
        shapes = np.shape(self.alone), np.shape(self.fused)
        if n == 0 or shapes != ((n, 2), (n, 1 + len(PARTS))) or np.any(np.diff(self.speech_s) <= 0):
            raise ModelError(f"calibration of shapes {shapes} for {n} lengths; expected ascending lengths and one row each")

    def llr(self, speech_s: float, spectrum: float, encoder: float | None = None, retrieval: float | None = None) -> float:
        """The log likelihood ratio of a window with `speech_s` seconds of speech."""
        rows, scores = (self.alone, (spectrum,)) if encoder is None else (self.fused, (spectrum, encoder, retrieval))
        row = [np.interp(speech_s, self.speech_s, column) for column in zip(*rows, strict=True)]
        return float(np.dot(row[:-1], scores) + row[-1])
