"""Detect synthetic voices live in microphones, files or a pipe."""

from __future__ import annotations

import argparse
import sys

from app.exit import exit_code
from app.options.detect import parse


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    return exit_code(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Run detection with the parsed arguments; returns the exit code."""
    from stream.ending import Ending

    # before anything slow, so that an early Ctrl-C also shuts down in order
    with Ending() as ending:
        from app.commands.detect import detect, show_devices
        from app.notify import test_notify

        if arguments.list_devices:
            show_devices(arguments)
        elif arguments.doctor:
            from app.commands.doctor import doctor

            return doctor(arguments)
        elif arguments.test_notify:
            test_notify(arguments)
        elif arguments.publish is not None or arguments.consume is not None:
            from app.commands.fleet import consume, publish

            (publish if arguments.consume is None else consume)(arguments, ending)
        else:
            return detect(arguments, ending)
        return 0


if __name__ == "__main__":
    sys.exit(main())
