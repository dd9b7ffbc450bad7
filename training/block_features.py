"""What a frozen backbone gives for every block of speech in a corpus, computed once and kept.

A clip is met as it is and, more rarely, as a channel would deliver it. The channel is drawn
independently of the label, so that no codec, line or room tells which is which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache as cache_result
from pathlib import Path
from typing import NamedTuple

import numpy as np

from radd.bundle import sha256
from radd.dataset import DecodedClips
from radd.encoder import BLOCK_SAMPLES, speech_blocks
from radd.onnx import OnnxModel
from radd.parallel import forked_in_order
from training.bundle_maker import BlockVectors

SHARD_CLIPS = 200  # in one file of the cache: what a killed run repeats at most
CLEAN_BLOCKS, CHANNEL_BLOCKS = 4, 2  # of a clip, at most
NOTHING = np.zeros(BLOCK_SAMPLES, np.float32)  # what the width of features is known by
BEFORE_SAMPLES = 4_000  # heard by a channel before the first block, as a call begins earlier


class BlockFeatures(NamedTuple):
    """Features of blocks of speech, a row each."""

    features: np.ndarray
    """float16 (n, width)"""
    clip: np.ndarray
    """index of the clip (n,)"""
    altered: np.ndarray
    """whether a channel came between, bool (n,)"""
    start: np.ndarray
    """samples from the clip's beginning to the block's, int (n,)"""


def block_features(
    clips: DecodedClips,
    backbone: Path,
    channel: Callable,
    copied: float,
    seed: int,
    cache: Path,
    jobs: int,
) -> BlockFeatures:
    """The features of `clips`; the share `copied` of them is met through `channel` as well.

    `cache` keeps what was computed, so a run that was killed goes on from there.
    """
    names = "\n".join(f"{clip.path} {clip.utt}" for clip in clips.clips)
    key = f"{sha256(backbone)} {copied} {seed}\n{names}"
    folder = cache / hashlib.sha256(key.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)

    @cache_result
    def open_backbone() -> OnnxModel:  # once in each worker process
        return OnnxModel(backbone)

    def compute(first: int) -> Path:
        shard = folder / f"{first:07}.npz"
        if not shard.is_file():
            network = open_backbone()
            rows = [
                _clip_rows(clips, i, network, channel, copied, seed)
                for i in range(first, min(first + SHARD_CLIPS, len(clips)))
            ]
            part = shard.with_suffix(".part.npz")
            np.savez(part, **_joined(rows)._asdict())
            part.replace(shard)
        return shard

    shards = list(forked_in_order(compute, range(0, len(clips), SHARD_CLIPS), jobs))
    return _joined([_read(shard) for shard in shards])


def _read(shard: Path) -> BlockFeatures:
    with np.load(shard, allow_pickle=False) as kept:
        return BlockFeatures(*(kept[name] for name in BlockFeatures._fields))


def _joined(parts: list[BlockFeatures]) -> BlockFeatures:
    return BlockFeatures(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _clip_rows(
    clips: DecodedClips, i: int, network: OnnxModel, channel: Callable, copied: float, seed: int
) -> BlockFeatures:
    rng = np.random.default_rng([seed, 83, i])
    samples, speech = clips.samples(i), clips.speech(i)
    starts = list(speech_blocks(speech))[:CLEAN_BLOCKS]
    blocks = [samples[at : at + BLOCK_SAMPLES] for at in starts]
    received = starts[:CHANNEL_BLOCKS] if rng.random() < copied else []
    if received:
        blocks += _through(channel, samples, received, rng)
    features = network.run(samples=np.stack([*blocks, *[NOTHING] * (not blocks)]))[0]
    return BlockFeatures(
        features[: len(blocks)].astype(np.float16),
        np.full(len(blocks), i),
        np.arange(len(blocks)) >= len(starts),
        np.array(starts + received, int),
    )


def _through(
    channel: Callable, samples: np.ndarray, starts: list[int], rng: np.random.Generator
) -> list[np.ndarray]:
    """Blocks of the sound after a channel."""
    begin = max(0, starts[0] - BEFORE_SAMPLES)
    end = starts[-1] + BLOCK_SAMPLES
    received = channel(samples[begin:end], rng).astype(np.float32)
    return [received[at - begin : at - begin + BLOCK_SAMPLES] for at in starts]


class KnownBlocks(BlockVectors):
    """BlockVectors of features that were computed before, by the head of an encoder."""

    def __init__(self, blocks: BlockFeatures, head: OnnxModel) -> None:
        self._blocks, self._head = blocks, head

    def starts(self, clip: int) -> Sequence[int]:
        return self._blocks.start[self._rows(clip)].tolist()

    def vector(self, clip: int, start: int) -> np.ndarray:
        rows = self._rows(clip)
        row = rows[self._blocks.start[rows] == start][:1]
        return self._head.run(features=self._blocks.features[row].astype(np.float32))[0][0]

    def _rows(self, clip: int) -> np.ndarray:
        return np.flatnonzero((self._blocks.clip == clip) & ~self._blocks.altered)
