"""train.py generate: synthetic speech for training."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.options.values import RAY
from generative.copy_synthesis import copier, plan_copies
from generative.corpus import ALONE, write_corpus
from generative.engines import installed, plan_engines, speak
from generative.sources import place_of, train_clips
from radd import ray_cluster
from radd.parallel import Workers


def engines(arguments: argparse.Namespace) -> None:
    """Make sentences spoken by installed speech engines."""
    voices, missing = installed()
    for engine in missing:
        print(f"skipped, not installed: {engine}")
    plans = plan_engines(voices, arguments.clips, arguments.seed)
    report(arguments.out, plans, write_corpus(arguments.out, plans, speak, workers_of(arguments)))


def copies(arguments: argparse.Namespace) -> None:
    """Make resynthesised copies of real speech."""
    real = train_clips(arguments.data, "bonafide")
    plans = plan_copies(real, arguments.clips, arguments.seed)
    report(
        arguments.out,
        plans,
        write_corpus(arguments.out, plans, copier(real), workers_of(arguments)),
    )


def workers_of(arguments: argparse.Namespace) -> Workers:
    """The processes of --jobs, or the actors of --engine ray."""
    if arguments.engine == RAY:
        return Workers(arguments.jobs, ray_cluster.work_in_order)
    return Workers(arguments.jobs) if arguments.jobs > 1 else ALONE


def report(out: Path, plans: list, left_out: list[str]) -> None:
    """Print what was skipped and what to do next."""
    for line in left_out:
        print(f"left out: {line}")
    print(
        f"{out} contains {len(plans) - len(left_out)} clips; train on it with train.py fit --data "
        f"... --data {out}"
    )


def gan(arguments: argparse.Namespace) -> None:
    """Train HiFi-GAN vocoders and make copies with them."""
    from generative import gan  # it loads PyTorch

    real, sizes = train_clips(arguments.data, "bonafide"), arguments.size or ["tiny"]
    work = place_of(real, arguments.work)
    gan.train(real, work, sizes, arguments.steps, arguments.seed, arguments.minutes)
    plans = gan.plan_copies(real, work, sizes, arguments.clips, arguments.seed)
    report(
        arguments.out,
        plans,
        write_corpus(arguments.out, plans, gan.copier(real, work), workers_of(arguments)),
    )
    for system, distance in gan.distances(plans, real, work).items():
        print(f"{system}: mel spectra {distance:.1f} dB from their sources' on average")


def vae(arguments: argparse.Namespace) -> None:
    """Train an autoencoder of spectra and make clips with it."""
    from generative import vae  # it loads PyTorch

    real, fake = (train_clips(arguments.data, label) for label in ("bonafide", "spoof"))
    network = vae.train(
        real, place_of(real, arguments.work), arguments.steps, arguments.seed, arguments.minutes
    )
    plans = vae.plan_clips(real, fake, arguments.clips, arguments.seed)
    report(
        arguments.out,
        plans,
        write_corpus(arguments.out, plans, vae.maker(network, real + fake), workers_of(arguments)),
    )
