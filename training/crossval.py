"""Cross-validation over sources: every clip is scored by heads that never met its source.

A random split flatters, as a network recognises the page that a clip came from. Here a source, with
all its speakers and systems, lies in one fold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from radd.dataset import Clip
from radd.errors import ConfigError
from training.block_features import BlockFeatures
from training.fusion import logistic
from training.head import HeadPlan, score, train_heads

FOLDS = 5  # of the sources, for soft labels
ALTERED_WEIGHT = 1.0  # of a block that came through a channel, beside one that did not


def folds_of(sources: Sequence[str], folds: int, seed: int) -> np.ndarray:
    """The fold of each clip, int (n,) from 0 on, by its source; the larger sources spread first."""
    sizes = Counter(sources)
    rng = np.random.default_rng([seed, 84])
    names = sorted(sizes, key=lambda name: (-sizes[name], rng.random()))
    load, fold = np.zeros(folds), {}
    for name in names:
        fold[name] = int(np.argmin(load))
        load[fold[name]] += sizes[name]
    return np.array([fold[name] for name in sources])


def block_weights(clips: Sequence[Clip], blocks: BlockFeatures, chosen: np.ndarray) -> np.ndarray:
    """How often each block is met in training, float64 (n,); 0 for clips that are not `chosen`.

    Both labels weigh the same, a source of n clips as the root of n, and a clip's blocks share its
    weight.
    """
    sizes = Counter((clip.label, clip.source) for clip, of in zip(clips, chosen, strict=True) if of)
    weights = np.array(
        [
            sizes[clip.label, clip.source] ** -0.5 if of else 0.0
            for clip, of in zip(clips, chosen, strict=True)
        ]
    )
    bonafide = labels_of(clips)
    for label in (0, 1):
        weights[bonafide == label] /= max(weights[bonafide == label].sum(), 1e-12)
    parts = np.where(blocks.altered, ALTERED_WEIGHT, 1.0)
    shares = np.bincount(blocks.clip, parts, len(clips))
    return weights[blocks.clip] * parts / shares[blocks.clip]


def labels_of(clips: Sequence[Clip]) -> np.ndarray:
    """1 for bona fide and 0 for spoof, int (n,)."""
    return np.array([clip.label == "bonafide" for clip in clips], int)


def clip_means(scores: np.ndarray, blocks: BlockFeatures, clips: int) -> np.ndarray:
    """The mean score of each clip's own blocks, those of a channel left out; NaN without one."""
    clean = ~blocks.altered
    count = np.bincount(blocks.clip[clean], minlength=clips)
    total = np.bincount(blocks.clip[clean], scores[clean], clips)
    return np.divide(total, count, where=count > 0, out=np.full(clips, np.nan))


def cross_validate(
    clips: Sequence[Clip], blocks: BlockFeatures, folds: int, plan: HeadPlan, seed: int
) -> np.ndarray:
    """LLRs in nats, float64 (clips,), higher = bona fide; NaN for a clip without a block of speech.

    Each comes from heads and a calibration that never met the clip's source.
    """
    scores, fold = _strangers_scores(clips, blocks, folds, plan, seed)
    return _calibrated(clip_means(scores, blocks, len(clips)), labels_of(clips), fold)


def soft_labels(
    clips: Sequence[Clip], blocks: BlockFeatures, share: float, plan: HeadPlan, seed: int
) -> np.ndarray:
    """What each block is to be taken for, float64 (n,), from 0 = spoof to 1 = bona fide.

    The label counts 1 - `share`. The rest is the probability that heads of other sources give the
    block: a label that is wrong, and a channel that leaves nothing to hear, are learned less firmly
    (Hinton et al. 2015, https://arxiv.org/abs/1503.02531, with strangers as teachers).

    Raises ConfigError where the sources are too few for FOLDS folds.
    """
    label = labels_of(clips)[blocks.clip]
    if not share:
        return label.astype(float)
    scores, fold = _strangers_scores(clips, blocks, FOLDS, replace(plan, seeds=1), seed)
    llrs = _calibrated(scores, label, fold[blocks.clip])
    return (1 - share) * label + share / (1 + np.exp(-llrs))


def _strangers_scores(
    clips: Sequence[Clip], blocks: BlockFeatures, folds: int, plan: HeadPlan, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The score of each block (n,) by heads that never met its source, and each clip's fold
    (clips,).
    """
    fold, bonafide = folds_of([clip.source for clip in clips], folds, seed), labels_of(clips)
    scores = np.full(len(blocks.clip), np.nan)
    for k in range(folds):
        weights = block_weights(clips, blocks, fold != k)
        heads = train_heads(blocks.features, bonafide[blocks.clip], weights, plan, seed + 100 * k)
        held = fold[blocks.clip] == k
        scores[held] = score(heads, blocks.features[held])
        print(f"fold {k + 1} of {folds}: {int((fold == k).sum())} clips scored", flush=True)
    return scores, fold


def _calibrated(raw: np.ndarray, bonafide: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Each fold's scores as LLRs by a logistic regression on the scores of the other folds."""
    llrs = np.full(len(raw), np.nan)
    scored = ~np.isnan(raw)
    for k in set(fold.tolist()):
        others = scored & (fold != k)
        label = bonafide[others]
        if len(set(label.tolist())) < 2:
            raise ConfigError(
                f"the sources outside fold {k + 1} have clips of one label only: cross-validation "
                "needs two sources of each label or more in each fold; give it more sources or "
                "fewer --folds, or set [training] soft_labels = 0"
            )
        balance = np.where(label == 1, 0.5 / label.mean(), 0.5 / (1 - label.mean()))
        slope, offset = logistic(raw[others, None], label, balance)
        llrs[fold == k] = slope * raw[fold == k] + offset
    return llrs
