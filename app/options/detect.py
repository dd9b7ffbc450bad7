"""The command line of detect.py."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.options.values import within

DESCRIPTION = """\
Detect synthetic voices live in microphones, files, a pipe, or calls that come in.
"""
EXIT_CODES = (
    "exit codes: 0 ended, 1 a bug or a fault that --doctor found, 2 configuration, 3 device or "
    "source, 4 model, 5 storage, 6 notification, 10 found by --fail-on"
)


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Parse the arguments of detect.py; exits with a message for an invalid one."""
    return parser().parse_args(argv)


def parser() -> argparse.ArgumentParser:
    """The parser of detect.py."""
    parser = argparse.ArgumentParser("detect.py", description=DESCRIPTION, epilog=EXIT_CODES)
    _add_inputs(parser)
    _add_modes(parser)
    _add_channels(parser)
    _add_raw(parser)
    _add_fleet(parser)
    return parser


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "files",
        nargs="*",
        metavar="FILE",
        help="recordings to judge; a folder stands for those in it and below it",
    )
    add(
        "--source",
        action="append",
        metavar="auto|mic|mic:NAME_OR_INDEX|PATH|URL|-",
        help="auto: the default microphone, or a demo recording if there is none; -: stdin, raw "
        "PCM or an audio file; URL: http, https, rtsp or an HLS playlist; PATH may be a folder or "
        "a pattern in quotes; repeat it for several "
        "separate streams",
    )
    add(
        "--listen",
        action="append",
        metavar="twilio|ws|audiosocket|rtp://HOST:PORT",
        help="take calls at this address, each track of each call as a stream of its own; may be "
        "repeated, and beside --source; see docs/calls.md",
    )
    add("--config", type=Path, metavar="FILE", help="settings that override config.toml")
    add(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="model bundle to use instead of the configured one, or hf:NAME, see docs/training.md",
    )


def _add_modes(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--json",
        action="store_true",
        help="print one JSON object per line, see docs/events.schema.json",
    )
    add(
        "--realtime",
        action="store_true",
        help="process files at the speed of their audio instead of as fast as possible",
    )
    add(
        "--duration",
        type=within(0.001, 1e9),
        metavar="S",
        help="stop after S seconds of audio",
    )
    add(
        "--fail-on",
        choices=("spoof", "suspect"),
        help="exit with code 10 if anything is judged synthetic or partly synthetic (spoof), or "
        "also if it is suspect (suspect); an error has its own code",
    )
    add(
        "--doctor",
        action="store_true",
        help="check devices, level, bundle, database, spool, ports and versions, and exit: 0, or 1 "
        "if something has to be mended; uses no network",
    )
    add("--list-devices", action="store_true", help="list the microphones and exit")
    add(
        "--test-notify",
        action="store_true",
        help="send a test message to each destination of [notify], print what came back, and exit",
    )
    add("--no-store", action="store_true", help="store nothing: no database, no spool")


def _add_fleet(parser: argparse.ArgumentParser) -> None:
    fleet = parser.add_argument_group("a fleet on a broker, see docs/fleet.md")
    role = fleet.add_mutually_exclusive_group()
    role.add_argument(
        "--publish",
        nargs="?",
        const="",
        metavar="URL",
        help="be a gateway: publish the sources to amqp://HOST instead of judging them; without a "
        "URL to [fleet] url",
    )
    role.add_argument(
        "--consume",
        nargs="?",
        const="",
        metavar="URL",
        help="be a detector: judge what the gateways publish to amqp://HOST",
    )


def _add_channels(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--use-channel",
        default="auto",
        metavar="mix|split|left|right|N",
        help="how to read several channels: mix (their mean), split (each as a stream), or "
        "one, numbered from 1; default: the mean if they are alike, else each with speech",
    )
    add(
        "--track",
        type=within(1, 1_000, int),
        metavar="N",
        help="audio track of a file with several, from 1; default: those with speech",
    )


def _add_raw(parser: argparse.ArgumentParser) -> None:
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
        help="sample format, default s16le; also u8, s32le, f32le and others",
    )
