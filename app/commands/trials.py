"""Shared parts of evaluate.py's commands: trial selection and output files."""

from __future__ import annotations

import argparse
import json
import sys
from functools import reduce
from pathlib import Path
from typing import Any

from evaluation.audio_folder import AudioFolder
from evaluation.filters import Filter, described
from evaluation.report import write_report
from evaluation.summary import Choices, summarise
from evaluation.tables import interval, markdown, number
from radd.errors import ConfigError, ProtocolError
from radd.metrics import asv_error_rates
from radd.overlay import Overlay
from radd.score_files import (
    ScoredTrials,
    match,
    own_trials,
    read_asv_scores,
    read_scores,
    write_trials,
)
from radd.trials import Trials, read_protocol

RECORD = ("overlay_version", "condition", "seconds", "where", "unseen_in")


def read_overlay(url: str | None, bundle: Path) -> Overlay | None:
    """The confirmed references for the encoder of a bundle. Raises ConfigError if there are
    none.
    """
    if url is None:
        return None

    from radd.bundle import encoder_of  # metrics need no network runtime
    from storage.overlay import OverlayStore

    with OverlayStore(url, encoder_of(bundle)) as store:
        overlay = store.read()
    if not overlay.version:
        raise ConfigError(
            f"--overlay: nothing was confirmed there for the encoder {overlay.encoder_id} of "
            f"{bundle}"
        )
    return overlay


def overlay_record(overlay: Overlay | None) -> dict[str, int]:
    """The overlay's part of a run's record."""
    return {} if overlay is None else {"overlay_version": overlay.version}


def earlier_record(run: Path) -> dict[str, Any]:
    """The provenance of the scores in an earlier run's record; empty if there is none."""
    path = run / "metrics.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {key: record[key] for key in RECORD if key in record}


def trial_filter(args: argparse.Namespace) -> Filter:
    """The trial selection of the command line."""
    return Filter(tuple(args.where), tuple(args.unseen))


def described_trials(trials: Trials, args: argparse.Namespace) -> Trials:
    """The trials with the columns of --meta."""
    return reduce(described, args.meta, trials)


def chosen_trials(args: argparse.Namespace) -> Trials:
    """The selected trials of the command line's protocol."""
    if args.protocol is None:
        raise ConfigError("the trials are unknown; pass their protocol with --protocol FILE")
    trials = described_trials(read_protocol(args.protocol, args.format, args.subset), args)
    return trials.select(trial_filter(args).chosen(trials))


def bootstrap_choices(args: argparse.Namespace) -> Choices:
    """The threshold and bootstrap settings of the command line."""
    return Choices(args.threshold, args.bootstrap, args.seed)


def write_json(folder: Path, name: str, content: dict) -> None:
    """Write a dictionary as indented JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    (folder / name).write_text(text + "\n", encoding="utf-8")


def write_results(
    scored: ScoredTrials, args: argparse.Namespace, name: str, record: dict[str, Any]
) -> None:
    """Write metrics.json, trials.csv and report.html of scored trials, and print the figures.

    `record` is the provenance of the scores for metrics.json; the trial selection is added to it.
    """
    asv = None
    if args.asv_scores:
        asv = asv_error_rates(**read_asv_scores(args.asv_scores, args.asv_key, args.subset))
    sound = AudioFolder(args.audio) if args.audio else None
    for key, chosen in trial_filter(args).record().items():
        record[key] = record.get(key, []) + chosen
    summary = summarise(scored, asv, bootstrap_choices(args)) | record
    write_json(args.out, "metrics.json", summary)
    write_trials(args.out / "trials.csv", scored)
    write_report(args.out, name, scored, summary, sound.player if sound else lambda utt: None)
    for warning in summary["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    names = [
        key
        for key in summary
        if f"{key}_ci95" in summary or key.startswith("min_") and "ci95" not in key
    ]
    rows = [[key, number(summary[key]), interval(summary.get(f"{key}_ci95"), 4)] for key in names]
    print(markdown(["metric", "value", "95 % interval"], rows))
    print(
        f"{summary['n_bonafide']:,} bona fide, {summary['n_spoof']:,} spoof; intervals by "
        f"{summary['bootstrap']['unit']}; see {args.out / 'report.html'}"
    )


def read_scored_trials(path: Path, args: argparse.Namespace) -> ScoredTrials:
    """The scored trials of a score file, or of an earlier run's directory."""
    if path.is_dir():
        inside = [path / name for name in ("trials.csv", "scores.txt") if (path / name).is_file()]
        if not inside:
            raise ProtocolError(
                f"{path} has neither trials.csv nor scores.txt; pass a run's folder or a score file"
            )
        path = inside[0]
    file = read_scores(path)
    if args.protocol is None:
        scored = own_trials(file, path)
    else:
        scored = match(read_protocol(args.protocol, args.format, args.subset), file, path)
    trials = described_trials(scored.trials, args)
    chosen = trial_filter(args).chosen(trials)
    return ScoredTrials(trials.select(chosen), scored.scores[chosen], scored.without_key)
