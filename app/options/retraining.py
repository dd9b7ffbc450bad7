"""The options of the commands of train.py about learning from labels and the bundle in use."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.options.values import OTHER_DATABASE, Commands, at_least, database_url, span
from radd.resources import writable


def add_retrain(commands: Commands) -> None:
    """Add `train.py retrain`."""
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
    _add_database(again)


def add_promote(commands: Commands) -> None:
    """Add `train.py promote`."""
    promoting = commands.add_parser(
        "promote", help="put a bundle into use, without restarting daemons"
    )
    promoting.set_defaults(command="retrain.choose")
    promoting.add_argument(
        "name", metavar="NAME", help="directory name beside the configured bundle"
    )
    _add_reason(promoting)
    _add_database(promoting)


def add_rollback(commands: Commands) -> None:
    """Add `train.py rollback`."""
    back = commands.add_parser("rollback", help="go back to the previous bundle")
    back.set_defaults(command="retrain.choose", name=None)
    _add_reason(back)
    _add_database(back)


def add_drift(commands: Commands) -> None:
    """Add `train.py drift`."""
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
    _add_database(far)


def _add_reason(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", default="", metavar="TEXT")


def _add_database(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", type=database_url, help=OTHER_DATABASE)
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings that override config.toml"
    )
