"""What a frozen backbone gives for every block of speech in a corpus, computed once and kept.

A clip is met as it is and, more rarely, as a channel would deliver it. The channel is drawn
independently of the label, so that no codec, line or room tells which is which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from radd.bundle import sha256
from radd.dataset import DecodedClips
from radd.encoder import BLOCK_SAMPLES, speech_blocks
from radd.errors import ConfigError
from radd.onnx import OnnxModel
from radd.parallel import Workers
from radd.types import SAMPLE_RATE_HZ
from training.bundle_maker import BlockVectors

CLIPS_AT_ONCE = 50  # that a process is given
CLEAN_BLOCKS, CHANNEL_BLOCKS = 3, 1  # of a clip, at most
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
    workers: Workers,
) -> BlockFeatures:
    """The features of `clips`; the share `copied` of them is met through `channel` as well.

    `cache` keeps what was computed of each clip, whatever others it came with: a run that was
    killed goes on from there, and a corpus that grew costs only what is new.
    """
    folder = cache / sha256(backbone)[:16]
    compute = _Portions(clips, backbone, channel, copied, seed, folder)
    portions = workers.in_order(compute, range(0, len(clips), CLIPS_AT_ONCE), workers.count)
    return _joined([kept for portion in portions for kept in portion])


class _Portions:
    """The features of the CLIPS_AT_ONCE clips from one on; for another process, pickled or
    forked.
    """

    def __init__(
        self,
        clips: DecodedClips,
        backbone: Path,
        channel: Callable,
        copied: float,
        seed: int,
        folder: Path,
    ):
        self._clips, self._backbone, self._channel = clips, backbone, channel
        self._copied, self._seed, self._folder = copied, seed, folder
        self._network: OnnxModel | None = None

    def __call__(self, first: int) -> list[_Kept]:
        portion = range(first, min(first + CLIPS_AT_ONCE, len(self._clips)))
        clips, channel, seed = self._clips, self._channel, self._seed
        return [
            _of_clip(clips, i, self._open, channel, self._copied, seed, self._folder)
            for i in portion
        ]

    def _open(self) -> OnnxModel:
        """The backbone, opened once in each process, and not before it is forked."""
        self._network = self._network or OnnxModel(self._backbone)
        return self._network


class _Kept(NamedTuple):
    """The files with the features of a clip: its own, and those behind a channel if drawn."""

    own: Path
    copy: Path | None


def _joined(kept: list[_Kept]) -> BlockFeatures:
    parts = []
    for clip, files in enumerate(kept):
        for altered, file in enumerate(files):
            if file is not None:
                with np.load(file, allow_pickle=False) as known:
                    features, start = known["features"], known["start"]
                if len(start):
                    same = np.full(len(start), clip), np.full(len(start), bool(altered))
                    parts.append(BlockFeatures(features, *same, start))
    if not parts:
        raise ConfigError(
            f"none of {len(kept)} clips has {BLOCK_SAMPLES / SAMPLE_RATE_HZ} s of speech in a row; "
            "give the corpus longer clips of speech"
        )
    return BlockFeatures(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _of_clip(
    clips: DecodedClips,
    i: int,
    open_backbone: Callable[[], OnnxModel],
    channel: Callable,
    copied: float,
    seed: int,
    folder: Path,
) -> _Kept:
    """The features of one clip, computed where they are not kept yet."""
    name = f"{clips.clips[i].path} {clips.clips[i].utt} {seed}"
    digest = hashlib.sha256(name.encode()).hexdigest()
    own, copy = (folder / digest[:2] / f"{digest[:20]}{kind}.npz" for kind in ("", ".channel"))
    # of the clip alone: what is drawn for it does not depend on which others there are
    rng = np.random.default_rng([int(digest[:12], 16), 83])
    drawn = rng.random() < copied
    if not own.is_file() or (drawn and not copy.is_file()):
        samples, starts = clips.samples(i), list(speech_blocks(clips.speech(i)))
        own.parent.mkdir(parents=True, exist_ok=True)
    if not own.is_file():
        chosen = _spread(starts, CLEAN_BLOCKS)
        blocks = [samples[at : at + BLOCK_SAMPLES] for at in chosen]
        _keep(own, open_backbone(), blocks, chosen)
    if drawn and not copy.is_file():
        chosen = sorted(rng.permutation(starts)[:CHANNEL_BLOCKS].tolist())
        _keep(copy, open_backbone(), _through(channel, samples, chosen, rng), chosen)
    return _Kept(own, copy if drawn else None)


def _spread(starts: list[int], most: int) -> list[int]:
    """At most so many of these, over the whole length."""
    if len(starts) <= most:
        return starts
    return [starts[round(k * (len(starts) - 1) / (most - 1))] for k in range(most)]


def _keep(file: Path, network: OnnxModel, blocks: list[np.ndarray], starts: list[int]) -> None:
    """Write the features of these blocks into `file`, whole or not at all."""
    features = network.run(samples=np.stack(blocks))[0] if blocks else np.zeros(0)
    part = file.with_suffix(".part.npz")
    np.savez(part, features=features.astype(np.float16), start=np.array(starts, int))
    part.replace(file)


def _through(
    channel: Callable, samples: np.ndarray, starts: list[int], rng: np.random.Generator
) -> list[np.ndarray]:
    """Blocks of the sound after a channel."""
    if not starts:
        return []
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
