"""Measure detectors: scores of a corpus, metrics, comparisons, false alarms per hour."""

from __future__ import annotations

import sys

import radd  # noqa: F401  before numpy, for the number of its threads
from app.commands import command
from app.exit import exit_code
from app.options.evaluate import parse


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    return exit_code(lambda: command(arguments.command)(arguments), prefix="evaluate.py")


if __name__ == "__main__":
    sys.exit(main())
