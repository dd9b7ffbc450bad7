"""The command line of evaluate.py."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from evaluation.conditions import CONDITIONS
from evaluation.workers import processors
from radd.trials import FORMATS, plain_number

DESCRIPTION = """\
Measure detectors: score a corpus, compute the field's metrics, compare systems, count false
alarms an hour.

    python evaluate.py score --protocol FILE --audio DIR --out DIR
    python evaluate.py metrics --scores FILE [--protocol FILE] --out DIR
    python evaluate.py compare RUN_A RUN_B
    python evaluate.py peers NAME=SCORES ... --protocol FILE --out DIR
    python evaluate.py stream --protocol FILE --audio DIR --out DIR

Exit codes: 0 done, 2 a wrong option, protocol, key or score file, 3 sound, 4 model; 1 is a bug.
"""


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The arguments of evaluate.py; ends the program for a wrong one."""
    return parser().parse_args(argv)


def parser() -> argparse.ArgumentParser:
    """The parser of evaluate.py; `command` of what it finds is the command's name."""
    parser = argparse.ArgumentParser(
        "evaluate.py", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    trials, statistics, asv, detector = _trials(), _statistics(), _asv(), _detector()

    command = commands.add_parser(
        "score",
        parents=[trials, detector, statistics, asv],
        help="one score for every trial, then metrics",
    )
    command.set_defaults(command="score.score")
    command.add_argument(
        "--resume", action="store_true", help="go on where a run into the same folder was ended"
    )
    command.add_argument("--engine", choices=("processes", "ray"), default="processes")
    command.add_argument(
        "--use-channel",
        default="auto",
        metavar="mix|left|right|N",
        help="of several channels; by default their mean where they are alike, else the lowest "
        "score of those in which somebody speaks",
    )
    command.add_argument(
        "--track", type=partial(_whole, least=1), metavar="N", help="of a file with several tracks"
    )
    command.add_argument(
        "--seconds", type=_seconds, metavar="S", help="hear the first S seconds of every clip only"
    )

    command = commands.add_parser(
        "metrics", parents=[trials, statistics, asv], help="metrics and report of scores"
    )
    command.set_defaults(command="measure.metrics")
    command.add_argument(
        "--scores", type=Path, required=True, metavar="FILE", help="score file or a run's folder"
    )
    command.add_argument(
        "--audio", type=Path, metavar="DIR", help="sound of the trials, for players in the report"
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR")

    command = commands.add_parser(
        "compare", parents=[trials, statistics], help="is B better than A?"
    )
    command.set_defaults(command="measure.compare")
    command.add_argument("run_a", type=Path, metavar="RUN_A", help="score file or a run's folder")
    command.add_argument("run_b", type=Path, metavar="RUN_B")
    command.add_argument("--out", type=Path, metavar="DIR")

    command = commands.add_parser(
        "peers", parents=[trials, statistics], help="one table for several detectors"
    )
    command.set_defaults(command="measure.peers")
    command.add_argument("systems", nargs="+", metavar="NAME=SCORES")
    command.add_argument("--out", type=Path, metavar="DIR")

    command = commands.add_parser(
        "stream",
        parents=[trials, detector],
        help="false alarms an hour and time to detection in long recordings",
    )
    command.set_defaults(command="score.stream")
    command.add_argument(
        "--annotations",
        type=Path,
        metavar="FILE",
        help="CSV with file, onset, duration (seconds) and label: your own recordings in --audio",
    )
    command.add_argument("--seed", type=_whole, default=0, help="of the recordings that are built")
    return parser


def _trials() -> argparse.ArgumentParser:
    group = argparse.ArgumentParser(add_help=False)
    group.add_argument(
        "--protocol", type=Path, metavar="FILE", help="which trials there are and their keys"
    )
    group.add_argument(
        "--format", choices=FORMATS, default="auto", help="of the protocol; auto looks at it"
    )
    group.add_argument(
        "--subset", default="eval", help="rows of a protocol with subsets; all takes every row"
    )
    group.add_argument(
        "--meta",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="CSV with a column utt and whatever else is known of the trials, such as lang or "
        "dataset",
    )
    group.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="only trials of which this holds, or COLUMN!=VALUE; may be given many times",
    )
    group.add_argument(
        "--unseen",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="only spoof of systems that this protocol does not name; may be given many times",
    )
    return group


def _statistics() -> argparse.ArgumentParser:
    group = argparse.ArgumentParser(add_help=False)
    group.add_argument(
        "--threshold", default="eer", help="for the confusion matrix: eer, bayes or a number"
    )
    group.add_argument(
        "--bootstrap", type=_whole, default=1000, metavar="N", help="replicates; 0 for no intervals"
    )
    group.add_argument("--seed", type=_whole, default=0, help="of the bootstrap")
    return group


def _asv() -> argparse.ArgumentParser:
    group = argparse.ArgumentParser(add_help=False)
    group.add_argument(
        "--asv-scores",
        type=Path,
        metavar="FILE",
        help="of a speaker verification system, for t-DCF",
    )
    group.add_argument(
        "--asv-key", type=Path, metavar="FILE", help="trial_metadata.txt of 2021's ASV scores"
    )
    return group


def _detector() -> argparse.ArgumentParser:
    group = argparse.ArgumentParser(add_help=False)
    group.add_argument(
        "--audio", type=Path, required=True, metavar="DIR", help="the sound of the trials"
    )
    group.add_argument("--out", type=Path, required=True, metavar="DIR")
    group.add_argument(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="a bundle, or hf:NAME, instead of the configured one",
    )
    group.add_argument(
        "--condition", choices=CONDITIONS, default="clean", help="what the sound passes first"
    )
    group.add_argument(
        "--overlay",
        metavar="URL",
        help="database of references that people confirmed; by default none",
    )
    group.add_argument(
        "--jobs",
        type=partial(_whole, least=1),
        default=processors(),
        metavar="N",
        help="processes; by default one a processor that this one may use",
    )
    return group


def _seconds(text: str) -> float:
    try:
        number = plain_number(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of seconds above 0")
    return number


def _whole(text: str, least: int = 0) -> int:
    try:
        number = int(text) if "_" not in text else least - 1
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from {least} on")
    return number
