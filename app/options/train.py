"""The command line of train.py."""

from __future__ import annotations

import argparse

from app.options import index
from app.options.bundles import add_backbone, add_card, add_import, add_models
from app.options.enrolling import add_enrol
from app.options.fitting import add_crossval, add_fit, add_weigh
from app.options.generation import add_generate
from app.options.retraining import add_drift, add_promote, add_retrain, add_rollback

DESCRIPTION = """\
Train, import, describe and choose model bundles.

`fit` trains a bundle from labelled speech, `generate` makes synthetic speech to train on, `card`
copies measured numbers into a bundle, and `index` adds known voices to a running one. `enrol` fits
a running one to your line. `retrain` learns from labels, `promote` and `rollback` choose the bundle
in use, and `drift` shows how far recent audio is from known voices.
"""
# in the order in which --help lists them
COMMANDS = (
    add_fit,
    add_generate,
    index.add_index,
    add_enrol,
    add_card,
    add_crossval,
    add_backbone,
    add_weigh,
    add_import,
    add_models,
    add_retrain,
    add_promote,
    add_rollback,
    add_drift,
)


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Parse the arguments of train.py; exits with a message for an invalid one."""
    return parser().parse_args(argv)


def parser() -> argparse.ArgumentParser:
    """The parser of train.py."""
    parser = argparse.ArgumentParser("train.py", description=DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add_command in COMMANDS:
        add_command(commands)
    return parser
