"""The command line of serve.py."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """\
The console in the browser and the HTTP API, beside the daemons and without any part in their
listening.
"""
EXIT_CODES = "exit codes: 0 ended, 1 a bug, 2 configuration, 4 model, 5 storage"


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The arguments of serve.py; ends the program for a wrong one."""
    parser = argparse.ArgumentParser("serve.py", description=DESCRIPTION, epilog=EXIT_CODES)
    add = parser.add_argument
    add(
        "--host",
        help="where to listen; other than this machine's own address it takes a token, see [serve]",
    )
    add("--port", type=int, help="default 8420")
    add("--config", type=Path, metavar="FILE", help="settings that override config.toml")
    add(
        "--bundle", type=Path, metavar="DIR", help="the model bundle, instead of the configured one"
    )
    return parser.parse_args(argv)
