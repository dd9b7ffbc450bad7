"""The command line of review.py."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from app.options.values import moment, page

DESCRIPTION = """\
What people say of the clips that RADD kept: ask, answer, exchange, delete.

`list` begins with the clips that a label would teach most: where the model was uncertain (the
entropy of its posterior), the sound is novel (unlike every known voice) and its nearest references
dispute the verdict; the mean of the three is the order. Samples of unflagged speech stand at random
among them.
"""
EXIT_CODES = (
    "exit codes: 0 done, 1 a bug, 2 command line, configuration or import, 3 sound, 4 model, 5 "
    "storage"
)
LABELS = ("fake", "real", "unsure")
STATES = ("pending", *LABELS, "conflict", "expired")


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The arguments of review.py; ends the program for a wrong one."""
    parser = argparse.ArgumentParser("review.py", description=DESCRIPTION, epilog=EXIT_CODES)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, help: str, json: bool = False) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help)
        added.set_defaults(action=name)
        added.add_argument(
            "--config", type=Path, metavar="FILE", help="settings that override config.toml"
        )
        added.add_argument("--url", help="the database, instead of the one in [storage]")
        if json:
            added.add_argument("--json", action="store_true", help="print JSON")
        return added

    add = command("list", "what to review, the most informative first", json=True).add_argument
    add(
        "--state",
        choices=STATES,
        default="pending",
        help="what the labels come to, default pending",
    )
    add(
        "--kind",
        choices=("alert", "sample"),
        help="only alerts, or only samples of unflagged speech",
    )
    add("--stream", metavar="ID", help="only of this stream")
    add("--label", choices=LABELS, help="only what somebody has called so")
    add("--unlabelled-by", metavar="NAME", help="only what this reviewer has not answered")
    add(
        "--since",
        type=moment,
        metavar="TIME",
        help="only what began then or later, as 2026-03-01T12:00 UTC",
    )
    add("--after", metavar="ID", help="the page that follows this clip")
    add("--limit", type=page, default=20, metavar="N", help="clips on a page, default 20")
    command("show", "everything that is known of one clip", json=True).add_argument(
        "id", metavar="ID"
    )
    playing = command("play", "hear a clip, or write it into a file where there is no sound card")
    playing.add_argument("id", metavar="ID")
    playing.add_argument(
        "--out", type=Path, metavar="FILE", help="write the FLAC there and play nothing"
    )
    labelling = command("label", "say what clips are; what is agreed enters the index at once")
    labelling.add_argument("label", choices=LABELS)
    labelling.add_argument(
        "ids", nargs="+", metavar="ID", help="as `list` shows it, or how it begins"
    )
    me = os.environ.get("USER", "")
    labelling.add_argument(
        "--reviewer", default=me, metavar="NAME", help="who says so, default $USER"
    )
    labelling.add_argument("--reason", default="", metavar="TEXT")
    exporting = command("export", "write clips and all that is known of them to a directory")
    exporting.add_argument("directory", type=Path, metavar="DIR")
    exporting.add_argument(
        "--state", choices=STATES, action="append", help="may be given many times; default all"
    )
    importing = command("import", "add what another database has exported")
    importing.add_argument("directory", type=Path, metavar="DIR")
    for learning in (labelling, importing):
        learning.add_argument(
            "--bundle", type=Path, metavar="DIR", help="the bundle, instead of the configured one"
        )
    command("stats", "how much is reviewed, by whom, and what the index learnt of it", json=True)
    deleting = command(
        "delete", "remove sound, rows, labels and index entries for good, and say what went"
    )
    deleting.add_argument(
        "--id", action="append", default=[], metavar="ID", help="a clip; may be given many times"
    )
    deleting.add_argument("--stream", metavar="ID", help="a stream and all that was heard in it")
    deleting.add_argument(
        "--before", type=moment, metavar="TIME", help="alerts that began, streams that ended before"
    )
    arguments = parser.parse_args(argv)
    if arguments.action == "delete" and not (arguments.id or arguments.stream or arguments.before):
        deleting.error("say what: --id, --stream or --before")
    return arguments
