"""Heads of different times judge together: mean of their scores, vectors of the new ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radd.errors import ConfigError
from radd.onnx import OnnxModel

pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[train]'")
import torch

from training.head import Head, Heads, export_heads
from training.joined_heads import join_heads


def heads(path: Path, seed: int, width: int = 24) -> Path:
    torch.manual_seed(seed)
    members = [Head(torch.randn(width), torch.rand(width) + 0.5) for _ in range(2)]
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
