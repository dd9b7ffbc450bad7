"""A small corpus to learn from: buzzing vowels, no two alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radd.flac import flac_bytes
from radd.types import SAMPLE_RATE_HZ


def vowel(seed: int, seconds: float = 1.2) -> np.ndarray:
    """Harmonics under three formants with a little breath, float32 (n,): a crude voice."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    pitch_hz = rng.uniform(90, 220) * (1 + 0.05 * np.sin(2 * np.pi * rng.uniform(1, 3) * t))
    turns, formants_hz = (
        np.cumsum(pitch_hz) / SAMPLE_RATE_HZ,
        rng.uniform([300, 900, 2200], [800, 2000, 3500]),
    )
    heights = np.exp(-np.abs(formants_hz[:, None] - 150 * np.arange(1, 30)).min(axis=0) / 300)
    harmonics = sum(height * np.sin(2 * np.pi * k * turns) for k, height in enumerate(heights, 1))
    return (0.05 * harmonics + 0.003 * rng.standard_normal(len(t))).astype(np.float32)


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory) -> Path:
    """A directory with six bona fide and four spoof clips on its train side."""
    directory = tmp_path_factory.mktemp("corpus")
    lines = [f"ann r{k} - - bonafide\n" for k in range(6)] + [
        f"ben f{k} - VITS spoof\n" for k in range(4)
    ]
    for seed, line in enumerate(lines):
        (directory / f"{line.split()[1]}.flac").write_bytes(flac_bytes(vowel(seed)))
    (directory / "protocol.train.txt").write_text("".join(lines))
    return directory
