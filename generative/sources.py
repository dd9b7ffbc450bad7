"""Recordings as input of generative networks: crops for training, and clips to copy."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from radd.dataset import Clip, DecodedClips, group_weights, read_corpus
from radd.errors import AudioError, ConfigError
from radd.files import load_speech
from radd.types import SAMPLE_RATE_HZ

LEVEL = 0.06  # RMS of a network's input
LONGEST_S, SHORTEST_S = 4.0, 0.5  # of a clip to copy


def train_clips(data: list[Path], label: str) -> list[Clip]:
    """The training set's clips of one label. Raises ConfigError if there is none."""
    clips = [
        clip
        for directory in data
        for clip in read_corpus(directory, "train")
        if clip.label == label
    ]
    if not clips:
        raise ConfigError(
            f"{', '.join(map(str, data))}: no {label} clip in the training set; add a corpus with "
            "--data"
        )
    return clips


def place_of(clips: list[Clip], work: Path) -> Path:
    """The folder below `work` for training on exactly these clips."""
    return (
        work
        / hashlib.sha256("\n".join(f"{c.path} {c.label}" for c in clips).encode()).hexdigest()[:16]
    )


def drawn(clips: list[Clip], rng: np.random.Generator) -> list[Clip]:
    """The clips in random order by their training weights, each once."""
    return [clips[i] for i in np.argsort(rng.exponential(size=len(clips)) / group_weights(clips))]


def read_source(path: Path) -> np.ndarray:
    """The first LONGEST_S of a recording, float32 (n,). Raises AudioError if there is nothing to
    copy.
    """
    samples = load_speech(path)[: round(LONGEST_S * SAMPLE_RATE_HZ)]
    if len(samples) < SHORTEST_S * SAMPLE_RATE_HZ or not samples.any():
        raise AudioError(f"{path} is silent or shorter than {SHORTEST_S} s; expected speech")
    return samples


def rms(samples: np.ndarray) -> float:
    """Root mean square of samples."""
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) + 1e-9


class Crops:
    """Crops of clips at one level: the crops at a step are a function of the seed and the step."""

    def __init__(self, clips: DecodedClips, size: int, crop_samples: int, seed: int) -> None:
        self._clips, self._size, self._crop, self._seed = clips, size, crop_samples, seed
        weights = group_weights(clips.clips)
        self._weights = weights / weights.sum()

    def __getitem__(self, step: int) -> tuple[int, np.ndarray]:
        """The step and its crops, float32 (batch, crop_samples); a shorter clip is padded with
        silence.
        """
        rng = np.random.default_rng([self._seed, step])
        chosen = rng.choice(len(self._clips), self._size, p=self._weights)
        return step, np.stack([self._one(int(i), rng) for i in chosen])

    def _one(self, index: int, rng: np.random.Generator) -> np.ndarray:
        samples = self._clips.samples(index)
        begin = int(rng.integers(max(0, len(samples) - self._crop) + 1))
        crop = samples[begin:][: self._crop] * np.float32(LEVEL / rms(samples))
        return np.pad(crop, (0, self._crop - len(crop)))
