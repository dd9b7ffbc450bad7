"""The command line of detect.py."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.options.values import within

DESCRIPTION = """\
Listens to microphones, files or a pipe, and tells as it goes whether the voice is a person's or
synthetic.
"""
EXIT_CODES = "exit codes: 0 ended, 1 a bug, 2 configuration, 3 device or source, 4 model, 5 storage"


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The arguments of detect.py; ends the program for a wrong one."""
    parser = argparse.ArgumentParser("detect.py", description=DESCRIPTION, epilog=EXIT_CODES)
    add = parser.add_argument
    add(
        "--source",
        action="append",
        metavar="auto|mic|mic:NAME_OR_INDEX|PATH|-",
        help="auto: the default microphone, or a demo recording where there is none; -: stdin, raw "
        "PCM or a file of sound; may be given many times, each is a stream of its own",
    )
    add("--config", type=Path, metavar="FILE", help="settings that override config.toml")
    add(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="the model bundle, instead of the configured one; or hf:NAME, see README",
    )
    add(
        "--json",
        action="store_true",
        help="print one JSON object a line, see docs/events.schema.json",
    )
    add(
        "--realtime",
        action="store_true",
        help="play a file at the speed of its sound, not as fast as possible",
    )
    add(
        "--duration",
        type=within(0.001, 1e9),
        metavar="S",
        help="end after so many seconds of sound",
    )
    add("--list-devices", action="store_true", help="show the microphones and end")
    add("--no-store", action="store_true", help="keep nothing: no database, no spool")
    add(
        "--use-channel",
        default="auto",
        metavar="mix|split|left|right|N",
        help="of several channels: their mean, each as a stream (of a file), or one, N from 1 on; "
        "by default the mean where they are alike, else each channel in which somebody speaks",
    )
    add(
        "--track",
        type=within(1, 1_000, int),
        metavar="N",
        help="of a file with several tracks of sound, from 1 on; by default those with speech",
    )
    raw = parser.add_argument_group("raw PCM on stdin (--source -)")
    raw.add_argument(
        "--rate",
        type=within(1_000, 384_000, int),
        metavar="HZ",
        help="default 16000",
    )
    raw.add_argument(
        "--channels", type=within(1, 64, int), metavar="N", help="interleaved; default 1"
    )
    raw.add_argument(
        "--format",
        help="of a sample, default s16le; also u8, s32le, f32le and others",
    )
    return parser.parse_args(argv)
