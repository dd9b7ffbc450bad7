"""The space in which recordings of one label are compared: what all speech of the other label has
in common is subtracted, and the spread within each label is made equal in all directions.
"""

from __future__ import annotations

import numpy as np

SHRINKAGE = 1.0  # of the spread towards an isotropic one, as a share of its mean
MEASURED = 20_000  # references per label, at most, from which the spread is estimated


class Spread:
    """The spread of one label's known references relative to those of the other."""

    def __init__(self, label: np.ndarray, other: np.ndarray) -> None:
        """Vectors float32 (n, width) and (m, width)."""
        self._middle = other.mean(axis=0)
        scatter = [np.cov(side.T) * len(side) for side in (label, other)]
        within = (scatter[0] + scatter[1]) / (len(label) + len(other))
        even = SHRINKAGE * np.trace(within) / len(within) * np.eye(len(within))
        self._even_out = np.linalg.cholesky(np.linalg.inv(within + even)).astype(np.float32)

    def of(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (..., width) of any length as unit directions from the other label's mean,
        float32 (..., width).
        """
        units = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
        directions = (units - self._middle) @ self._even_out
        return directions / np.maximum(np.linalg.norm(directions, axis=-1, keepdims=True), 1e-9)
