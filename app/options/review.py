"""The command line of review.py."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from app.options.values import OTHER_DATABASE, Commands, database_url, moment, page

DESCRIPTION = """\
Review the clips that RADD stored: list, label, exchange, delete.

`list` starts with the clips whose labels teach the model most. Their priority is the mean of three
parts: uncertainty (entropy of the posterior), novelty (unlike every known voice) and dispute (the
nearest references contradict the verdict). Samples of unflagged speech have random priorities.
"""
EXIT_CODES = (
    "exit codes: 0 done, 1 a bug, 2 command line, configuration or import, 3 audio, 4 model, 5 "
    "storage"
)
LABELS = ("fake", "real", "unsure")
STATES = ("pending", *LABELS, "conflict", "expired")


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Parse the arguments of review.py; exits with a message for an invalid one."""
    parser, deleting = _parsers()
    arguments = parser.parse_args(argv)
    if arguments.action == "delete" and not (arguments.id or arguments.stream or arguments.before):
        # argparse can require one of several options, but only where they exclude each other
        deleting.error("nothing to delete was named; pass --id, --stream or --before")
    return arguments


def parser() -> argparse.ArgumentParser:
    """The parser of review.py."""
    return _parsers()[0]


def _parsers() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """The parser of review.py, and that of its command delete."""
    parser = argparse.ArgumentParser("review.py", description=DESCRIPTION, epilog=EXIT_CODES)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_list(commands)
    showing = _command(commands, "show", "show all data of one clip", json=True)
    showing.add_argument("id", metavar="ID")
    _add_play(commands)
    _add_label(commands)
    _add_export(commands)
    importing = _command(commands, "import", "add an export of another database")
    importing.add_argument("directory", type=Path, metavar="DIR")
    _add_bundle(importing)
    _command(
        commands,
        "stats",
        "count clips by state, labels by reviewer, and learned index entries",
        json=True,
    )
    seeing = _command(commands, "reviewer", "everything that one reviewer did", json=True)
    seeing.add_argument("name", metavar="NAME", help="the reviewer")
    _add_undo(commands)
    deleting = _add_delete(commands)
    return parser, deleting


def _command(
    commands: Commands, name: str, help: str, json: bool = False
) -> argparse.ArgumentParser:
    """Add a command with the options common to all."""
    added = commands.add_parser(name, help=help)
    added.set_defaults(action=name)
    added.add_argument(
        "--config", type=Path, metavar="FILE", help="settings that override config.toml"
    )
    added.add_argument("--url", type=database_url, help=OTHER_DATABASE)
    if json:
        added.add_argument("--json", action="store_true", help="print JSON")
    return added


def _add_list(commands: Commands) -> None:
    listing = _command(commands, "list", "list clips to review, highest priority first", json=True)
    add = listing.add_argument
    add(
        "--state",
        choices=STATES,
        default="pending",
        help="state of review, default pending",
    )
    add(
        "--kind",
        choices=("alert", "sample"),
        help="only alerts, or only samples of unflagged speech",
    )
    add("--stream", metavar="ID", help="only of this stream")
    add("--label", choices=LABELS, help="only clips that somebody gave this label")
    add("--unlabelled-by", metavar="NAME", help="only clips that this reviewer has not labelled")
    add(
        "--since",
        type=moment,
        metavar="TIME",
        help="only clips that began then or later, for example 2026-03-01T12:00 (UTC)",
    )
    add("--after", metavar="ID", help="print the page after this clip")
    add("--limit", type=page, default=20, metavar="N", help="clips per page, default 20")


def _add_play(commands: Commands) -> None:
    playing = _command(
        commands, "play", "play a clip, or write it to a file if there is no sound card"
    )
    playing.add_argument("id", metavar="ID")
    playing.add_argument(
        "--out", type=Path, metavar="FILE", help="write the FLAC to this file instead of playing it"
    )


def _add_label(commands: Commands) -> None:
    labelling = _command(commands, "label", "label clips; agreed ones enter the index at once")
    labelling.add_argument("label", choices=LABELS)
    labelling.add_argument(
        "ids", nargs="+", metavar="ID", help="id as shown by `list`, or its first characters"
    )
    labelling.add_argument(
        "--reviewer", default=_me(), metavar="NAME", help="name of the reviewer, default $USER"
    )
    labelling.add_argument("--reason", default="", metavar="TEXT")
    _add_bundle(labelling)


def _add_export(commands: Commands) -> None:
    exporting = _command(commands, "export", "write clips and all their data to a directory")
    exporting.add_argument("directory", type=Path, metavar="DIR")
    exporting.add_argument(
        "--state", choices=STATES, action="append", help="repeatable; default all"
    )


def _add_undo(commands: Commands) -> None:
    undoing = _command(
        commands, "undo", "take back everything that one reviewer did; the history of labels stays"
    )
    undoing.add_argument("name", metavar="NAME", help="the reviewer")
    undoing.add_argument("--by", default=_me(), metavar="NAME", help="who undoes it, default $USER")
    undoing.add_argument("--reason", default="", metavar="TEXT")
    undoing.add_argument(
        "--bundle", type=Path, metavar="DIR", help="the bundle, instead of the configured one"
    )


def _add_delete(commands: Commands) -> argparse.ArgumentParser:
    deleting = _command(
        commands,
        "delete",
        "permanently remove audio, rows, labels and index entries, and print what was removed",
    )
    deleting.add_argument(
        "--id", action="append", default=[], metavar="ID", help="id of a clip; repeatable"
    )
    deleting.add_argument("--stream", metavar="ID", help="a stream with all its data")
    deleting.add_argument(
        "--before",
        type=moment,
        metavar="TIME",
        help="alerts that began and streams that ended before this time",
    )
    return deleting


def _add_bundle(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR", help="bundle to use instead of the configured one"
    )


def _me() -> str:
    """The reviewer who is not named: the user of this session."""
    return os.environ.get("USER", "")
