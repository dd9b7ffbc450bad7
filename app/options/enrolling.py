"""The options of train.py enrol."""

from __future__ import annotations

from pathlib import Path

from app.options.values import OTHER_DATABASE, Commands, database_url

NEWEST = ""  # of --undo without an id


def add_enrol(commands: Commands) -> None:
    """Add `train.py enrol`."""
    parser = commands.add_parser(
        "enrol", help="let the detector hear how people, fakes and announcements sound on your line"
    )
    parser.set_defaults(command="enrol.enrol")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--real",
        type=Path,
        metavar="DIR",
        help="recordings of known people on this line, one folder a person",
    )
    what.add_argument(
        "--own-voice",
        type=Path,
        metavar="DIR",
        help="recordings of the site's own voice bot or announcements, which raise no alert then",
    )
    what.add_argument(
        "--undo",
        nargs="?",
        const=NEWEST,
        metavar="ID",
        help="delete the newest enrolment, or the named one, with all its effects",
    )
    what.add_argument("--list", action="store_true", help="show what is enrolled")
    parser.add_argument(
        "--fake",
        type=Path,
        metavar="DIR",
        help="with --real: fakes on the same line, one folder a synthesis system",
    )
    parser.add_argument(
        "--no-audio",
        action="store_true",
        help="do not keep the audio; another bundle then asks for the recordings again",
    )
    parser.add_argument("--admin", default="", metavar="NAME", help="who enrols")
    parser.add_argument("--reason", default="", metavar="TEXT", help="and why")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="model bundle to use instead of the configured one",
    )
    parser.add_argument("--url", type=database_url, help=OTHER_DATABASE)
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings that override config.toml"
    )
