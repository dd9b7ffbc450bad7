"""Measure detectors: score a corpus, compute the field's metrics, compare systems, count false alarms an hour.

    python evaluate.py metrics --scores FILE [--protocol FILE] --out DIR
    python evaluate.py compare RUN_A RUN_B
    python evaluate.py peers NAME=SCORES ... --protocol FILE --out DIR

Exit codes: 0 done, 2 a wrong option, protocol, key or score file, 3 sound, 4 model; 1 is a bug.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from evaluation.compare import compare
from evaluation.summary import Choices, summarise
from evaluation.tables import interval, markdown, number
from radd.errors import ConfigError, ProtocolError, RaddError
from radd.metrics import asv_error_rates
from radd.protocols import FORMATS, read_protocol
from radd.score_files import ScoredTrials, match, own_trials, read_asv_scores, read_scores, write_trials


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    try:
        args.run(args)
    except RaddError as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("evaluate.py: interrupted", file=sys.stderr)
        return 130
    return 0


def _metrics(args: argparse.Namespace) -> None:
    scored = _scored(args.scores, args)
    _report(scored, args, args.scores.stem if args.scores.is_file() else args.scores.name)


def _report(scored: ScoredTrials, args: argparse.Namespace, name: str) -> None:
    """Write metrics.json, trials.csv and report.html of scored trials, and print the figures."""
    from evaluation.audio_folder import AudioFolder
    from evaluation.report import write_report

    asv = None
    if args.asv_scores:
        asv = asv_error_rates(**read_asv_scores(args.asv_scores, args.asv_key, args.subset))
    sound = AudioFolder(args.audio) if args.audio else None
    summary = summarise(scored, asv, _choices(args))
    _write_json(args.out, "metrics.json", summary)
    write_trials(args.out / "trials.csv", scored)
    write_report(args.out, name, scored, summary, sound.player if sound else lambda utt: None)
    for warning in summary["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    names = [key for key in summary if f"{key}_ci95" in summary or key.startswith("min_") and "ci95" not in key]
    rows = [[key, number(summary[key]), interval(summary.get(f"{key}_ci95"), 4)] for key in names]
    print(markdown(["metric", "value", "95 % interval"], rows))
    print(f"{summary['n_bonafide']:,} bona fide, {summary['n_spoof']:,} spoof; intervals by "
          f"{summary['bootstrap']['unit']}; see {args.out / 'report.html'}")


def _compare(args: argparse.Namespace) -> None:
    result = compare(_scored(args.run_a, args), _scored(args.run_b, args), _choices(args))
    if args.out:
        _write_json(args.out, "compare.json", result)
    rows = [
        [name, number(row["a"]), number(row["b"]), number(row["difference"]), interval(row["difference_ci95"], 4),
         number(row["p_value"])]
        for name, row in result["metrics"].items()
    ]
    print(markdown(["metric", "A", "B", "B - A", "95 % interval", "p"], rows))
    test = result["mcnemar"]
    print(f"McNemar at each one's threshold ({test['threshold']}): only A right {test['only_a_right']}, only B right "
          f"{test['only_b_right']}, p = {test['p_value']:.4g}. Bootstrap by {result['bootstrap']['unit']}.")


def _peers(args: argparse.Namespace) -> None:
    from evaluation.plots import draw, paint_det, paint_roc
    from radd.metrics import error_rates

    table, rates = {}, {}
    for entry in args.systems:
        name, found, path = entry.partition("=")
        if not found:
            raise ConfigError(f"{entry}: expected NAME=SCOREFILE")
        scored = _scored(Path(path), args)
        table[name] = summarise(scored, None, _choices(args))
        rates[name] = error_rates(scored.bonafide(), scored.spoof())
    ranked = dict(sorted(table.items(), key=lambda item: item[1]["eer_percent"]))
    rows = [
        [name, number(row["eer_percent"], 2), interval(row["eer_percent_ci95"]), number(row["min_dcf"]),
         number(row["act_dcf"]), number(row["cllr_bits"], 3), number(row["min_cllr_bits"], 3)]
        for name, row in ranked.items()
    ]
    text = markdown(["system", "EER %", "95 % interval", "min DCF", "act DCF", "Cllr", "min Cllr"], rows)
    print(text)
    if args.out:
        _write_json(args.out, "peers.json", ranked)
        (args.out / "peers.md").write_text(text + "\n", encoding="utf-8")
        for name, paint in (("det", paint_det), ("roc", paint_roc)):
            draw(args.out, name, paint({system: rates[system] for system in ranked}))


def _scored(path: Path, args: argparse.Namespace) -> ScoredTrials:
    """The scored trials of a score file, or of a directory that an earlier run wrote."""
    if path.is_dir():
        inside = [path / name for name in ("trials.csv", "scores.txt") if (path / name).is_file()]
        if not inside:
            raise ProtocolError(f"{path} holds neither trials.csv nor scores.txt: name a run's folder or a score file")
        path = inside[0]
    file = read_scores(path)
    if args.protocol is None:
        return own_trials(file, path)
    return match(read_protocol(args.protocol, args.format, args.subset), file, path)


def _choices(args: argparse.Namespace) -> Choices:
    if args.bootstrap < 0:
        raise ConfigError(f"--bootstrap {args.bootstrap}: expected 0 or more replicates")
    return Choices(args.threshold, args.bootstrap, args.seed)


def _write_json(folder: Path, name: str, content: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    (folder / name).write_text(text + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="evaluate.py", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    trials = argparse.ArgumentParser(add_help=False)
    trials.add_argument("--protocol", type=Path, metavar="FILE", help="which trials there are and their keys")
    trials.add_argument("--format", choices=FORMATS, default="auto", help="of the protocol; auto looks at it")
    trials.add_argument("--subset", default="eval", help="rows of a protocol with subsets; all takes every row")
    choices = argparse.ArgumentParser(add_help=False)
    choices.add_argument("--threshold", default="eer", help="for the confusion matrix: eer, bayes or a number")
    choices.add_argument("--bootstrap", type=int, default=1000, metavar="N", help="replicates; 0 for no intervals")
    choices.add_argument("--seed", type=int, default=0)
    report = argparse.ArgumentParser(add_help=False)
    report.add_argument("--asv-scores", type=Path, metavar="FILE", help="of a speaker verification system, for t-DCF")
    report.add_argument("--asv-key", type=Path, metavar="FILE", help="trial_metadata.txt of 2021's ASV scores")

    command = commands.add_parser("metrics", parents=[trials, choices, report], help="metrics and report of scores")
    command.add_argument("--scores", type=Path, required=True, metavar="FILE", help="score file or a run's folder")
    command.add_argument("--audio", type=Path, metavar="DIR", help="sound of the trials, for players in the report")
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.set_defaults(run=_metrics)
    command = commands.add_parser("compare", parents=[trials, choices], help="is B better than A?")
    command.add_argument("run_a", type=Path, metavar="RUN_A", help="score file or a run's folder")
    command.add_argument("run_b", type=Path, metavar="RUN_B")
    command.add_argument("--out", type=Path, metavar="DIR")
    command.set_defaults(run=_compare)
    command = commands.add_parser("peers", parents=[trials, choices], help="one table for several detectors")
    command.add_argument("systems", nargs="+", metavar="NAME=SCORES")
    command.add_argument("--out", type=Path, metavar="DIR")
    command.set_defaults(run=_peers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
