"""train.py models, card, import and weigh: commands on existing bundles."""

from __future__ import annotations

import argparse

from app.settings import load
from generative.channel import Channel
from radd.dataset import DecodedClips, read_corpus
from radd.hub import place_of
from radd.registry import list_models
from training.card import add_metrics


def card(arguments: argparse.Namespace) -> None:
    """Copy measured numbers into the card of a bundle."""
    add_metrics(arguments.bundle, dict(arguments.metrics), arguments.out)
    told = (arguments.out or arguments.bundle) / "card.md"
    print(f"{told} contains the numbers of {', '.join(name for name, _ in arguments.metrics)}")


def import_from_hub(arguments: argparse.Namespace) -> None:
    """Convert an audio classifier to a bundle."""
    from training.hub_import import import_model  # it loads PyTorch

    out = arguments.out or place_of(arguments.named)
    import_model(
        arguments.named,
        out,
        dict(arguments.label),
        arguments.data,
        arguments.work,
        load().gate,
        arguments.jobs,
    )
    print(
        f"{out} is ready; use it in detect.py and evaluate.py with --bundle "
        f"{arguments.out or arguments.named}"
    )


def weigh(arguments: argparse.Namespace) -> None:
    """Measure the weight of confirmed references for an existing bundle."""
    recipe = load(arguments.config).training
    channel = Channel.read(arguments.noise, recipe.rawboost)
    clips = DecodedClips(
        [clip for directory in arguments.data for clip in read_corpus(directory, "dev")],
        arguments.work / "decoded",
        1,
    )
    from training.closeness import calibrate_closeness  # it needs scikit-learn

    rows = calibrate_closeness(arguments.bundle, clips, channel, recipe.seed)
    for label, (weight, offset, cap) in zip(("real", "fake"), rows, strict=True):
        counts = (
            f"counts from a closeness of {-offset / weight:.2f} on, up to {cap:.1f} nats"
            if weight
            else "says nothing"
        )
        print(f"a confirmed {label} recording {counts}")


def models(arguments: argparse.Namespace) -> None:
    """List the bundles below a directory."""
    print(list_models(arguments.directory))
