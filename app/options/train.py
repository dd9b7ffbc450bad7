"""The command line of train.py."""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

from app.options.index import add_options
from app.options.values import at_least, named_file, named_label, span
from radd.resources import resource, writable
from training.baselines import MODELS
from training.config import STAGES

DESCRIPTION = """\
Makes and describes model bundles.

`fit` trains one from labelled speech, `generate` makes synthetic speech to learn from, `card`
copies measured numbers into a bundle, and `index` adds known voices to one that listens. `retrain`
learns from what people have labelled, `promote` and `rollback` choose the bundle in use, and
`drift` tells how far the sound is from what it knows.
"""
SHIPPED = "radd"


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The arguments of train.py; ends the program for a wrong one."""
    parser = argparse.ArgumentParser("train.py", description=DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    making = commands.add_parser("fit", help="train a bundle; goes on where a killed run stopped")
    making.set_defaults(command="fit.fit")
    add = making.add_argument
    add(
        "--model",
        choices=(SHIPPED, *MODELS),
        default=SHIPPED,
        help=f"what learns: {SHIPPED}, the one that ships, or a baseline to compare it with, see "
        "bench/baselines.md",
    )
    add(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="a corpus with protocol.train.txt and protocol.dev.txt; may be given many times",
    )
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help=f"the bundle, default models/default of {SHIPPED}, else models/NAME",
    )
    add(
        "--work",
        type=Path,
        default=writable("build/fit"),
        metavar="DIR",
        help="decoded audio and checkpoints",
    )
    add(
        "--noise",
        type=Path,
        metavar="DIR",
        help="recorded noises in DIR/noise and room responses in DIR/rir",
    )
    add(
        "--exclude",
        type=Path,
        metavar="FILE",
        help="speakers to leave out, one a line: kept for measuring",
    )
    add(
        "--licences",
        choices=("all", "permissive"),
        default="all",
        help="permissive leaves out clips whose licence is unstated, non-commercial or in doubt; "
        "default all",
    )
    add(
        "--start",
        type=Path,
        metavar="DIR",
        help="a bundle whose networks learn on; else they begin anew",
    )
    add(
        "--encoder",
        metavar="NAME|DIR",
        help="in place of [training] encoder: a Wav2Vec2-family model, hub name or directory",
    )
    add(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings that override config.toml, section [training]",
    )
    add(
        "--jobs",
        type=int,
        default=os.cpu_count(),
        metavar="N",
        help="processes, default the number of cores",
    )
    add(
        "--stage",
        choices=STAGES,
        help="this stage alone, from what those before it left in --work; dvc.yaml does so",
    )
    generators = commands.add_parser(
        "generate", help="make synthetic speech to learn from; goes on after a kill"
    )
    generators = generators.add_subparsers(required=True, metavar="GENERATOR")
    generator(
        generators,
        "engines",
        "generate.engines",
        "sentences by the speech engines that are installed",
    )
    copying = generator(
        generators,
        "copies",
        "generate.copies",
        "the train side's real speech by vocoders without a network",
    )
    copying.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="a corpus whose bona fide clips are copied; may be given many times",
    )
    convincing = learner(
        generators,
        "gan",
        "generate.gan",
        "the train side's real speech by vocoders that learn from it",
        4000,
    )
    convincing.add_argument(
        "--size",
        action="append",
        metavar="NAME",
        help="tiny, small or paper (for a graphics card); may be given many times, default tiny",
    )
    learner(
        generators,
        "vae",
        "generate.vae",
        "the train side's speech decoded from its spectra, or with a learned gain",
        3000,
    )
    learning = commands.add_parser(
        "index", help="what people confirm is known from then on, without training"
    )
    learning.set_defaults(command="index.index")
    add_options(learning)
    numbers = commands.add_parser(
        "card", help="copy the numbers that evaluate.py measured into a bundle's card"
    )
    numbers.set_defaults(command="bundles.card")
    numbers.add_argument("--bundle", type=Path, default=resource("models/default"), metavar="DIR")
    numbers.add_argument(
        "--metrics",
        type=named_file,
        action="append",
        required=True,
        metavar="NAME=FILE",
        help="metrics.json, stream.json or heard.json and the name of the run; may be given many "
        "times",
    )
    numbers.add_argument(
        "--out", type=Path, metavar="DIR", help="a copy that has them; the bundle stays as it is"
    )
    crossing = commands.add_parser(
        "crossval", help="score every clip by heads that never met its source"
    )
    crossing.set_defaults(command="backbone.crossval")
    add_training(crossing)
    crossing.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="scores as CSV, for evaluate.py"
    )
    crossing.add_argument(
        "--folds", type=at_least(2), default=5, metavar="N", help="parts of the sources, default 5"
    )
    crossing.add_argument(
        "--jobs", type=at_least(1), default=1, metavar="N", help="processes, default 1"
    )
    joining = commands.add_parser(
        "backbone", help="cut and join the pretrained networks that a head learns on"
    )
    joining.set_defaults(command="backbone.make")
    joining.add_argument(
        "--whisper",
        required=True,
        metavar="NAME|DIR|FILE",
        help="a Whisper model of transformers, or CTranslate2's model.bin",
    )
    joining.add_argument(
        "--distill-mos",
        type=Path,
        required=True,
        metavar="FILE",
        help="distill_mos_v7.pt of the package distillmos",
    )
    joining.add_argument("--out", type=Path, required=True, metavar="FILE")
    saying = commands.add_parser(
        "weigh", help="measure how much a confirmation says to a bundle; fit does so for its own"
    )
    saying.set_defaults(command="bundles.weigh")
    saying.add_argument("--bundle", type=Path, default=resource("models/default"), metavar="DIR")
    add_training(saying)
    foreign = commands.add_parser(
        "import", help="an audio classifier of the hub, or saved by transformers, as a bundle"
    )
    foreign.set_defaults(command="bundles.import_from_hub")
    foreign.add_argument("named", metavar="hf:NAME|hf:DIR")
    foreign.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="the bundle; default where --bundle hf:NAME looks for it",
    )
    foreign.add_argument(
        "--label",
        type=named_label,
        action="append",
        default=[],
        metavar="CLASS=bonafide|spoof",
        help="what a class means where its name does not say so; may be given many times",
    )
    foreign.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a corpus whose dev side calibrates the scores; may be given many times",
    )
    foreign.add_argument(
        "--work", type=Path, default=writable("build/import"), metavar="DIR", help="decoded audio"
    )
    foreign.add_argument(
        "--jobs", type=at_least(1), default=1, metavar="N", help="processes that decode, default 1"
    )
    shelf = commands.add_parser(
        "models", help="list the bundles that are here and whether they are whole"
    )
    shelf.set_defaults(command="bundles.models")
    shelf.add_argument(
        "directory",
        type=Path,
        nargs="?",
        default=resource("models"),
        metavar="DIR",
        help="default models",
    )
    again = commands.add_parser(
        "retrain", help="learn from what people have labelled, if enough is new"
    )
    again.set_defaults(command="retrain.retrain")
    often = again.add_mutually_exclusive_group(required=True)
    often.add_argument("--once", action="store_true", help="one round, for a timer")
    again.add_argument(
        "--asked", metavar="ID", help=argparse.SUPPRESS
    )  # the console's: the row that tells how it goes
    often.add_argument(
        "--every", type=span, metavar="SPAN", help="a round each so often, as 24h or 30m"
    )
    again.add_argument(
        "--work",
        type=Path,
        default=writable("build/retrain"),
        metavar="DIR",
        help="scores of clips while a round lasts",
    )
    promoting = commands.add_parser(
        "promote", help="put a bundle to use, without a restart of what listens"
    )
    promoting.set_defaults(command="retrain.choose")
    promoting.add_argument("name", metavar="NAME", help="its directory beside the configured one")
    back = commands.add_parser(
        "rollback", help="put the bundle to use again that was in use before"
    )
    back.set_defaults(command="retrain.choose", name=None)
    far = commands.add_parser(
        "drift", help="how far the sound of each stream and day is from known voices"
    )
    far.set_defaults(command="retrain.drift")
    far.add_argument(
        "--days", type=at_least(1), default=14, metavar="N", help="today included, default 14"
    )
    far.add_argument("--plot", type=Path, metavar="FILE", help="draw them into this SVG file")
    for choosing in (promoting, back):
        choosing.add_argument("--reason", default="", metavar="TEXT")
    for with_database in (again, promoting, back, far):
        with_database.add_argument("--url", help="the database, instead of the one in [storage]")
        with_database.add_argument(
            "--config", type=Path, metavar="FILE", help="settings that override config.toml"
        )
    return parser.parse_args(argv)


def add_training(parser: argparse.ArgumentParser) -> None:
    """Add the corpora and the settings of training."""
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="a corpus; may be given many times",
    )
    add(
        "--noise",
        type=Path,
        metavar="DIR",
        help="recorded noises in DIR/noise and room responses in DIR/rir",
    )
    add("--work", type=Path, default=writable("build/fit"), metavar="DIR", help="decoded audio")
    add(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings that override config.toml, section [training]",
    )


def generator(group, name: str, command: str, help: str) -> argparse.ArgumentParser:
    """Add a generator to the group, with the options that all have."""
    making = group.add_parser(name, help=help)
    making.set_defaults(command=command)
    add = making.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="the corpus to be made")
    add("--clips", type=at_least(1), default=600, metavar="N", help="how many, default 600")
    add(
        "--seed",
        type=at_least(0),
        default=1,
        metavar="S",
        help="the same seed makes the same clips, default 1",
    )
    add("--jobs", type=at_least(1), default=1, metavar="N", help="processes, default 1")
    return making


def learner(group, name: str, command: str, help: str, steps: int) -> argparse.ArgumentParser:
    """Add a generator that learns from the corpora first."""
    making = generator(group, name, command, help)
    add = making.add_argument
    add(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="a corpus to learn from and to make over; may be given many times",
    )
    add(
        "--work",
        type=Path,
        default=writable(f"build/{name}"),
        metavar="DIR",
        help="decoded audio and checkpoints",
    )
    add("--steps", type=int, default=steps, metavar="N", help=f"of learning, default {steps}")
    add(
        "--minutes",
        type=float,
        default=math.inf,
        metavar="M",
        help="end learning after so long; again, it goes on",
    )
    return making
