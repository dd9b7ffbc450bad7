"""Fusion and calibration: the scores of a window -> an LLR; the mean LLR of each clip."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

import numpy as np

from radd.calibration import Calibration
from radd.dataset import DecodedClips
from radd.errors import ConfigError
from training.windows import SPEECH_S, Windows, mean_llrs

# sklearn's C, on unscaled parts: a part that hardly varies gets hardly any weight
RIDGE = 0.1


def calibrate(windows: Windows, clips: DecodedClips) -> Calibration:
    """Fit fusion and calibration at each of SPEECH_S, with equal weight for both labels: the result
    is an LLR.

    A length with windows of only one label is skipped. Raises ConfigError if no length remains.
    """
    bonafide = np.array([c.label == "bonafide" for c in clips.clips])[windows.clip]
    sources = np.array([f"{c.label} {c.source}" for c in clips.clips])[windows.clip]
    return fuse(
        windows.parts,
        windows.speech_s,
        bonafide,
        lambda of: balanced(bonafide[of], sources[of], windows.clip[of]),
    )


def fuse(
    parts: np.ndarray, speech_s: np.ndarray, bonafide: np.ndarray, weigh: Callable
) -> Calibration:
    """Like calibrate, for windows with `parts` as in Windows; `weigh` returns the weights of those
    in a mask.
    """
    lengths, alone, fused = [], [], []
    for k, shortest in enumerate(SPEECH_S):
        longest = SPEECH_S[k + 1] if k + 1 < len(SPEECH_S) else np.inf
        near = (speech_s >= shortest) & (speech_s < longest)
        whole = near & ~np.isnan(parts).any(axis=1)
        if len(set(bonafide[whole])) == 2:
            lengths.append(shortest)
            alone.append(logistic(parts[near, :1], bonafide[near], weigh(near)))
            if parts.shape[1] > 1:
                fused.append(logistic(parts[whole], bonafide[whole], weigh(whole)))
    if not lengths:
        raise ConfigError(
            f"the development set has no windows of both labels with {SPEECH_S[0]} s of speech or "
            "more to calibrate on; add longer clips"
        )
    return Calibration(tuple(lengths), tuple(alone), tuple(fused))


def clip_llrs(
    windows: Windows, calibration: Calibration, clips: DecodedClips
) -> tuple[np.ndarray, np.ndarray]:
    """Mean LLR of the windows of each clip, in nats: bona fide clips (n,) and spoof clips (m,)."""
    means = mean_llrs(windows.parts, windows.speech_s, windows.clip, calibration)
    bonafide, spoof = (
        np.array([llr for clip, llr in means.items() if clips.clips[clip].label == label])
        for label in ("bonafide", "spoof")
    )
    return bonafide, spoof


def balanced(bonafide: np.ndarray, sources: np.ndarray, clip: np.ndarray) -> np.ndarray:
    """Weights of windows: each clip counts equally, a source by the square root of its clips, both
    labels equally.
    """
    weights = np.ones(len(clip))
    per_clip = Counter(clip)
    weights /= [per_clip[c] for c in clip]
    per_source: dict[str, float] = defaultdict(float)
    for source, weight in zip(sources, weights, strict=True):
        per_source[source] += weight
    weights /= np.sqrt([per_source[s] for s in sources])
    for side in (bonafide, ~bonafide):
        if side.any():
            weights[side] *= len(bonafide) / 2 / weights[side].sum()
    return weights


def logistic(
    parts: np.ndarray, bonafide: np.ndarray, weights: np.ndarray, ridge: float = RIDGE
) -> tuple[float, ...]:
    """Weights of the parts and offset of a logistic regression."""
    from sklearn.linear_model import (
        LogisticRegression,
    )  # imported here, because the console promotes and rolls back without scikit-learn

    model = LogisticRegression(C=ridge, max_iter=1000).fit(parts, bonafide, weights)
    return (*model.coef_[0].tolist(), float(model.intercept_[0]))
