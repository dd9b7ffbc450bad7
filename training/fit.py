"""From labelled speech to a bundle: train, export, index, calibrate, describe, seal."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from radd.bundle import CARD, ENCODER, FRAMES, SCORE, read_manifest, write_manifest
from radd.dataset import DecodedClips, read_corpus
from radd.encoder import BLOCK_SAMPLES
from radd.errors import ConfigError
from radd.types import SAMPLE_RATE_HZ
from training import embedding, encoder, pretrain, together
from training.batches import Batches
from training.bundle_maker import Windows, build_index, calibrate, clip_llrs, join, load_networks, score_windows
from training.card import describe_data, write_card
from training.confirmation import fit_confirmed
from training.export import export_cnn, export_encoder
from training.learn import LOSSES, Plan
from training.recipe import RecipeSettings
from training.replay import write_replay
from training.selection import Selection

NETWORKS = ("pretrained", "networks", "embedding")  # what learns, each with a folder of its own in the work directory


def fit(
    data: list[Path], selection: Selection, out: Path, work: Path, recipe: RecipeSettings, channel: Callable,
    draw: Callable, jobs: int, start: Path | None = None, conditions: Mapping[str, Callable] | None = None,
) -> None:
    """Make the bundle `out` from the train and dev sides of the corpora `data`.

    `work` keeps decoded audio and checkpoints: a run that was killed goes on from there. `channel` is the condition
    that clips meet in training, `conditions` are those under which later retrainings are proved; `draw` makes the
    figures, as evaluation.training_figures does. The network on the spectrum learns on from the one of the bundle
    `start`, if that is given. Files that cannot be read are left out and told at the end. Raises ConfigError for a
    corpus that cannot serve and where `out` holds something that is no bundle.
    """
    if out.exists() and any(out.iterdir()) and not (out / CARD).is_file():
        raise ConfigError(f"{out} is not empty and no bundle; name another directory with --out")
    train, dev = (_decoded(data, side, selection, work, jobs, recipe.factors) for side in ("train", "dev"))
    _forget_others(work, [f"{c.path} {c.label} {c.system}" for c in train.clips], recipe, start)
    making = work / "bundle"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    pair = _pair(train, channel, recipe, work, max(1, jobs - 1), start)
    export_cnn(pair.spectral, making / FRAMES, making / SCORE)
    export_encoder(_embedder(pair, train, channel, recipe, work, max(1, jobs - 1)), making / ENCODER)
    seal(train, dev, making, recipe, channel, draw, selection.licences, conditions, start)
    _replace(making, out)
    for line in train.unreadable + dev.unreadable:
        print(f"left out, cannot be read: {line}")


def _pair(
    clips: DecodedClips, channel: Callable, recipe: RecipeSettings, work: Path, workers: int, start: Path | None
) -> together.Pair:
    """Both networks after learning as the recipe says."""
    crop = int(recipe.crop_s * SAMPLE_RATE_HZ)
    batches = Batches(clips, channel, recipe.batch, crop, recipe.seed)
    torch.manual_seed(recipe.seed)
    network = encoder.pretrained(recipe.encoder, recipe.encoder_layer) if recipe.encoder else encoder.compact()
    if recipe.pretrain_steps:
        plan = Plan(recipe.pretrain_steps, recipe.batch, crop, recipe.rate, recipe.weight_decay, recipe.seed)
        network.speech_model = pretrain.pretrain(network.speech_model, batches, plan, work / "pretrained", workers)
    if recipe.encoder_frozen:
        network.speech_model.requires_grad_(False)
    plan = Plan(recipe.steps, recipe.batch, crop, recipe.rate, recipe.weight_decay, recipe.seed)
    return together.train(network, batches, plan, work / "networks", workers, start)


def _embedder(
    pair: together.Pair, clips: DecodedClips, channel: Callable, recipe: RecipeSettings, work: Path, workers: int
) -> embedding.Embedder:
    """What makes the index's vectors out of both networks' frames."""
    plan = Plan(recipe.embedding_steps, 2 * recipe.batch, BLOCK_SAMPLES, recipe.rate, recipe.weight_decay, recipe.seed)
    batches = Batches(clips, channel, plan.batch, BLOCK_SAMPLES, plan.seed, paired=True)
    return embedding.train(pair, batches, plan, work / "embedding", workers)


def seal(
    train: DecodedClips, dev: DecodedClips, making: Path, recipe: RecipeSettings, channel: Callable,
    draw: Callable | None = None, licences: str = "all", conditions: Mapping[str, Callable] | None = None,
    start: Path | None = None,
) -> None:
    """Give the networks in `making` their index, calibration, replay, card, manifest and, with `draw`, figures.

    `start` is the bundle that learning went on from; its recipe is told beside this one.
    """
    spectral, blocks = load_networks(making)
    index = build_index(train, blocks, making, recipe.references, recipe.seed)

    def score(alter: Callable | None, chosen: Iterable[int] | None = None) -> Windows:
        return score_windows(dev, spectral, blocks, index, alter, recipe.seed, chosen)

    windows = [score(alter) for alter in (None, channel)]
    if not write_replay(making, dev, score, windows, conditions or {}, recipe.seed):
        print("the dev side has too few systems or speakers to hold some back: labels cannot retrain this bundle")
    confirmed = fit_confirmed(dev, blocks, index, channel, recipe.seed)
    calibration = replace(calibrate(join(windows), dev), confirmed=confirmed)
    if draw is not None:
        _figures(making, draw, *clip_llrs(windows[0], calibration, dev))
    training = describe_data(train, dev, recipe, len(index), licences)
    if start is not None:
        earlier = read_manifest(start)["training"]
        training["before"] = [*earlier.get("before", []), earlier["recipe"]]
    write_card(making / CARD, training, {})
    write_manifest(making, "radd", calibration, training, {})


def _figures(making: Path, draw: Callable, bonafide: np.ndarray, spoof: np.ndarray) -> None:
    """Figures into the work directory around `making`, and their small form, SVG, beside the card."""
    work = making.parent
    kept = {name: work / name / LOSSES for name in NETWORKS if (work / name / LOSSES).is_file()}
    lines = {name: map(json.loads, file.read_text().splitlines()) for name, file in kept.items()}
    draw(work, {name: [(line["step"], line["loss"]) for line in told] for name, told in lines.items()}, bonafide, spoof)
    for figure in work.glob("*.svg"):
        shutil.copy(figure, making)


def _forget_others(work: Path, clips: list[str], recipe: RecipeSettings, start: Path | None) -> None:
    """Remove the checkpoints of a run that learned from other clips or began with another network."""
    chosen = recipe.encoder, recipe.encoder_layer, recipe.encoder_frozen, recipe.emphasis, start
    told = "\n".join([*map(str, chosen), *clips])
    digest, kept = hashlib.sha256(told.encode()).hexdigest(), work / "learned-from.sha256"
    if kept.is_file() and kept.read_text() != digest:
        for network in NETWORKS:
            shutil.rmtree(work / network, ignore_errors=True)
    kept.write_text(digest)


def _decoded(
    data: list[Path], side: str, selection: Selection, work: Path, jobs: int, emphasis: Mapping[str, float]
) -> DecodedClips:
    clips = [clip for directory in data for clip in read_corpus(directory, side)]
    if not clips:
        raise ConfigError(f"no corpus has a {side} side: one at least needs protocol.{side}.txt")
    decoded = DecodedClips(selection.of(clips), work / "decoded", jobs, emphasis)
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
