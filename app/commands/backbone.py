"""train.py backbone and crossval: the pretrained networks, and how far a head on them carries."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.settings import load
from generative.presentation import channel_of
from radd.dataset import DecodedClips, read_corpus
from radd.errors import ConfigError
from radd.parallel import Workers
from training.backbones import distill_mos, whisper
from training.backbones.backbone import Backbone, export_backbone
from training.backbones.cut import cut_backbone
from training.block_features import block_features
from training.crossval import cross_validate
from training.crossval_report import report
from training.head import HeadPlan


def make(arguments: argparse.Namespace) -> None:
    """Make the backbone of the command line."""
    if arguments.blocks is not None and arguments.cut is None:
        raise ConfigError("--blocks cuts an existing backbone; name it with --cut FILE")
    if arguments.cut is not None:
        cut_backbone(arguments.cut, arguments.out, arguments.blocks)
    elif arguments.distill_mos is None:
        raise ConfigError("--whisper needs --distill-mos FILE, the other network of a backbone")
    else:
        network = Backbone(distill_mos.load(arguments.distill_mos), whisper.load(arguments.whisper))
        export_backbone(network.eval(), arguments.out)
    print(f"{arguments.out} is ready; train.py fit takes it as [training] backbone")


def crossval(arguments: argparse.Namespace) -> None:
    """Score every clip of both sides of the corpora by heads of other folds."""
    recipe = load(arguments.config).training
    if not Path(recipe.backbone).is_file():
        raise ConfigError(
            f"[training] backbone = {recipe.backbone!r} is no file; cross-validation needs one, "
            "such as backbone.onnx of a bundle"
        )
    sides = [(folder, side) for folder in arguments.data for side in ("train", "dev")]
    known = [clip for folder, side in sides for clip in read_corpus(folder, side)]
    clips = DecodedClips(known, arguments.work / "decoded", arguments.jobs)
    blocks = block_features(
        clips,
        Path(recipe.backbone),
        channel_of(recipe, arguments.noise),
        recipe.channel_copies,
        recipe.seed,
        arguments.work / "blocks",
        Workers(arguments.jobs),
    )
    plan = HeadPlan(epochs=recipe.head_epochs, seeds=recipe.head_seeds)
    llrs = cross_validate(clips.clips, blocks, arguments.folds, plan, recipe.seed)
    print(report(clips.clips, llrs, arguments.out))
