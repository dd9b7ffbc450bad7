"""From labelled speech to a bundle: train, export, index, calibrate, describe, seal."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from radd.bundle import CARD, ENCODER, FRAMES, SCORE, write_manifest
from radd.dataset import DecodedClips, read_corpus
from radd.encoder import BLOCK_SAMPLES
from radd.errors import ConfigError
from radd.types import SAMPLE_RATE_HZ
from training import cnn, encoder
from training.batches import Batches
from training.bundle_maker import build_index, calibrate, join, load_networks, score_windows
from training.card import describe_data, write_card
from training.export import export_cnn, export_encoder
from training.learn import Plan
from training.recipe import RecipeSettings
from training.selection import Selection


def fit(
    data: list[Path], selection: Selection, out: Path, work: Path, recipe: RecipeSettings, channel: Callable, jobs: int,
    start: Path | None = None,
) -> None:
    """Make the bundle `out` from the train and dev sides of the corpora `data`.

    `work` keeps decoded audio and checkpoints: a run that was killed goes on from there. `channel` is the condition
    that clips meet in training. The network on the spectrum learns on from the one of the bundle `start`, if that is
    given. Files that cannot be read are left out and told at the end. Raises ConfigError for a corpus that cannot serve
    and where `out` holds something that is no bundle.
    """
    if out.exists() and any(out.iterdir()) and not (out / CARD).is_file():
        raise ConfigError(f"{out} is not empty and no bundle; name another directory with --out")
    train, dev = (_decoded(data, side, selection, work, jobs) for side in ("train", "dev"))
    making = work / "bundle"
    making.mkdir(parents=True, exist_ok=True)
    crop = int(recipe.cnn_crop_s * SAMPLE_RATE_HZ)
    plan = Plan(recipe.cnn_steps, recipe.cnn_batch, crop, recipe.cnn_rate, recipe.weight_decay, recipe.seed)
    batches = Batches(train, channel, plan.batch, crop, plan.seed)
    export_cnn(cnn.train(batches, plan, work / "cnn", max(1, jobs - 1), start), making / FRAMES, making / SCORE)
    plan = Plan(recipe.encoder_steps, recipe.encoder_batch, BLOCK_SAMPLES, recipe.encoder_rate, recipe.weight_decay, recipe.seed)
    batches = Batches(train, channel, plan.batch, BLOCK_SAMPLES, plan.seed)
    torch.manual_seed(recipe.seed)
    network = encoder.pretrained(recipe.encoder, recipe.encoder_layer) if recipe.encoder else encoder.compact()
    if plan.steps:
        network = encoder.train(network, batches, plan, work / "encoder", max(1, jobs - 1))
    export_encoder(network, making / ENCODER)
    seal(train, dev, making, recipe, channel, selection.licences)
    _replace(making, out)
    for line in train.unreadable + dev.unreadable:
        print(f"left out, cannot be read: {line}")


def seal(
    train: DecodedClips, dev: DecodedClips, making: Path, recipe: RecipeSettings, channel: Callable, licences: str = "all"
) -> None:
    """Give the exported networks in `making` their index, calibration, card and manifest."""
    spectral, blocks = load_networks(making)
    index = build_index(train, blocks, making, recipe.references, recipe.seed)
    windows = [score_windows(dev, spectral, blocks, index, alter, recipe.seed) for alter in (None, channel)]
    calibration = calibrate(join(windows), dev)
    training = describe_data(train, dev, recipe, len(index), licences)
    write_card(making / CARD, training, {})
    write_manifest(making, "radd", calibration, training, {})


def _decoded(data: list[Path], side: str, selection: Selection, work: Path, jobs: int) -> DecodedClips:
    clips = [clip for directory in data for clip in read_corpus(directory, side)]
    if not clips:
        raise ConfigError(f"no corpus has a {side} side: one at least needs protocol.{side}.txt")
    decoded = DecodedClips(selection.of(clips), work / "decoded", jobs)
    decoded.sampling_weights()  # refuses clips of one label before hours of learning, not after
    print(f"{side}: {len(decoded)} of {len(clips)} clips, {decoded.hours:.1f} h", flush=True)
    return decoded


def _replace(making: Path, out: Path) -> None:
    """Put the finished bundle in place in one step, so that nobody loads half of one."""
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = out.with_name(out.name + ".new"), out.with_name(out.name + ".old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(making, fresh)
    if out.exists():
        out.rename(old)
    fresh.rename(out)
    shutil.rmtree(old, ignore_errors=True)
