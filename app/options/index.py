"""The words of `train.py index` and what they print; the work is in storage/reference_store.py."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.reference_store import ReferenceStore

LABELS = {"fake": "spoof", "real": "bonafide"}
NOT_HEEDED = (
    "warning: this bundle does not know how much confirmed references say: they are shown as "
    "neighbours, but change no score; make one that does with train.py fit"
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """`action` of what the parser finds is called with a ReferenceStore and what was found."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--bundle", type=Path, metavar="DIR", help="the model bundle, instead of the configured one"
    )
    common.add_argument("--url", help="the database, instead of the one in [storage]")
    common.add_argument(
        "--config", type=Path, metavar="FILE", help="settings that override config.toml"
    )
    review = argparse.ArgumentParser(add_help=False)
    review.add_argument("--reviewer", default="", metavar="NAME", help="who says so")
    review.add_argument("--reason", default="", metavar="TEXT", help="and why")

    adding = actions.add_parser(
        "add", parents=[common, review], help="known voices from recordings of any format"
    )
    adding.set_defaults(action=add)
    adding.add_argument("files", nargs="+", type=Path, metavar="FILE")
    adding.add_argument("--label", choices=LABELS, required=True, help="what the recordings are")
    adding.add_argument("--system", default="-", metavar="S", help="what synthesised them")
    adding.add_argument("--source", default="-", metavar="S", help="where they come from")
    adding.add_argument("--licence", default="unstated", metavar="L")

    removing = actions.add_parser(
        "remove", parents=[common, review], help="delete what was added, hide what is the bundle's"
    )
    removing.set_defaults(action=remove)
    removing.add_argument(
        "ids", nargs="+", metavar="ID", help="as `list` or the neighbours of an alert show it"
    )

    restoring = actions.add_parser(
        "restore", parents=[common], help="show references of the bundle again"
    )
    restoring.set_defaults(action=restore)
    restoring.add_argument("ids", nargs="+", metavar="ID")

    listing = actions.add_parser("list", parents=[common], help="what was added")
    listing.set_defaults(action=show)
    listing.add_argument("--label", choices=LABELS)
    listing.add_argument("--source", metavar="TEXT", help="only sources whose name holds TEXT")

    counting = actions.add_parser("stats", parents=[common], help="how many references there are")
    counting.set_defaults(action=count)


def add(index: ReferenceStore, arguments: argparse.Namespace) -> None:
    from radd.overlay import Provenance
    from storage.overlay import Review

    known = Provenance(
        LABELS[arguments.label], arguments.system, arguments.source, arguments.licence
    )
    for file in arguments.files:
        id, blocks = index.add(file, known, Review(arguments.reviewer, arguments.reason))
        print(f"{id}  {blocks} blocks of {file}" if blocks else f"{id}  {file} is there already")
    if not index.weighs:
        print(NOT_HEEDED, file=sys.stderr)


def remove(index: ReferenceStore, arguments: argparse.Namespace) -> None:
    from storage.overlay import Review

    index.remove(arguments.ids, Review(arguments.reviewer, arguments.reason))
    print(f"removed: {', '.join(arguments.ids)}")


def restore(index: ReferenceStore, arguments: argparse.Namespace) -> None:
    index.restore(arguments.ids)
    print(f"restored: {', '.join(arguments.ids)}")


def show(index: ReferenceStore, arguments: argparse.Namespace) -> None:
    for recording in index.recordings(LABELS.get(arguments.label), arguments.source):
        row = asdict(recording) | {"added_utc": f"{recording.added_utc:%Y-%m-%d %H:%M:%S}"}
        print("\t".join(str(value) or "-" for value in row.values()))


def count(index: ReferenceStore, arguments: argparse.Namespace) -> None:
    for name, number in index.stats().items():
        print(f"{number:8d}  {name}")
