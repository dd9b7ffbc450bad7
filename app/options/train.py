"""The command line of train.py."""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

from app.options.index import add_options
from app.options.values import OTHER_DATABASE, at_least, database_url, named_file, named_label, span
from radd.resources import resource, writable
from training.baselines import MODELS
from training.config import STAGES

DESCRIPTION = """\
Train, import, describe and choose model bundles.

`fit` trains a bundle from labelled speech, `generate` makes synthetic speech to train on, `card`
copies measured numbers into a bundle, and `index` adds known voices to a running one. `retrain`
learns from labels, `promote` and `rollback` choose the bundle in use, and `drift` shows how far
recent audio is from known voices.
"""
SHIPPED = "radd"


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Parse the arguments of train.py; exits with a message for an invalid one."""
    parser = argparse.ArgumentParser("train.py", description=DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    making = commands.add_parser("fit", help="train a bundle; resumes a killed run")
    making.set_defaults(command="fit.fit")
    add = making.add_argument
    add(
        "--model",
        choices=(SHIPPED, *MODELS),
        default=SHIPPED,
        help=f"model to train: {SHIPPED}, the shipped one, or a baseline for comparison, see "
        "bench/baselines.md",
    )
    add(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="corpus with protocol.train.txt and protocol.dev.txt; repeatable",
    )
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help=f"output bundle, default models/default for {SHIPPED}, else models/NAME",
    )
    add(
        "--work",
        type=Path,
        default=writable("build/fit"),
        metavar="DIR",
        help="directory for decoded audio and checkpoints",
    )
    add(
        "--noise",
        type=Path,
        metavar="DIR",
        help="directory with recorded noise in DIR/noise and room responses in DIR/rir",
    )
    add(
        "--exclude",
        type=Path,
        metavar="FILE",
        help="file of speakers to exclude, one per line, for measuring",
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
        help="bundle to continue training from; default: from scratch",
    )
    add(
        "--encoder",
        metavar="NAME|DIR",
        help="Wav2Vec2-family model instead of [training] encoder: hub name or directory",
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
        help="number of processes, default the number of cores",
    )
    add(
        "--stage",
        choices=STAGES,
        help="run only this stage, with the results of earlier ones in --work, as dvc.yaml does",
    )
    generate = commands.add_parser(
        "generate", help="make synthetic speech to train on; resumes a killed run"
    )
    generators = generate.add_subparsers(required=True, metavar="GENERATOR")
    generator(
        generators,
        "engines",
        "generate.engines",
        "sentences spoken by the installed speech engines",
    )
    copying = generator(
        generators,
        "copies",
        "generate.copies",
        "copies of the training set's real speech by vocoders without a network",
    )
    copying.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="corpus whose bona fide clips are copied; repeatable",
    )
    convincing = learner(
        generators,
        "gan",
        "generate.gan",
        "copies of the training set's real speech by vocoders trained on it",
        4000,
    )
    convincing.add_argument(
        "--size",
        action="append",
        metavar="NAME",
        help="tiny, small or paper (for a GPU); repeatable, default tiny",
    )
    learner(
        generators,
        "vae",
        "generate.vae",
        "the training set's speech decoded from its spectra, or with a learned gain",
        3000,
    )
    learning = commands.add_parser(
        "index", help="add confirmed recordings as known voices, without training"
    )
    learning.set_defaults(command="index.index")
    add_options(learning)
    numbers = commands.add_parser(
        "card", help="copy numbers measured by evaluate.py into a bundle's card"
    )
    numbers.set_defaults(command="bundles.card")
    numbers.add_argument("--bundle", type=Path, default=resource("models/default"), metavar="DIR")
    numbers.add_argument(
        "--metrics",
        type=named_file,
        action="append",
        required=True,
        metavar="NAME=FILE",
        help="name of the run, and its metrics.json, stream.json or heard.json; repeatable",
    )
    numbers.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write a copy with the numbers and leave the bundle unchanged",
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
        "weigh", help="measure the weight of confirmed references for an existing bundle"
    )
    saying.set_defaults(command="bundles.weigh")
    saying.add_argument("--bundle", type=Path, default=resource("models/default"), metavar="DIR")
    add_training(saying)
    foreign = commands.add_parser(
        "import",
        help="convert an audio classifier from the hub, or saved by transformers, to a bundle",
    )
    foreign.set_defaults(command="bundles.import_from_hub")
    foreign.add_argument("named", metavar="hf:NAME|hf:DIR")
    foreign.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="output bundle; default: where --bundle hf:NAME looks for it",
    )
    foreign.add_argument(
        "--label",
        type=named_label,
        action="append",
        default=[],
        metavar="CLASS=bonafide|spoof",
        help="meaning of a class with an ambiguous name; repeatable",
    )
    foreign.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="corpus whose development set calibrates the scores; repeatable",
    )
    foreign.add_argument(
        "--work", type=Path, default=writable("build/import"), metavar="DIR", help="decoded audio"
    )
    foreign.add_argument(
        "--jobs",
        type=at_least(1),
        default=1,
        metavar="N",
        help="number of decoding processes, default 1",
    )
    shelf = commands.add_parser("models", help="list the bundles and whether they are intact")
    shelf.set_defaults(command="bundles.models")
    shelf.add_argument(
        "directory",
        type=Path,
        nargs="?",
        default=resource("models"),
        metavar="DIR",
        help="default models",
    )
    again = commands.add_parser("retrain", help="learn from labels, if there are enough new ones")
    again.set_defaults(command="retrain.retrain")
    often = again.add_mutually_exclusive_group(required=True)
    often.add_argument("--once", action="store_true", help="run one round, for a timer")
    again.add_argument(
        "--asked", metavar="ID", help=argparse.SUPPRESS
    )  # for the console: the row that records the progress
    often.add_argument(
        "--every",
        type=span,
        metavar="SPAN",
        help="run a round at this interval, for example 24h or 30m",
    )
    again.add_argument(
        "--work",
        type=Path,
        default=writable("build/retrain"),
        metavar="DIR",
        help="directory for clip scores during a round",
    )
    promoting = commands.add_parser(
        "promote", help="put a bundle into use, without restarting daemons"
    )
    promoting.set_defaults(command="retrain.choose")
    promoting.add_argument(
        "name", metavar="NAME", help="directory name beside the configured bundle"
    )
    back = commands.add_parser("rollback", help="go back to the previous bundle")
    back.set_defaults(command="retrain.choose", name=None)
    far = commands.add_parser(
        "drift", help="show the distance of each stream and day from known voices"
    )
    far.set_defaults(command="retrain.drift")
    far.add_argument(
        "--days",
        type=at_least(1),
        default=14,
        metavar="N",
        help="number of days, including today, default 14",
    )
    far.add_argument("--plot", type=Path, metavar="FILE", help="draw them to this SVG file")
    for choosing in (promoting, back):
        choosing.add_argument("--reason", default="", metavar="TEXT")
    for with_database in (again, promoting, back, far):
        with_database.add_argument("--url", type=database_url, help=OTHER_DATABASE)
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
        help="directory with recorded noise in DIR/noise and room responses in DIR/rir",
    )
    add("--work", type=Path, default=writable("build/fit"), metavar="DIR", help="decoded audio")
    add(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings that override config.toml, section [training]",
    )


def generator(group, name: str, command: str, help: str) -> argparse.ArgumentParser:
    """Add a generator to the group, with the options common to all."""
    making = group.add_parser(name, help=help)
    making.set_defaults(command=command)
    add = making.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="output corpus")
    add("--clips", type=at_least(1), default=600, metavar="N", help="number of clips, default 600")
    add(
        "--seed",
        type=at_least(0),
        default=1,
        metavar="S",
        help="random seed, default 1; the same seed makes the same clips",
    )
    add("--jobs", type=at_least(1), default=1, metavar="N", help="processes, default 1")
    return making


def learner(group, name: str, command: str, help: str, steps: int) -> argparse.ArgumentParser:
    """Add a generator that is trained on the corpora first."""
    making = generator(group, name, command, help)
    add = making.add_argument
    add(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="corpus to train on and to copy; repeatable",
    )
    add(
        "--work",
        type=Path,
        default=writable(f"build/{name}"),
        metavar="DIR",
        help="directory for decoded audio and checkpoints",
    )
    add("--steps", type=int, default=steps, metavar="N", help=f"training steps, default {steps}")
    add(
        "--minutes",
        type=float,
        default=math.inf,
        metavar="M",
        help="stop training after M minutes; run again to continue",
    )
    return making
