"""The command line of serve.py."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """\
Serve the web console and the HTTP API, separately from the detection daemons.
"""
EXIT_CODES = "exit codes: 0 ended, 1 a bug, 2 configuration, 4 model, 5 storage"


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Parse the arguments of serve.py; exits with a message for an invalid one."""
    return parser().parse_args(argv)


def parser() -> argparse.ArgumentParser:
    """The parser of serve.py."""
    parser = argparse.ArgumentParser("serve.py", description=DESCRIPTION, epilog=EXIT_CODES)
    add = parser.add_argument
    add(
        "--host",
        help="address to listen on; any other than localhost needs a token, see [serve]",
    )
    add("--port", type=int, help="default 8420")
    add("--config", type=Path, metavar="FILE", help="settings that override config.toml")
    add(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="model bundle to use instead of the configured one",
    )
    return parser
