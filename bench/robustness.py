"""How well scores survive what happens to sound on its way: every condition of evaluate.py, and
short clips.

    python bench/robustness.py --protocol FILE --audio DIR --out DIR [--bundle DIR ...] [--clips N]
    [--jobs N]

Every line is a run of evaluate.py score, kept in --out with its report; the same command goes on
after it was ended. heard.json, in the folder of each bundle there, has the lines for its card:
train.py card --metrics NAME=heard.json. "times clean" is the EER over that of the same bundle in
clean sound; "refused" counts clips that the speech gate would not judge, which are scored all the
same. Intervals hold 95 % of bootstrap replicates.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import sys
from pathlib import Path

import numpy as np

import evaluate

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.settings import load
from evaluation.conditions import CONDITIONS, ChannelCondition
from evaluation.tables import interval, markdown, number
from radd.errors import ConfigError, RaddError
from radd.trials import Trials, read_protocol

ROOT = Path(__file__).resolve().parent.parent

HEADER = ["bundle", "heard", "EER %", "95 % interval", "times clean", "Cllr", "act DCF", "refused"]
HEARINGS = [ChannelCondition(name) for name in CONDITIONS] + [
    ChannelCondition(seconds=length) for length in (1.0, 2.0, 4.0)
]


def main() -> int:
    arguments = parse()
    try:
        bundles = [path.resolve() for path in arguments.bundle or [ROOT / load().model.bundle]]
        if len({path.name for path in bundles}) < len(bundles):
            raise ConfigError(
                "two bundles bear one name, which is to tell them apart in the table: rename a "
                "folder"
            )
        trials = drawn(
            read_protocol(arguments.protocol, subset=arguments.subset),
            arguments.clips,
            arguments.seed,
        )
        arguments.out.mkdir(parents=True, exist_ok=True)
        protocol = arguments.out / "protocol.csv"
        write_protocol(protocol, trials)
        rows = [row for bundle in bundles for row in measured(bundle, protocol, arguments)]
        print(markdown(HEADER, rows))
        n_spoof = np.count_nonzero(trials.is_spoof)
        print(
            f"{len(trials) - n_spoof} bona fide and {n_spoof} spoof clips of "
            f"{arguments.protocol.name}"
        )
    except RaddError as error:
        print(f"bench/robustness.py: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--protocol", type=Path, required=True, metavar="FILE")
    parser.add_argument("--subset", default="eval", help="as evaluate.py takes it")
    parser.add_argument("--audio", required=True, metavar="DIR", help="sound of the trials")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="keeps every run")
    parser.add_argument(
        "--bundle",
        type=Path,
        action="append",
        metavar="DIR",
        help="model bundle, instead of the configured one; may be given many times",
    )
    parser.add_argument(
        "--clips", type=int, metavar="N", help="draw N trials instead of scoring all"
    )
    parser.add_argument("--seed", type=int, default=0, help="of that draw")
    parser.add_argument("--jobs", default=str(os.cpu_count() or 1), metavar="N", help="processes")
    return parser.parse_args()


def drawn(trials: Trials, clips: int | None, seed: int) -> Trials:
    return trials.select(np.sort(np.random.default_rng(seed).permutation(len(trials))[:clips]))


def write_protocol(path: Path, trials: Trials) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["utt", "speaker", "attack", "key"])
        keys = ["spoof" if spoof else "bonafide" for spoof in trials.is_spoof]
        writer.writerows(zip(trials.utts, trials.speakers, trials.attacks, keys, strict=True))


def measured(bundle: Path, protocol: Path, arguments: argparse.Namespace) -> list[list[str]]:
    """One row for each of HEARINGS, clean first; the same figures go to heard.json."""
    rows, heard, clean = [], {}, None
    for hearing in HEARINGS:
        metrics, refused = score(bundle, hearing, protocol, arguments)
        rate = metrics["eer_percent"]
        clean = rate if clean is None else clean
        name, times = str(hearing).removeprefix("condition "), rate / clean if clean else None
        rows.append(
            [
                bundle.name,
                name,
                number(rate, 1),
                interval(metrics["eer_percent_ci95"], 1),
                number(times, 2),
                number(metrics["cllr_bits"], 3),
                number(metrics["act_dcf"], 3),
                number(refused),
            ]
        )
        heard[name] = {"times_clean": times} | {
            key: metrics[key] for key in ("eer_percent", "cllr_bits", "act_dcf")
        }
    told = {key: metrics[key] for key in ("n_bonafide", "n_spoof")} | {"heard": heard}
    (arguments.out / bundle.name / "heard.json").write_text(
        json.dumps(told, indent=1) + "\n", encoding="utf-8"
    )
    return rows


def score(
    bundle: Path, hearing: ChannelCondition, protocol: Path, arguments: argparse.Namespace
) -> tuple[dict, int]:
    """metrics.json of a run of evaluate.py, and how many clips the gate refused."""
    out = arguments.out / bundle.name / str(hearing).replace(" ", "-").replace(",", "")
    options = [
        "--protocol",
        protocol,
        "--audio",
        arguments.audio,
        "--bundle",
        bundle,
        "--out",
        out,
        "--jobs",
        arguments.jobs,
        "--condition",
        hearing.condition,
        "--resume",
    ]
    if hearing.seconds:
        options += ["--seconds", hearing.seconds]
    print(f"{bundle.name}, {hearing}", file=sys.stderr)
    with contextlib.redirect_stdout(sys.stderr):
        code = evaluate.main(["score", *map(str, options)])
    if code:
        sys.exit(code)
    with open(out / "unjudged.csv", encoding="utf-8", newline="") as file:
        refused = sum(1 for _ in csv.DictReader(file))
    return json.loads((out / "metrics.json").read_text(encoding="utf-8")), refused


if __name__ == "__main__":
    sys.exit(main())
