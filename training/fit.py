"""From labelled speech to a bundle: train, export, index, calibrate, describe, seal."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from radd.bundle import (
    BACKBONE,
    CARD,
    ENCODER,
    FRAMES,
    REFERENCES,
    SCORE,
    VECTORS,
    WEIGHTS,
    read_manifest,
    write_manifest,
)
from radd.cnn import SpectralCnn
from radd.dataset import DecodedClips
from radd.encoder import BLOCK_SAMPLES, OnnxEncoder
from radd.errors import ConfigError
from radd.index import CLUSTERS_FILE, BundleIndex
from radd.index_sides import LABELS
from radd.onnx import OnnxModel
from radd.parallel import InOrder, Workers, forked_in_order
from radd.types import SAMPLE_RATE_HZ
from training import joint
from training.batches import Batches
from training.block_features import BlockFeatures, KnownBlocks, block_features
from training.bundle_maker import build_index, load_networks
from training.card import describe_data, refuse_other, replace_bundle, write_card
from training.closeness import fit_closeness
from training.config import STAGES, TrainingConfig
from training.crossval import block_weights, soft_labels
from training.export import export_cnn, export_encoder
from training.fusion import calibrate, clip_llrs
from training.head import HeadPlan, export_heads, train_heads
from training.joined_heads import join_heads, read_heads
from training.learn import CHECKPOINT, TrainingPlan
from training.losses import LOSSES, read_losses
from training.networks import embedding
from training.networks.pretrain import first_encoder
from training.replay import write_replay
from training.selection import Selection, decoded
from training.sources import SOURCES, write_sources
from training.windows import Windows, join, score_windows

NETWORKS = (
    "pretrained",
    "networks",
    "embedding",
)  # trained parts, each with its own folder in the work directory


def fit(
    data: list[Path],
    selection: Selection,
    out: Path,
    work: Path,
    recipe: TrainingConfig,
    channel: Callable,
    draw: Callable,
    jobs: int,
    start: Path | None = None,
    conditions: Mapping[str, Callable] | None = None,
    stage: str | None = None,
    in_order: InOrder = forked_in_order,
) -> None:
    """Make the bundle `out` from the training and development sets of the corpora `data`.

    `work` caches decoded audio and checkpoints: a killed run resumes there. `channel` is the
    condition that clips pass in training, `conditions` are those used by the gates of later
    retrainings; `draw` makes the figures, like evaluation.training_figures. Training continues from
    the networks of the bundle `start`, if given. All STAGES run, or only `stage` with what earlier
    ones left in `work`; only the last writes `out`. `in_order` computes the features of a frozen
    backbone. Unreadable files are skipped and listed at the end. Raises ConfigError for an
    unsuitable corpus, if `out` is neither empty nor a bundle, and for a stage that runs too early.
    """
    refuse_other(out)
    todo = STAGES if stage is None else (stage,)
    train, dev = (
        decoded(data, side, selection, work, jobs, recipe.factors, todo != ("prepare",))
        for side in ("train", "dev")
    )
    making, workers = work / "bundle", Workers(max(1, jobs - 1), in_order)
    if "train" in todo:
        _train(train, making, channel, recipe, work, workers, start)
    if (
        stage == "train"
        # when requested again, train again: something has changed, so the existing networks are not
        # wanted
    ):
        for network in NETWORKS:
            (work / network / CHECKPOINT).unlink(missing_ok=True)
    if "index" in todo:
        _, encoder = _networks(making)
        embedded = None
        if recipe.backbone:
            blocks = _features(train, making / BACKBONE, channel, recipe, work, workers)
            embedded = KnownBlocks(blocks, OnnxModel(making / ENCODER))
        build_index(train, encoder, making, recipe.references, recipe.seed, embedded)
    if "calibrate" in todo:
        seal(train, dev, making, recipe, channel, draw, selection.licences, conditions, start)
        replace_bundle(making, out)
    for line in train.unreadable + dev.unreadable:
        print(f"left out, cannot be read: {line}")


def _train(
    clips: DecodedClips,
    making: Path,
    channel: Callable,
    recipe: TrainingConfig,
    work: Path,
    workers: Workers,
    start: Path | None,
) -> None:
    """Put the networks into the empty directory `making`."""
    _forget_others(work, [f"{c.path} {c.label} {c.system}" for c in clips.clips], recipe, start)
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    if recipe.backbone:
        _take_networks(start, making, recipe)
        _train_head(clips, making, channel, recipe, work, workers, start)
        if recipe.keep_heads and start is not None:
            join_heads(making / ENCODER, start / ENCODER)
        return
    pair = _pair(clips, channel, recipe, work, workers.count, start)
    export_cnn(pair.spectral, making / FRAMES, making / SCORE)
    export_encoder(_embedder(pair, clips, channel, recipe, work, workers.count), making / ENCODER)


def _take_networks(start: Path | None, making: Path, recipe: TrainingConfig) -> None:
    """The network on the spectrum of the bundle `start`, and the backbone."""
    if start is None:
        raise ConfigError(
            "with [training] backbone only a head learns, and the network on the spectrum is "
            "taken from a bundle; name it with --start DIR"
        )
    for file in (FRAMES, SCORE):
        shutil.copy(start / file, making / file)
    for setting in ("backbone", *(["teacher"] if recipe.teacher else [])):
        if not Path(named := getattr(recipe, setting)).is_file():
            raise ConfigError(
                f"[training] {setting} = {named!r} is no file; name the {BACKBONE} of a bundle or "
                "a file made with train.py backbone"
            )
    shutil.copy(recipe.backbone, making / BACKBONE)


def _train_head(
    clips: DecodedClips,
    making: Path,
    channel: Callable,
    recipe: TrainingConfig,
    work: Path,
    workers: Workers,
    start: Path | None,
) -> None:
    """Heads on the features of the backbone in `making`: new ones, or those of `start`."""
    earlier = []
    if recipe.tune_heads and start is not None:  # refused before hours of features, not after
        silence = np.zeros((1, BLOCK_SAMPLES), np.float32)
        width = OnnxModel(making / BACKBONE).run(samples=silence)[0].shape[1]
        earlier = read_heads(start / ENCODER, width)
    blocks = _features(clips, making / BACKBONE, channel, recipe, work, workers)
    taught = blocks
    if recipe.soft_labels and recipe.teacher:
        taught = _features(clips, Path(recipe.teacher), channel, recipe, work, workers)
    chosen = np.ones(len(clips), bool)
    weights = block_weights(clips.clips, blocks, chosen)
    plan = HeadPlan(epochs=recipe.head_epochs, seeds=recipe.head_seeds)
    targets = soft_labels(clips.clips, taught, recipe.soft_labels, plan, recipe.seed)
    heads = train_heads(blocks.features, targets, weights, plan, recipe.seed, earlier)
    export_heads(heads, making / ENCODER)


def _features(
    clips: DecodedClips,
    backbone: Path,
    channel: Callable,
    recipe: TrainingConfig,
    work: Path,
    workers: Workers,
) -> BlockFeatures:
    copied, seed = recipe.channel_copies, recipe.seed
    folder = work / "blocks"
    return block_features(clips, backbone, channel, copied, seed, folder, workers)


def _networks(making: Path) -> tuple[SpectralCnn, OnnxEncoder]:
    missing = [name for name in (FRAMES, SCORE, ENCODER) if not (making / name).is_file()]
    if missing:
        raise ConfigError(
            f"{making} lacks {', '.join(missing)}: no network has been trained; run --stage "
            "train first"
        )
    return load_networks(making)


def _pair(
    clips: DecodedClips,
    channel: Callable,
    recipe: TrainingConfig,
    work: Path,
    workers: int,
    start: Path | None,
) -> joint.Pair:
    """Both networks after training with this configuration."""
    crop = int(recipe.crop_s * SAMPLE_RATE_HZ)
    batches = Batches(clips, channel, recipe.batch, crop, recipe.seed)
    network = first_encoder(recipe, batches, work, workers, start)
    plan = TrainingPlan(
        recipe.steps, recipe.batch, crop, recipe.rate, recipe.weight_decay, recipe.seed
    )
    return joint.train(network, batches, plan, work / "networks", workers, start)


def _embedder(
    pair: joint.Pair,
    clips: DecodedClips,
    channel: Callable,
    recipe: TrainingConfig,
    work: Path,
    workers: int,
) -> embedding.Embedder:
    """The network that makes the index's vectors from both networks' frames."""
    plan = TrainingPlan(
        recipe.embedding_steps,
        2 * recipe.batch,
        BLOCK_SAMPLES,
        recipe.rate,
        recipe.weight_decay,
        recipe.seed,
    )
    batches = Batches(clips, channel, plan.batch, BLOCK_SAMPLES, plan.seed, paired=True)
    return embedding.train(pair, batches, plan, work / "embedding", workers)


def seal(
    train: DecodedClips,
    dev: DecodedClips,
    making: Path,
    recipe: TrainingConfig,
    channel: Callable,
    draw: Callable | None = None,
    licences: str = "all",
    conditions: Mapping[str, Callable] | None = None,
    start: Path | None = None,
) -> None:
    """Add calibration, replay, card, manifest and, with `draw`, figures to the networks and the
    index in `making`.

    `start` is the bundle that training continued from; its configuration is reported too.
    """
    spectral, blocks = _networks(making)
    if not (making / VECTORS).is_file():
        raise ConfigError(
            f"{making} lacks {VECTORS}: there is no index yet; run --stage index first"
        )
    index = BundleIndex.load(making / VECTORS, making / REFERENCES, blocks.id, blocks.id)
    kept = {making / name for name in (*WEIGHTS, BACKBONE, *map(CLUSTERS_FILE.format, LABELS))}
    for earlier in set(making.iterdir()) - kept:
        earlier.unlink()

    def score(alter: Callable | None, chosen: Iterable[int] | None = None) -> Windows:
        return score_windows(dev, spectral, blocks, index, alter, recipe.seed, chosen)

    windows = [score(alter) for alter in (None, channel)]
    if not write_replay(making, dev, score, windows, conditions or {}, recipe.seed):
        print(
            "the development set has too few systems or speakers to hold some back, so this "
            "bundle cannot be retrained from labels"
        )
    closeness = fit_closeness(dev, blocks, index, channel, recipe.seed)
    calibration = replace(calibrate(join(windows), dev), closeness=closeness)
    if draw is not None:
        _figures(making, draw, *clip_llrs(windows[0], calibration, dev))
    training = describe_data(train, dev, recipe, len(index), licences)
    if (making / BACKBONE).is_file():
        training["backbone"] = OnnxModel(making / BACKBONE).metadata
    if start is not None:
        earlier = read_manifest(start)["training"]
        training["before"] = [*earlier.get("before", []), earlier["recipe"]]
    write_sources(making / SOURCES, {"train": train.clips, "dev": dev.clips})
    write_card(making / CARD, training, {})
    write_manifest(making, "radd", calibration, training, {})


def _figures(making: Path, draw: Callable, bonafide: np.ndarray, spoof: np.ndarray) -> None:
    """Figures in the work directory around `making`, and small SVG versions beside the card."""
    work = making.parent
    kept = {name: work / name / LOSSES for name in NETWORKS if (work / name / LOSSES).is_file()}
    draw(work, {name: read_losses(file) for name, file in kept.items()}, bonafide, spoof)
    for figure in work.glob("*.svg"):
        shutil.copy(figure, making)


def _forget_others(
    work: Path, clips: list[str], recipe: TrainingConfig, start: Path | None
) -> None:
    """Remove the checkpoints of a run with other clips or another starting network."""
    chosen = recipe.encoder, recipe.encoder_layer, recipe.encoder_frozen, recipe.emphasis, start
    key = "\n".join([*map(str, chosen), *clips])
    digest, kept = hashlib.sha256(key.encode()).hexdigest(), work / "learned-from.sha256"
    if kept.is_file() and kept.read_text() != digest:
        for network in NETWORKS:
            shutil.rmtree(work / network, ignore_errors=True)
    kept.write_text(digest)
