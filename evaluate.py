"""Measure detectors: scores of a corpus, metrics, comparisons, false alarms per hour."""

from __future__ import annotations

import sys

import radd  # noqa: F401  before numpy, for the number of its threads
from app.commands import command
from app.exit import exit_code


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return exit_code(lambda: run(argv), prefix="evaluate.py")


def run(argv: list[str] | None) -> None:
    from app.options.evaluate import parse  # it names the conditions, which need numpy

    arguments = parse(argv)
    command(arguments.command)(arguments)


if __name__ == "__main__":
    sys.exit(main())
