"""The LLRs of a scored development set, by a bundle's correction and calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from radd.bundle import load_known_voices
from radd.calibration import Calibration
from radd.encoder import CorrectedEncoder, corrected
from training.replay import Replay
from training.windows import mean_llrs


def with_correction(windows: Replay, correction: np.ndarray | None) -> np.ndarray:
    """The parts of windows (n, 3) after a correction of the encoder's score."""
    if correction is None:
        return windows.parts
    parts = windows.parts.copy()
    parts[:, 1] = corrected(correction, parts[:, 1], windows.embedding.astype(np.float32))
    return parts


def llrs(
    windows: Replay, correction: np.ndarray | None, calibration: Calibration
) -> dict[int, float]:
    """The mean LLR, in nats, of the windows of each clip."""
    return mean_llrs(
        with_correction(windows, correction), windows.speech_s, windows.clip, calibration
    )


def judging(bundle: Path) -> tuple[np.ndarray | None, Calibration]:
    """The correction, if any, and the calibration of a bundle. Raises ModelError like
    load_known_voices.
    """
    encoder, _, calibration = load_known_voices(bundle)
    return (encoder.correction if isinstance(encoder, CorrectedEncoder) else None), calibration
