"""Ways to train a head on the features of a backbone, compared on the development sets.

    python bench/heads.py --data CORPUS [--data MORE] --config head.toml --work DIR [--seeds 1 2]
    python bench/heads.py ... --heads models/default/encoder.onnx [--heads FILE]

With --heads nothing is trained: the heads of bundles are judged, alone and together. Else heads
learn from the training sets alone. Printed are the equal error rate over the clips of the
development sets, the real clips called fake where a tenth of the fakes is missed, and the equal
error rate of copies behind a channel, each in %.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from app.settings import load
from generative.presentation import channel_of
from radd.dataset import Clip, DecodedClips, read_corpus
from radd.metrics import eer, error_rates
from radd.onnx import OnnxModel
from training.block_features import BlockFeatures, block_features
from training.crossval import block_weights, clip_means, labels_of
from training.crossval_report import MISSED, false_alarm_rate
from training.head import Head, HeadPlan, score, train_heads

JITTER = 0.3  # deviations of the noise on each feature
TOLD, HEARD = 0.4, (0.5, 1.0)  # share of blocks that a channel's difference is added to; how much
DROPPED = 0.1  # share of blocks that one of the two networks says nothing about
CONVOLUTIONS = 2048  # features of the first network
PORTION = 512  # blocks judged at once


def main() -> None:
    """Print the table."""
    arguments = _arguments()
    recipe = load(arguments.config).training
    clips, blocks = _read(arguments)
    if arguments.heads:
        print(_table_of_bundles(arguments.heads, [clip for clip, _ in clips], blocks))
        return
    train = np.array([side == "train" for _, side in clips])
    known = [clip for clip, _ in clips]
    weights, labels = block_weights(known, blocks, train), labels_of(known)
    plan = HeadPlan(epochs=arguments.epochs or recipe.head_epochs, seeds=1)
    print(f"{train.sum()} clips to learn from, {(~train).sum()} to judge, {plan.epochs:g} epochs\n")
    print("| way | " + " | ".join(f"seed {seed}" for seed in arguments.seeds) + " |")
    print("|---|" + "---|" * len(arguments.seeds))
    for name, way in _ways(plan, blocks, train).items():
        cells = []
        for seed in arguments.seeds:
            heads = train_heads(blocks.features, labels[blocks.clip], weights, way, seed)
            cells.append(_judged(score(heads, blocks.features), blocks, labels, ~train))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, action="append", required=True, metavar="DIR")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--noise", type=Path, metavar="DIR")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--heads", type=Path, action="append", metavar="FILE")
    parser.add_argument("--epochs", type=float, help="default: [training] head_epochs")
    return parser.parse_args()


def _read(arguments: argparse.Namespace) -> tuple[list[tuple[Clip, str]], BlockFeatures]:
    """The clips with their side, and the features of all blocks."""
    recipe = load(arguments.config).training
    channel, cache = channel_of(recipe, arguments.noise), arguments.work
    clips: list[tuple[Clip, str]] = []
    parts: list[BlockFeatures] = []
    for side in ("dev",) if arguments.heads else ("train", "dev"):
        listed = [clip for folder in arguments.data for clip in read_corpus(folder, side)]
        decoded = DecodedClips(listed, cache / "decoded", 1)
        copied, seed = recipe.channel_copies, recipe.seed
        backbone = Path(recipe.backbone)
        part = block_features(decoded, backbone, channel, copied, seed, cache / "blocks", 1)
        parts.append(part._replace(clip=part.clip + len(clips)))
        clips += [(clip, side) for clip in decoded.clips]
    return clips, BlockFeatures(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _table_of_bundles(files: list[Path], clips: list[Clip], blocks: BlockFeatures) -> str:
    """What heads that learned before say of all these clips: a row each, and one of their mean."""
    labels, judged = labels_of(clips), np.ones(len(clips), bool)
    scores = {}
    for file in files:
        network = OnnxModel(file)
        portions = range(0, len(blocks.features), PORTION)
        parts = (blocks.features[k : k + PORTION].astype(np.float32) for k in portions)
        scores[str(file)] = np.concatenate([network.run(features=part)[1] for part in parts])
    scores["their mean"] = np.mean(list(scores.values()), axis=0)
    rows = [f"| {n} | {_judged(s, blocks, labels, judged)} |" for n, s in scores.items()]
    return "\n".join(
        ["| heads | EER / real called fake / EER behind a channel |", "|---|---|", *rows]
    )


def _ways(plan: HeadPlan, blocks: BlockFeatures, train: np.ndarray) -> dict[str, HeadPlan]:
    differences = torch.from_numpy(_differences(blocks, train))

    def jittered(x: Tensor, head: Head) -> Tensor:
        return x + JITTER * torch.randn_like(x) / head.scale

    def through_channels(x: Tensor, _: Head) -> Tensor:
        told = (torch.rand(len(x), 1) < TOLD) * torch.empty(len(x), 1).uniform_(*HEARD)
        return x + told * differences[torch.randint(len(differences), (len(x),))]

    def of_one_network(x: Tensor, head: Head) -> Tensor:
        first = torch.arange(x.shape[1]) < CONVOLUTIONS
        drawn = torch.rand(len(x), 1)
        lost = (drawn < DROPPED / 2) & first | (drawn > 1 - DROPPED / 2) & ~first
        return torch.where(lost, head.mean, x)

    return {
        "as it ships": plan,
        "jitter of the features": replace(plan, build=_altered(jittered)),
        "differences that channels made": replace(plan, build=_altered(through_channels)),
        "one network missing": replace(plan, build=_altered(of_one_network)),
        "labels smoothed by 0.1": replace(plan, smoothing=0.1),
    }


def _altered(alter: Callable[[Tensor, Head], Tensor]) -> type[Head]:
    """A head that meets its features altered while it learns."""

    class Altered(Head):
        def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
            return super().forward(alter(features, self) if self.training else features)

    return Altered


def _differences(blocks: BlockFeatures, train: np.ndarray) -> np.ndarray:
    """What a channel added to the features of a block, float32 (n, width), of training clips."""
    own = {
        (clip, start): row
        for row, (clip, start, altered) in enumerate(
            zip(blocks.clip, blocks.start, blocks.altered, strict=True)
        )
        if not altered
    }
    rows = np.flatnonzero(blocks.altered & train[blocks.clip])
    pairs = [(r, own[k]) for r in rows if (k := (blocks.clip[r], blocks.start[r])) in own]
    heard, before = np.array(pairs).T
    return blocks.features[heard].astype(np.float32) - blocks.features[before]


def _judged(scores: np.ndarray, blocks: BlockFeatures, labels: np.ndarray, of: np.ndarray) -> str:
    """Equal error rate, false alarms at MISSED, and equal error rate behind a channel."""
    swapped = blocks._replace(altered=~blocks.altered)
    rates = []
    for heard in (blocks, swapped):
        means = clip_means(scores, heard, len(labels))
        known = of & np.isfinite(means)
        real, fake = (means[known & (labels == label)] for label in (1, 0))
        rates.append((eer(error_rates(real, fake))[0], false_alarm_rate(real, fake, MISSED)))
    (plain, alarms), (behind, _) = rates
    return f"{100 * plain:.1f} / {100 * alarms:.1f} / {100 * behind:.1f}"


if __name__ == "__main__":
    main()
