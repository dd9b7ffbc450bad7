"""Makes and describes model bundles.

`fit` trains one from labelled speech, `generate` makes synthetic speech to learn from, `card` copies measured numbers
into a bundle, and `index` adds known voices to one that listens.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

from storage.index_command import add_options

ROOT = Path(__file__).parent
PROVED = ("telephone-mulaw", "noise10")  # conditions of evaluation that a retrained bundle must not be worse under


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    from stream.runtime import exit_code

    return exit_code(lambda: arguments.command(arguments))


def fit(arguments: argparse.Namespace) -> None:
    from evaluation.conditions import CONDITIONS
    from evaluation.training_figures import draw_training
    from generative.channel import Channel
    from settings import load
    from training.fit import fit
    from training.selection import Selection

    recipe = load(arguments.config).training
    channel = (
        Channel.read(arguments.noise, recipe.rawboost) if arguments.noise else Channel(rawboost=recipe.rawboost)
    )
    selection = Selection.read(arguments.licences, arguments.exclude)
    fit(arguments.data, selection, arguments.out, arguments.work, recipe, channel, draw_training, arguments.jobs,
        arguments.start, {name: CONDITIONS[name] for name in PROVED})
    print(f"{arguments.out} is ready; measure it with evaluate.py, then: train.py card --bundle {arguments.out} --metrics ...")


def engines(arguments: argparse.Namespace) -> None:
    from generative.corpus import write_corpus
    from generative.engines import installed, plan_engines, speak

    voices, missing = installed()
    for engine in missing:
        print(f"left out, not installed: {engine}")
    plans = plan_engines(voices, arguments.clips, arguments.seed)
    told(arguments.out, plans, write_corpus(arguments.out, plans, speak, arguments.jobs))


def copies(arguments: argparse.Namespace) -> None:
    from generative.copy_synthesis import copier, plan_copies
    from generative.corpus import write_corpus
    from generative.sources import train_clips

    real = train_clips(arguments.data, "bonafide")
    plans = plan_copies(real, arguments.clips, arguments.seed)
    told(arguments.out, plans, write_corpus(arguments.out, plans, copier(real), arguments.jobs))


def gan(arguments: argparse.Namespace) -> None:
    from generative import gan
    from generative.corpus import write_corpus
    from generative.sources import place_of, train_clips

    real, sizes = train_clips(arguments.data, "bonafide"), arguments.size or ["tiny"]
    work = place_of(real, arguments.work)
    gan.train(real, work, sizes, arguments.steps, arguments.seed, arguments.minutes)
    plans = gan.plan_copies(real, work, sizes, arguments.clips, arguments.seed)
    told(arguments.out, plans, write_corpus(arguments.out, plans, gan.copier(real, work), arguments.jobs))
    for system, distance in gan.distances(plans, real, work).items():
        print(f"{system}: mel spectra {distance:.1f} dB from their sources' on average")


def vae(arguments: argparse.Namespace) -> None:
    from generative import vae
    from generative.corpus import write_corpus
    from generative.sources import place_of, train_clips

    real, fake = (train_clips(arguments.data, label) for label in ("bonafide", "spoof"))
    network = vae.train(real, place_of(real, arguments.work), arguments.steps, arguments.seed, arguments.minutes)
    plans = vae.plan_clips(real, fake, arguments.clips, arguments.seed)
    told(arguments.out, plans, write_corpus(arguments.out, plans, vae.maker(network, real + fake), arguments.jobs))


def told(out: Path, plans: list, left_out: list[str]) -> None:
    for line in left_out:
        print(f"left out: {line}")
    print(f"{out} holds {len(plans) - len(left_out)} clips; learn from it with train.py fit --data ... --data {out}")


def index(arguments: argparse.Namespace) -> None:
    from settings import load
    from storage.confirming import Confirming

    settings = load(arguments.config)
    bundle, url = arguments.bundle or ROOT / settings.model.bundle, arguments.url or settings.storage.url
    with Confirming(bundle, url) as confirming:
        arguments.action(confirming, arguments)


def card(arguments: argparse.Namespace) -> None:
    from training.card import add_metrics

    add_metrics(arguments.bundle, dict(arguments.metrics))
    print(f"{arguments.bundle / 'card.md'} holds the numbers of {', '.join(name for name, _ in arguments.metrics)}")


def models(arguments: argparse.Namespace) -> None:
    from training.models import list_models

    print(list_models(arguments.directory))


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("train.py", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    making = commands.add_parser("fit", help="train a bundle; goes on where a killed run stopped")
    making.set_defaults(command=fit)
    add = making.add_argument
    add("--data", type=Path, action="append", required=True, metavar="DIR",
        help="a corpus with protocol.train.txt and protocol.dev.txt; may be given many times")
    add("--out", type=Path, default=ROOT / "models" / "default", metavar="DIR", help="the bundle, default models/default")
    add("--work", type=Path, default=ROOT / "build" / "fit", metavar="DIR", help="decoded audio and checkpoints")
    add("--noise", type=Path, metavar="DIR", help="recorded noises in DIR/noise and room responses in DIR/rir")
    add("--exclude", type=Path, metavar="FILE", help="speakers to leave out, one a line: kept for measuring")
    add("--licences", choices=("all", "permissive"), default="all",
        help="permissive leaves out clips whose licence is unstated, non-commercial or in doubt; default all")
    add("--start", type=Path, metavar="DIR", help="a bundle whose network on the spectrum learns on; else it begins anew")
    add("--config", type=Path, metavar="FILE", help="settings that override config.toml, section [training]")
    add("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes, default the number of cores")
    generators = commands.add_parser("generate", help="make synthetic speech to learn from; goes on after a kill")
    generators = generators.add_subparsers(required=True, metavar="GENERATOR")
    generator(generators, "engines", engines, "sentences by the speech engines that are installed")
    copying = generator(generators, "copies", copies, "the train side's real speech by vocoders without a network")
    copying.add_argument("--data", type=Path, action="append", required=True, metavar="DIR",
                         help="a corpus whose bona fide clips are copied; may be given many times")
    convincing = learner(generators, "gan", gan, "the train side's real speech by vocoders that learn from it", 4000)
    convincing.add_argument("--size", action="append", metavar="NAME",
                            help="tiny, small or paper (for a graphics card); may be given many times, default tiny")
    learner(generators, "vae", vae, "the train side's speech decoded from its spectra, or with a learned gain", 3000)
    learning = commands.add_parser("index", help="what people confirm is known from then on, without training")
    learning.set_defaults(command=index)
    add_options(learning)
    numbers = commands.add_parser("card", help="copy the numbers that evaluate.py measured into a bundle's card")
    numbers.set_defaults(command=card)
    numbers.add_argument("--bundle", type=Path, default=ROOT / "models" / "default", metavar="DIR")
    numbers.add_argument("--metrics", type=named_file, action="append", required=True, metavar="NAME=FILE",
                         help="metrics.json or stream.json and the name of the run; may be given many times")
    shelf = commands.add_parser("models", help="list the bundles that are here and whether they are whole")
    shelf.set_defaults(command=models)
    shelf.add_argument("directory", type=Path, nargs="?", default=ROOT / "models", metavar="DIR", help="default models")
    return parser.parse_args(argv)


def generator(group, name: str, command: Callable, help: str) -> argparse.ArgumentParser:
    """Add a generator to the group, with the options that all have."""
    making = group.add_parser(name, help=help)
    making.set_defaults(command=command)
    add = making.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="the corpus to be made")
    add("--clips", type=at_least(1), default=600, metavar="N", help="how many, default 600")
    add("--seed", type=at_least(0), default=1, metavar="S", help="the same seed makes the same clips, default 1")
    add("--jobs", type=at_least(1), default=1, metavar="N", help="processes, default 1")
    return making


def learner(group, name: str, command: Callable, help: str, steps: int) -> argparse.ArgumentParser:
    """Add a generator that learns from the corpora first."""
    making = generator(group, name, command, help)
    add = making.add_argument
    add("--data", type=Path, action="append", required=True, metavar="DIR",
        help="a corpus to learn from and to make over; may be given many times")
    add("--work", type=Path, default=ROOT / "build" / name, metavar="DIR", help="decoded audio and checkpoints")
    add("--steps", type=int, default=steps, metavar="N", help=f"of learning, default {steps}")
    add("--minutes", type=float, default=math.inf, metavar="M", help="end learning after so long; again, it goes on")
    return making


def at_least(low: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from {low} on")
        return int(text)

    return number


def named_file(text: str) -> tuple[str, Path]:
    name, _, file = text.rpartition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=FILE, as in clean=metrics.json")
    return name, Path(file)


if __name__ == "__main__":
    sys.exit(main())
