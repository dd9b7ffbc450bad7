"""Heads of different times judge together: mean of their scores, vectors of the new ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radd.errors import ConfigError
from radd.onnx import OnnxModel

pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[train]'")
import torch

from training.head import Head, HeadPlan, Heads, export_heads, score, train_heads
from training.joined_heads import join_heads, read_heads


def heads(path: Path, seed: int, width: int = 24) -> Path:
    torch.manual_seed(seed)
    members = [Head(torch.randn(width), torch.rand(width) + 0.5) for _ in range(2)]
    for head in members:
        head(3 * torch.randn(50, width) + 1)  # moves what batch normalisation measured
    export_heads(Heads(members).eval(), path)
    return path


def outputs(path: Path, features: np.ndarray) -> list[np.ndarray]:
    return OnnxModel(path).run(features=features)


def test_the_score_is_the_mean_and_the_vectors_are_those_of_the_new_heads(tmp_path):
    features = np.random.default_rng(1).normal(0, 1, (7, 24)).astype(np.float32)
    new, earlier = heads(tmp_path / "new.onnx", 1), heads(tmp_path / "earlier.onnx", 2)
    (vectors, score), (_, before) = outputs(new, features), outputs(earlier, features)
    join_heads(new, earlier)
    joined_vectors, joined = outputs(new, features)
    assert np.array_equal(joined_vectors, vectors)
    assert np.allclose(joined, (score + before) / 2, atol=1e-6)
    assert not np.allclose(score, before, atol=1e-2)


def test_joined_heads_are_joined_again(tmp_path):
    features = np.random.default_rng(2).normal(0, 1, (3, 24)).astype(np.float32)
    first, second = heads(tmp_path / "1.onnx", 1), heads(tmp_path / "2.onnx", 2)
    join_heads(second, first)
    expected = outputs(second, features)[1]
    third = heads(tmp_path / "3.onnx", 3)
    alone = outputs(third, features)[1]
    join_heads(third, second)
    assert np.allclose(outputs(third, features)[1], (alone + expected) / 2, atol=1e-6)


def test_heads_on_another_backbone_are_refused(tmp_path):
    new, other = heads(tmp_path / "new.onnx", 1), heads(tmp_path / "other.onnx", 2, width=20)
    with pytest.raises(ConfigError, match="another backbone"):
        join_heads(new, other)


def scores(members: list[Head], features: np.ndarray) -> np.ndarray:
    return score(Heads(members).eval(), features)


def test_heads_are_read_from_their_network_also_if_joined(tmp_path):
    features = np.random.default_rng(3).normal(0, 1, (5, 24)).astype(np.float32)
    new, earlier = heads(tmp_path / "new.onnx", 1), heads(tmp_path / "earlier.onnx", 2)
    assert np.allclose(scores(read_heads(new, 24), features), outputs(new, features)[1], atol=1e-3)
    join_heads(new, earlier)
    members = read_heads(new, 24)
    assert len(members) == 4
    assert np.allclose(scores(members, features), outputs(new, features)[1], atol=1e-3)


def test_heads_for_another_backbone_are_not_read(tmp_path):
    with pytest.raises(ConfigError, match="take 20 features and the backbone gives 24"):
        read_heads(heads(tmp_path / "other.onnx", 1, width=20), 24)


def test_heads_that_learn_on_keep_what_they_know_and_learn_what_is_new(tmp_path):
    """Spoof lies along one direction at first; a second kind along another comes later."""
    rng = np.random.default_rng(4)
    known, later = (rng.normal(0, 1, (600, 24)).astype(np.float32) for _ in range(2))
    label = (np.arange(600) % 2).astype(float)
    known[label == 0, 0] += 4
    later[label == 0, 1] += 4
    weights, plan = np.ones(600), HeadPlan(epochs=20, seeds=2, batch=32)
    export_heads(train_heads(known, label, weights, plan, 1), tmp_path / "first.onnx")
    on = train_heads(later, label, weights, plan, 1, read_heads(tmp_path / "first.onnx", 24))
    anew = train_heads(later, label, weights, plan, 1)

    def told(heads: Heads, features: np.ndarray) -> float:
        return float(((score(heads, features) > 0) == (label == 1)).mean())

    assert len(on.heads) == 2
    assert told(on, later) > 0.9
    assert told(on, known) > told(anew, known) + 0.2
