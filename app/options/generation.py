"""The options of train.py generate: one parser for each generator."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from app.options.values import Commands, add_engine, at_least
from radd.resources import writable


def add_generate(commands: Commands) -> None:
    """Add `train.py generate` with its generators."""
    generate = commands.add_parser(
        "generate", help="make synthetic speech to train on; resumes a killed run"
    )
    generators = generate.add_subparsers(required=True, metavar="GENERATOR")
    _generator(
        generators,
        "engines",
        "generate.engines",
        "sentences spoken by the installed speech engines",
    )
    _add_copies(generators)
    _add_gan(generators)
    _learner(
        generators,
        "vae",
        "generate.vae",
        "the training set's speech decoded from its spectra, or with a learned gain",
        3000,
    )


def _add_copies(generators: Commands) -> None:
    copying = _generator(
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


def _add_gan(generators: Commands) -> None:
    convincing = _learner(
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


def _generator(group: Commands, name: str, command: str, help: str) -> argparse.ArgumentParser:
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
    add_engine(making)
    return making


def _learner(
    group: Commands, name: str, command: str, help: str, steps: int
) -> argparse.ArgumentParser:
    """Add a generator that is trained on the corpora first."""
    making = _generator(group, name, command, help)
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
