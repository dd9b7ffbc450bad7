"""Parsers of single option values, for argparse."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

# argparse has no public name for what add_subparsers returns; quoted, as the class takes no
# type argument at run time
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
OTHER_DATABASE = "database to use instead of the one in [storage]; without a password in it"


def within(low: float, high: float, kind: Callable[[str], float] = float) -> Callable[[str], float]:
    """A parser of numbers from `low` to `high`."""

    def number(text: str) -> float:
        try:
            value = kind(text) if "_" not in text else None  # Python takes 1_000 for a number
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"{text!r}: expected a number from {low:g} to {high:g}"
            )
        return value

    return number


def span(text: str) -> float:
    """Seconds of a span such as 24h."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    if not (text[:-1].isdecimal() and int(text[:-1]) and text[-1:] in units):
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected a number and s, m, h or d, for example 24h"
        )
    return int(text[:-1]) * units[text[-1]]


def at_least(low: int) -> Callable[[str], int]:
    """A parser of whole numbers of at least `low`."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number of at least {low}")
        return int(text)

    return number


def named_label(text: str) -> tuple[str, str]:
    """Parse CLASS=bonafide or CLASS=spoof."""
    name, _, label = text.rpartition("=")
    if not name or label not in ("bonafide", "spoof"):
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected CLASS=bonafide or CLASS=spoof, for example LABEL_0=spoof"
        )
    return name, label


def named_file(text: str) -> tuple[str, Path]:
    """Parse NAME=FILE."""
    name, _, file = text.rpartition("=")
    if not name:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected NAME=FILE, for example clean=metrics.json"
        )
    return name, Path(file)


def moment(text: str) -> datetime:
    """Parse a time as stored in the tables: UTC without a zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected a date or time such as 2026-03-01T12:00"
        ) from None
    try:
        return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: in UTC it is outside the years 1 to 9999"
        ) from None


def database_url(text: str) -> str:
    """A URL without a password: whoever lists the processes of this machine reads the command
    line.
    """
    try:
        password = urlsplit(text).password
    except ValueError:
        password = None
    if password is not None:
        raise argparse.ArgumentTypeError(
            "a password on the command line can be read by everybody on this machine; put the URL "
            "into the environment variable RADD_STORAGE_URL, or into [storage] url of a file that "
            "only you may read, given with --config"
        )
    return text


def page(text: str) -> int:
    """Parse the number of clips per page."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 10_000):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1 to 10000")
    return int(text)


PROCESSES, RAY = ENGINES = ("processes", "ray")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add --engine: where the work of --jobs is done."""
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default=PROCESSES,
        help="ray: --jobs are actors on the Ray cluster in RAY_ADDRESS, with the same files on all "
        "its nodes; default processes of this machine",
    )
