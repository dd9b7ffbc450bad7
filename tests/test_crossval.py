"""Cross-validation over sources: no source helps to score itself; every clip weighs its share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radd.dataset import Clip
from radd.metrics import eer, error_rates
from radd.onnx import OnnxModel

pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[train]'")
from training.block_features import BlockFeatures
from training.crossval import (
    block_weights,
    clip_means,
    cross_validate,
    folds_of,
    labels_of,
    soft_labels,
)
from training.head import HeadPlan, export_heads, score, train_heads

PLAN = HeadPlan(epochs=20, batch=64, seeds=2)
SOURCES, CLIPS = 24, 10  # sources, and clips of each


def corpus(seed: int, *, cue: float) -> tuple[list[Clip], BlockFeatures]:
    """Clips of sources that each have one label and a mark of their own; `cue` is what every bona
    fide clip shares.
    """
    rng = np.random.default_rng(seed)
    clips, rows = [], []
    for source in range(SOURCES):
        label = "bonafide" if source % 2 else "spoof"
        for k in range(CLIPS):
            clips.append(
                Clip(f"u{source}-{k}", Path("-"), label, "-", "-", f"page-{source}", "-", "en")
            )
            row = rng.normal(0, 1, SOURCES + 1)
            row[source] += 8  # the page that a clip comes from is plain to see
            row[-1] += cue * (label == "bonafide")
            rows += [row, row + rng.normal(0, 0.1, SOURCES + 1)]
    clip = np.repeat(np.arange(len(clips)), 2)
    features = np.array(rows, np.float16)
    n = len(rows)
    return clips, BlockFeatures(features, clip, np.zeros(n, bool), np.zeros(n, int))


def error_rate(llrs: np.ndarray, clips: list[Clip]) -> float:
    bonafide = labels_of(clips) == 1
    return eer(error_rates(llrs[bonafide], llrs[~bonafide]))[0]


def test_what_marks_a_source_alone_is_worth_nothing_on_another():
    clips, blocks = corpus(1, cue=0.0)
    bonafide = labels_of(clips)
    weights = block_weights(clips, blocks, np.ones(len(clips), bool))
    heads = train_heads(blocks.features, bonafide[blocks.clip], weights, PLAN, 1)
    seen = clip_means(score(heads, blocks.features), blocks, len(clips))
    assert error_rate(seen, clips) < 0.05
    assert error_rate(cross_validate(clips, blocks, 4, PLAN, 1), clips) > 0.25


def test_what_all_sources_of_a_label_share_is_found_on_others():
    clips, blocks = corpus(2, cue=9.0)
    llrs = cross_validate(clips, blocks, 4, PLAN, 1)
    assert error_rate(llrs, clips) < 0.15
    bonafide = labels_of(clips) == 1
    assert llrs[bonafide].mean() > 0 > llrs[~bonafide].mean()


def test_a_wrong_label_is_learned_less_firmly():
    clips, blocks = corpus(2, cue=9.0)
    clips[15] = replace(clips[15], label="spoof")  # of a page whose other clips are bona fide
    soft = soft_labels(clips, blocks, 0.5, PLAN, 1)
    assert ((soft >= 0) & (soft <= 1)).all()
    wrong = blocks.clip == 15
    assert soft[wrong].min() > 0.25
    bonafide = labels_of(clips)[blocks.clip] == 1
    assert soft[bonafide].min() >= 0.5 >= soft[~bonafide].max()
    assert np.median(soft[bonafide]) > 0.9
    assert np.median(soft[~bonafide]) < 0.1


def test_without_a_share_the_labels_are_learned():
    clips, blocks = corpus(1, cue=0.0)
    assert np.array_equal(soft_labels(clips, blocks, 0.0, PLAN, 1), labels_of(clips)[blocks.clip])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=80), st.integers(2, 6), st.integers(0, 9))
def test_a_source_lies_in_one_fold(numbers, folds, seed):
    sources = [f"page-{number}" for number in numbers]
    fold = folds_of(sources, folds, seed)
    assert set(fold) <= set(range(folds))
    assert all(len(set(fold[np.array(sources) == source])) == 1 for source in set(sources))
    sizes = np.bincount(fold, minlength=folds)
    largest = max(sources.count(source) for source in sources)
    if len(set(sources)) >= folds:
        assert sizes.max() - sizes.min() <= largest


def test_labels_weigh_the_same_and_sources_as_the_root_of_their_clips():
    clips, blocks = corpus(3, cue=0.0)
    chosen = np.array([clip.source != "page-1" or k % CLIPS == 0 for k, clip in enumerate(clips)])
    weights = block_weights(clips, blocks, chosen)
    of_clip = np.bincount(blocks.clip, weights, len(clips))
    bonafide = labels_of(clips)
    assert of_clip[bonafide == 1].sum() == pytest.approx(of_clip[bonafide == 0].sum())
    assert not of_clip[~chosen].any()
    one, all_ = (of_clip[[c.source == name for c in clips]].sum() for name in ("page-1", "page-3"))
    assert all_ == pytest.approx(one * CLIPS**0.5)


def test_a_clip_without_speech_has_no_score():
    clips, blocks = corpus(4, cue=6.0)
    kept = blocks.clip != 7
    part = BlockFeatures(*(column[kept] for column in blocks))
    llrs = cross_validate(clips, part, 3, PLAN, 1)
    assert np.isnan(llrs[7])
    assert np.isfinite(np.delete(llrs, 7)).all()


def test_the_exported_heads_give_unit_vectors_and_the_same_scores(tmp_path):
    clips, blocks = corpus(5, cue=6.0)
    weights = block_weights(clips, blocks, np.ones(len(clips), bool))
    heads = train_heads(blocks.features, labels_of(clips)[blocks.clip], weights, PLAN, 1)
    export_heads(heads, tmp_path / "encoder.onnx")
    features = blocks.features[:20].astype(np.float32)
    vectors, scores = OnnxModel(tmp_path / "encoder.onnx").run(features=features)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(scores, score(heads, features), atol=1e-3)


def test_the_same_seed_gives_the_same_scores():
    clips, blocks = corpus(6, cue=1.0)
    first, again = (cross_validate(clips, blocks, 3, PLAN, 9) for _ in range(2))
    assert np.array_equal(first, again)
