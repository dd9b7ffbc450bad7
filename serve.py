"""Serve the web console and the HTTP API, separately from the detection daemons."""

from __future__ import annotations

import argparse
import os
import sys

from app.commands import command
from app.exit import exit_code
from app.options.serve import parse


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    # Read when numpy is imported: the job queue's threads already run in parallel.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return exit_code(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> None:
    """Serve the console with the parsed arguments."""
    command("serve.serve")(arguments)


if __name__ == "__main__":
    sys.exit(main())
