"""Trained networks -> the networks and the index of a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from radd.bundle import FRAMES, REFERENCES, SCORE, VECTORS, encoder_digest, open_encoder
from radd.cnn import SpectralCnn
from radd.dataset import DecodedClips
from radd.encoder import (
    BLOCK_SAMPLES,
    Encoder,
    OnnxEncoder,
    speech_blocks,
)
from radd.index import BundleIndex
from radd.references import Reference, write_references
from radd.types import SAMPLE_RATE_HZ


class BlockVectors(Protocol):
    """The embeddings of the blocks of speech of clips."""

    def starts(self, clip: int) -> Sequence[int]:
        """Where the clip's blocks of speech begin, in samples."""
        ...

    def vector(self, clip: int, start: int) -> np.ndarray:
        """The unit vector float32 (width,) of one of them."""
        ...


class EncodedClips(BlockVectors):
    """BlockVectors that an encoder makes when they are asked for."""

    def __init__(self, clips: DecodedClips, encoder: Encoder) -> None:
        self._clips, self._encoder = clips, encoder

    def starts(self, clip: int) -> Sequence[int]:
        return list(speech_blocks(self._clips.speech(clip)))

    def vector(self, clip: int, start: int) -> np.ndarray:
        block = self._clips.samples(clip)[start : start + BLOCK_SAMPLES]
        return self._encoder.embed(block)[0]


def build_index(
    clips: DecodedClips,
    encoder: Encoder,
    directory: Path,
    limit: int,
    seed: int,
    embedded: BlockVectors | None = None,
) -> BundleIndex:
    """Write the vectors of one block of speech from each of at most `limit` clips, drawn by
    sampling weight.

    `embedded` holds vectors that are known already; otherwise the encoder makes them.
    """
    if embedded is None:
        embedded = EncodedClips(clips, encoder)
    rng = np.random.default_rng([seed, 77])
    weights = clips.sampling_weights()
    chosen = rng.choice(len(clips), min(limit, len(clips)), replace=False, p=weights)
    vectors, references = [], []
    for i in sorted(chosen):
        starts = embedded.starts(i)
        if not len(starts):
            continue
        at = starts[int(rng.integers(len(starts)))]
        vectors.append(embedded.vector(i, at))
        clip = clips.clips[i]
        references.append(
            Reference(
                clip.utt, clip.label, clip.system, clip.source, clip.licence, at / SAMPLE_RATE_HZ
            )
        )
    half = np.array(vectors, np.float16)
    np.save(directory / VECTORS, half)
    write_references(directory / REFERENCES, references)
    index = BundleIndex(encoder.id, half, references)
    index.save_clusters(directory)
    return index


def load_networks(directory: Path) -> tuple[SpectralCnn, OnnxEncoder]:
    """The exported networks of an unfinished bundle."""
    encoder = open_encoder(directory, encoder_digest(directory))
    return SpectralCnn(directory / FRAMES, directory / SCORE), encoder
