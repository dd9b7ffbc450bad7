"""The options of the commands of train.py that learn: fit, crossval and weigh."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from app.options.values import Commands, add_engine, at_least
from radd.resources import resource, writable
from training.baselines import MODELS
from training.config import STAGES

SHIPPED = "radd"


def add_fit(commands: Commands) -> None:
    """Add `train.py fit`."""
    fit = commands.add_parser("fit", help="train a bundle; resumes a killed run")
    fit.set_defaults(command="fit.fit")
    fit.add_argument(
        "--model",
        choices=(SHIPPED, *MODELS),
        default=SHIPPED,
        help=f"model to train: {SHIPPED}, the shipped one, or a baseline for comparison, see "
        "bench/baselines.md",
    )
    _add_corpora(fit)
    _add_choice_of_clips(fit)
    _add_beginning(fit)
    fit.add_argument(
        "--jobs",
        type=int,
        default=os.cpu_count(),
        metavar="N",
        help="number of processes, default the number of cores",
    )
    add_engine(fit)
    fit.add_argument(
        "--stage",
        choices=STAGES,
        help="run only this stage, with the results of earlier ones in --work, as dvc.yaml does",
    )


def _add_corpora(fit: argparse.ArgumentParser) -> None:
    add = fit.add_argument
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


def _add_choice_of_clips(fit: argparse.ArgumentParser) -> None:
    add = fit.add_argument
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


def _add_beginning(fit: argparse.ArgumentParser) -> None:
    add = fit.add_argument
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


def add_crossval(commands: Commands) -> None:
    """Add `train.py crossval`."""
    crossing = commands.add_parser(
        "crossval", help="score every clip by heads that never met its source"
    )
    crossing.set_defaults(command="backbone.crossval")
    _add_training(crossing)
    crossing.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="scores as CSV, for evaluate.py"
    )
    crossing.add_argument(
        "--folds", type=at_least(2), default=5, metavar="N", help="parts of the sources, default 5"
    )
    crossing.add_argument(
        "--jobs", type=at_least(1), default=1, metavar="N", help="processes, default 1"
    )


def add_weigh(commands: Commands) -> None:
    """Add `train.py weigh`."""
    weighing = commands.add_parser(
        "weigh", help="measure the weight of confirmed references for an existing bundle"
    )
    weighing.set_defaults(command="bundles.weigh")
    weighing.add_argument("--bundle", type=Path, default=resource("models/default"), metavar="DIR")
    _add_training(weighing)


def _add_training(parser: argparse.ArgumentParser) -> None:
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
