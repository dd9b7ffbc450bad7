"""Review the clips that RADD stored: list, label, exchange, delete."""

from __future__ import annotations

import sys

from app.commands import command
from app.exit import exit_code
from app.options.review import parse


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    return exit_code(lambda: command("review.review")(arguments))


if __name__ == "__main__":
    sys.exit(main())
