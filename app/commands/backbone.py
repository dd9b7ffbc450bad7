"""train.py backbone and crossval: the pretrained networks, and how far a head on them carries."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from app.settings import load
from generative.channel import Channel
from radd.dataset import DecodedClips, read_corpus
from radd.errors import ConfigError
from radd.metrics import cllr, eer, error_rates
from radd.score_files import ScoredTrials, write_trials
from radd.trials import Trials
from training.backbones import distill_mos, whisper
from training.backbones.backbone import Backbone, export_backbone
from training.block_features import block_features
from training.crossval import cross_validate, error_rate_inside_sources, false_alarm_rate, labels_of
from training.head import HeadPlan


def make(arguments: argparse.Namespace) -> None:
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
        Channel.read(arguments.noise, recipe.rawboost),
        recipe.channel_copies,
        recipe.seed,
        arguments.work / "blocks",
        arguments.jobs,
    )
    plan = HeadPlan(epochs=recipe.head_epochs, seeds=recipe.head_seeds)
    llrs = cross_validate(clips.clips, blocks, arguments.folds, plan, recipe.seed)
    _report(clips, llrs, arguments.out)


def _report(clips: DecodedClips, llrs: np.ndarray, out: Path) -> None:
    scored = [(clip, llr) for clip, llr in zip(clips.clips, llrs, strict=True) if np.isfinite(llr)]
    judged = [clip for clip, _ in scored]
    values, bonafide = np.array([llr for _, llr in scored]), labels_of(judged) == 1
    trials = Trials(
        "cross-validation",
        [clip.utt for clip in judged],
        ~bonafide,
        [clip.speaker for clip in judged],
        [clip.system for clip in judged],
        {"source": [clip.source for clip in judged], "lang": [clip.language for clip in judged]},
    )
    write_trials(out, ScoredTrials(trials, values))
    real, fake = values[bonafide], values[~bonafide]
    inside, sources = error_rate_inside_sources(values, judged)
    print(f"clips: {len(real)} bona fide, {len(fake)} spoof, {len(clips) - len(judged)} unscored")
    print(f"EER, pooled: {100 * eer(error_rates(real, fake))[0]:.1f} %")
    print(f"EER, mean inside {sources} sources: {100 * inside:.1f} %")
    print(f"real called fake at 10 % missed: {100 * false_alarm_rate(real, fake, 0.1):.1f} %")
    print(f"Cllr: {cllr(real, fake):.3f} bit")
    print(f"{out} has the scores; evaluate.py metrics --scores {out} says more")
