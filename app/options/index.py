"""The options of train.py index."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.options.values import OTHER_DATABASE, database_url

LABELS = {"fake": "spoof", "real": "bonafide"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `train.py index`; `action` of the parser's result is the name of one."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
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
    review = argparse.ArgumentParser(add_help=False)
    review.add_argument("--reviewer", default="", metavar="NAME", help="who says so")
    review.add_argument("--reason", default="", metavar="TEXT", help="and why")

    adding = actions.add_parser(
        "add", parents=[common, review], help="add recordings of any format as known voices"
    )
    adding.set_defaults(action="add")
    adding.add_argument("files", nargs="+", type=Path, metavar="FILE")
    adding.add_argument("--label", choices=LABELS, required=True, help="label of the recordings")
    adding.add_argument("--system", default="-", metavar="S", help="what synthesised them")
    adding.add_argument("--source", default="-", metavar="S", help="their origin")
    adding.add_argument("--licence", default="unstated", metavar="L")

    removing = actions.add_parser(
        "remove",
        parents=[common, review],
        help="delete added recordings, hide references of the bundle",
    )
    removing.set_defaults(action="remove")
    removing.add_argument(
        "ids",
        nargs="+",
        metavar="ID",
        help="id as shown by `list` or in the neighbours of an alert",
    )

    restoring = actions.add_parser(
        "restore", parents=[common], help="show references of the bundle again"
    )
    restoring.set_defaults(action="restore")
    restoring.add_argument("ids", nargs="+", metavar="ID")

    listing = actions.add_parser("list", parents=[common], help="what was added")
    listing.set_defaults(action="list")
    listing.add_argument("--label", choices=LABELS)
    listing.add_argument("--source", metavar="TEXT", help="only sources whose name contains TEXT")

    counting = actions.add_parser("stats", parents=[common], help="count the references")
    counting.set_defaults(action="stats")
