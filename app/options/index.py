"""The options of train.py index."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.options.values import OTHER_DATABASE, Commands, database_url

LABELS = {"fake": "spoof", "real": "bonafide"}


def add_index(commands: Commands) -> None:
    """Add `train.py index`; `action` of the parser's result is the name of its action."""
    parser = commands.add_parser(
        "index", help="add confirmed recordings as known voices, without training"
    )
    parser.set_defaults(command="index.index")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    common, review = _common(), _review()
    _add_add(actions, [common, review])
    _add_remove(actions, [common, review])
    restoring = actions.add_parser(
        "restore", parents=[common], help="show references of the bundle again"
    )
    restoring.set_defaults(action="restore")
    restoring.add_argument("ids", nargs="+", metavar="ID")

    listing = actions.add_parser("list", parents=[common], help="what was added")
    listing.set_defaults(action="list")
    listing.add_argument("--label", choices=LABELS)
    listing.add_argument("--source", metavar="TEXT", help="only sources whose name contains TEXT")

    forgetting = actions.add_parser(
        "forget",
        parents=[common],
        help="delete what only bundles with another encoder can use, as its audio is not stored",
    )
    forgetting.set_defaults(action="forget")

    counting = actions.add_parser("stats", parents=[common], help="count the references")
    counting.set_defaults(action="stats")


def _common() -> argparse.ArgumentParser:
    """The options of every action."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="model bundle to use instead of the configured one",
    )
    common.add_argument("--url", type=database_url, help=OTHER_DATABASE)
    common.add_argument(
        "--config", type=Path, metavar="FILE", help="settings that override config.toml"
    )
    return common


def _review() -> argparse.ArgumentParser:
    """The options of the actions that somebody answers for."""
    review = argparse.ArgumentParser(add_help=False)
    review.add_argument("--reviewer", default="", metavar="NAME", help="who says so")
    review.add_argument("--reason", default="", metavar="TEXT", help="and why")
    return review


def _add_add(actions: Commands, parents: list[argparse.ArgumentParser]) -> None:
    adding = actions.add_parser(
        "add", parents=parents, help="add recordings of any format as known voices"
    )
    adding.set_defaults(action="add")
    adding.add_argument("files", nargs="+", type=Path, metavar="FILE")
    adding.add_argument("--label", choices=LABELS, required=True, help="label of the recordings")
    adding.add_argument("--system", default="-", metavar="S", help="what synthesised them")
    adding.add_argument("--source", default="-", metavar="S", help="their origin")
    adding.add_argument("--licence", default="unstated", metavar="L")


def _add_remove(actions: Commands, parents: list[argparse.ArgumentParser]) -> None:
    removing = actions.add_parser(
        "remove",
        parents=parents,
        help="delete added recordings, hide references of the bundle",
    )
    removing.set_defaults(action="remove")
    removing.add_argument(
        "ids",
        nargs="+",
        metavar="ID",
        help="id as shown by `list` or in the neighbours of an alert",
    )
