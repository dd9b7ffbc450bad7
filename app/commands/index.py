"""train.py index: confirmed recordings as references of the bundle in use."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from app.installation import installation
from app.options.index import LABELS
from radd.overlay import Provenance
from radd.terminal import printable
from retraining.reference_store import ReferenceStore
from storage.overlay import REVIEWERS, Review

NOT_HEEDED = (
    "warning: this bundle has no measured weight for confirmed references: they are shown as "
    "neighbours but do not change scores; measure it with train.py weigh"
)


def index(arguments: argparse.Namespace) -> None:
    """Run the command line's action on the reference store of a bundle."""
    here = installation(arguments.config, arguments.bundle)
    with ReferenceStore(here.bundle(), arguments.url or here.settings.storage.url) as references:
        ACTIONS[arguments.action](references, arguments)


def add(references: ReferenceStore, arguments: argparse.Namespace) -> None:
    """Add recordings to the overlay."""
    known = Provenance(
        LABELS[arguments.label], arguments.system, arguments.source, arguments.licence
    )
    for file in arguments.files:
        id, blocks = references.add(file, known, Review(arguments.reviewer, arguments.reason))
        name = printable(str(file))
        print(f"{id}  {blocks} blocks of {name}" if blocks else f"{id}  {name} is there already")
    if not references.weighs:
        print(NOT_HEEDED, file=sys.stderr)


def remove(references: ReferenceStore, arguments: argparse.Namespace) -> None:
    """Delete added recordings, or hide references of the bundle."""
    references.remove(arguments.ids, Review(arguments.reviewer, arguments.reason))
    print(f"removed: {', '.join(arguments.ids)}")


def restore(references: ReferenceStore, arguments: argparse.Namespace) -> None:
    """Show hidden references of the bundle again."""
    references.restore(arguments.ids)
    print(f"restored: {', '.join(arguments.ids)}")


def show(references: ReferenceStore, arguments: argparse.Namespace) -> None:
    """Print the added recordings."""
    for recording in references.recordings(LABELS.get(arguments.label), arguments.source):
        row = asdict(recording) | {
            "added_utc": f"{recording.added_utc:%Y-%m-%d %H:%M:%S}",
            "reviewer": recording.reviewer.replace(REVIEWERS, ", "),
        }
        print("\t".join(printable(str(value)) or "-" for value in row.values()))


def count(references: ReferenceStore, arguments: argparse.Namespace) -> None:
    """Print how many references there are and how they are searched."""
    for name, number in references.stats().items():
        print(f"{number:8d}  {name}")


def forget(references: ReferenceStore, arguments: argparse.Namespace) -> None:
    """Delete what only bundles with another encoder can use."""
    print(f"forgotten: {references.forget()} recordings of other encoders")


ACTIONS = {
    "add": add,
    "remove": remove,
    "restore": restore,
    "forget": forget,
    "list": show,
    "stats": count,
}
