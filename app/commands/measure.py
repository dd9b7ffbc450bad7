"""evaluate.py metrics, compare and peers: metrics of existing scores."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.commands.trials import (
    bootstrap_choices,
    earlier_record,
    read_scored_trials,
    write_json,
    write_results,
)
from evaluation import compare as comparison
from evaluation.plots import draw, paint_det, paint_roc
from evaluation.summary import summarise
from evaluation.tables import interval, markdown, number
from radd.errors import ConfigError
from radd.metrics import error_rates


def metrics(args: argparse.Namespace) -> None:
    """Measure existing scores."""
    scored = read_scored_trials(args.scores, args)
    write_results(
        scored,
        args,
        args.scores.stem if args.scores.is_file() else args.scores.name,
        earlier_record(args.scores),
    )


def compare(args: argparse.Namespace) -> None:
    """Compare two runs on the same trials."""
    result = comparison.compare(
        read_scored_trials(args.run_a, args),
        read_scored_trials(args.run_b, args),
        bootstrap_choices(args),
    )
    if args.out:
        write_json(args.out, "compare.json", result)
    rows = [
        [
            name,
            number(row["a"]),
            number(row["b"]),
            number(row["difference"]),
            interval(row["difference_ci95"], 4),
            number(row["p_value"]),
        ]
        for name, row in result["metrics"].items()
    ]
    print(markdown(["metric", "A", "B", "B - A", "95 % interval", "p"], rows))
    test = result["mcnemar"]
    print(
        f"McNemar at each system's threshold ({test['threshold']}): only A right "
        f"{test['only_a_right']}, only B right {test['only_b_right']}, p = {test['p_value']:.4g}. "
        f"Bootstrap by {result['bootstrap']['unit']}."
    )


def peers(args: argparse.Namespace) -> None:
    """Print several detectors in one table."""
    table, rates = {}, {}
    for entry in args.systems:
        name, found, path = entry.partition("=")
        if not found:
            raise ConfigError(f"{entry}: expected NAME=SCOREFILE")
        scored = read_scored_trials(Path(path), args)
        table[name] = summarise(scored, None, bootstrap_choices(args))
        rates[name] = error_rates(scored.bonafide(), scored.spoof())
    ranked = dict(sorted(table.items(), key=lambda item: item[1]["eer_percent"]))
    rows = [
        [
            name,
            number(row["eer_percent"], 2),
            interval(row["eer_percent_ci95"]),
            number(row["min_dcf"]),
            number(row["act_dcf"]),
            number(row["cllr_bits"], 3),
            number(row["min_cllr_bits"], 3),
        ]
        for name, row in ranked.items()
    ]
    text = markdown(
        ["system", "EER %", "95 % interval", "min DCF", "act DCF", "Cllr", "min Cllr"], rows
    )
    print(text)
    if args.out:
        write_json(args.out, "peers.json", ranked)
        (args.out / "peers.md").write_text(text + "\n", encoding="utf-8")
        for name, paint in (("det", paint_det), ("roc", paint_roc)):
            draw(args.out, name, paint({system: rates[system] for system in ranked}))
