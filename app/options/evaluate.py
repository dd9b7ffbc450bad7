"""The command line of evaluate.py."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from app.options.values import Commands, add_engine, database_url
from evaluation.conditions import CONDITIONS
from radd.parallel import processors
from radd.trials import FORMATS, plain_number

DESCRIPTION = """\
Measure detectors: score a corpus, compute metrics, compare systems, count false alarms per hour.

    python evaluate.py score --protocol FILE --audio DIR --out DIR
    python evaluate.py metrics --scores FILE [--protocol FILE] --out DIR
    python evaluate.py compare RUN_A RUN_B
    python evaluate.py peers NAME=SCORES ... --protocol FILE --out DIR
    python evaluate.py stream --protocol FILE --audio DIR --out DIR

Exit codes: 0 done, 1 a bug, 2 an invalid option, protocol, key or score file, 3 audio, 4 model.
"""


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Parse the arguments of evaluate.py; exits with a message for an invalid one."""
    return parser().parse_args(argv)


def parser() -> argparse.ArgumentParser:
    """The parser of evaluate.py; `command` of its result is the command's name."""
    parser = argparse.ArgumentParser(
        "evaluate.py", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    trials, statistics, asv, detector = _trials(), _statistics(), _asv(), _detector()
    _add_score(commands, [trials, detector, statistics, asv])
    _add_metrics(commands, [trials, statistics, asv])
    _add_compare(commands, [trials, statistics])
    _add_peers(commands, [trials, statistics])
    _add_stream(commands, [trials, detector])
    return parser


def _add_score(commands: Commands, parents: list[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "score",
        parents=parents,
        help="score every trial, then compute metrics",
    )
    command.set_defaults(command="score.score")
    command.add_argument(
        "--resume", action="store_true", help="resume an interrupted run in the same folder"
    )
    add_engine(command)
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
        "--seconds", type=_seconds, metavar="S", help="use only the first S seconds of every clip"
    )


def _add_metrics(commands: Commands, parents: list[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "metrics", parents=parents, help="metrics and report of existing scores"
    )
    command.set_defaults(command="measure.metrics")
    command.add_argument(
        "--scores", type=Path, required=True, metavar="FILE", help="score file or a run's folder"
    )
    command.add_argument(
        "--audio", type=Path, metavar="DIR", help="audio of the trials, for players in the report"
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR")


def _add_compare(commands: Commands, parents: list[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("compare", parents=parents, help="is B better than A?")
    command.set_defaults(command="measure.compare")
    command.add_argument("run_a", type=Path, metavar="RUN_A", help="score file or a run's folder")
    command.add_argument("run_b", type=Path, metavar="RUN_B")
    command.add_argument("--out", type=Path, metavar="DIR")


def _add_peers(commands: Commands, parents: list[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("peers", parents=parents, help="several detectors in one table")
    command.set_defaults(command="measure.peers")
    command.add_argument("systems", nargs="+", metavar="NAME=SCORES")
    command.add_argument("--out", type=Path, metavar="DIR")


def _add_stream(commands: Commands, parents: list[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "stream",
        parents=parents,
        help="false alarms per hour and time to detection in long recordings",
    )
    command.set_defaults(command="score.stream")
    command.add_argument(
        "--annotations",
        type=Path,
        metavar="FILE",
        help="CSV with file, onset, duration (seconds) and label: your own recordings in --audio",
    )
    command.add_argument("--seed", type=_whole, default=0, help="seed of the generated recordings")


def _trials() -> argparse.ArgumentParser:
    group = argparse.ArgumentParser(add_help=False)
    group.add_argument("--protocol", type=Path, metavar="FILE", help="trial list with keys")
    group.add_argument(
        "--format", choices=FORMATS, default="auto", help="format of the protocol; auto detects it"
    )
    group.add_argument(
        "--subset", default="eval", help="subset of a protocol with subsets; all selects every row"
    )
    group.add_argument(
        "--meta",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="CSV with a column utt and further columns about the trials, such as lang or dataset",
    )
    group.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="only trials with this value, or without it: COLUMN!=VALUE; repeatable",
    )
    group.add_argument(
        "--unseen",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="only spoof trials of systems that this protocol does not name; repeatable",
    )
    return group


def _statistics() -> argparse.ArgumentParser:
    group = argparse.ArgumentParser(add_help=False)
    group.add_argument(
        "--threshold",
        default="eer",
        help="threshold of the confusion matrix: eer, bayes or a number",
    )
    group.add_argument(
        "--bootstrap",
        type=_whole,
        default=1000,
        metavar="N",
        help="bootstrap replicates; 0 for no intervals",
    )
    group.add_argument("--seed", type=_whole, default=0, help="of the bootstrap")
    return group


def _asv() -> argparse.ArgumentParser:
    group = argparse.ArgumentParser(add_help=False)
    group.add_argument(
        "--asv-scores",
        type=Path,
        metavar="FILE",
        help="scores of a speaker verification system, for t-DCF",
    )
    group.add_argument(
        "--asv-key", type=Path, metavar="FILE", help="trial_metadata.txt for ASV scores of 2021"
    )
    return group


def _detector() -> argparse.ArgumentParser:
    group = argparse.ArgumentParser(add_help=False)
    group.add_argument(
        "--audio", type=Path, required=True, metavar="DIR", help="audio of the trials"
    )
    group.add_argument("--out", type=Path, required=True, metavar="DIR")
    group.add_argument(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="bundle or hf:NAME to use instead of the configured one",
    )
    group.add_argument(
        "--condition", choices=CONDITIONS, default="clean", help="channel condition to apply first"
    )
    group.add_argument(
        "--overlay",
        type=database_url,
        metavar="URL",
        help="database with confirmed references, or storage for the one in [storage]; default: "
        "none",
    )
    group.add_argument(
        "--jobs",
        type=partial(_whole, least=1),
        default=processors(),
        metavar="N",
        help="number of processes; default: one per available CPU",
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
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number of at least {least}")
    return number
