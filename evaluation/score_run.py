"""A scoring run that can be killed at any point and resumed."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple
from pathlib import Path

import numpy as np

from evaluation.scoring import ClipScore
from radd.errors import ProtocolError
from radd.score_files import ScoredTrials, write_2019, write_2021, write_asvspoof5
from radd.trials import Trials

LOG = "scored.jsonl"
CLIPS_AT_ONCE = 16  # a killed run repeats at most one batch per process
Engine = Callable[[Iterable[list[str]]], Iterator[list[ClipScore]]]


def score_trials(
    trials: Trials,
    out: Path,
    detector: str,
    resume: bool,
    engine: Engine,
    tell: Callable[[int, int], None],
) -> ScoredTrials:
    """Score every trial and write the score files; returns those that could be scored.

    `engine` turns batches of names into batches of scores, in order. Each batch is on disk before
    the next is requested, so that a run with `resume` scores only the rest and ends with the same
    files. `tell` is called with the number of trials done and in all. Raises ProtocolError if `out`
    contains another run, and if no trial could be scored.
    """
    head = {
        "detector": detector,
        "trials": hashlib.sha256("\n".join(trials.utts).encode()).hexdigest(),
    }
    out.mkdir(parents=True, exist_ok=True)
    done = _reopen(out / LOG, head) if resume else []
    with open(out / LOG, "a" if done else "w", encoding="utf-8") as log:
        if not done:
            _append(log, [json.dumps(head)])
        tell(len(done), len(trials))
        starts = range(len(done), len(trials), CLIPS_AT_ONCE)
        for scores in engine(trials.utts[start : start + CLIPS_AT_ONCE] for start in starts):
            _append(log, [json.dumps(astuple(score)) for score in scores])
            done += scores
            tell(len(done), len(trials))
    return _write(trials, done, out)


def _append(log, lines: list[str]) -> None:
    log.write("".join(f"{line}\n" for line in lines))
    log.flush()
    os.fsync(log.fileno())


def _reopen(path: Path, head: dict) -> list[ClipScore]:
    """Scores of an earlier run; an incomplete last line is dropped."""
    if not path.is_file():
        return []
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    lines = whole.decode("utf-8").splitlines()
    if lines and json.loads(lines[0]) != head:
        raise ProtocolError(
            f"{path} belongs to another detector, condition or protocol; name another --out, or "
            "omit --resume"
        )
    with open(path, "r+b") as file:
        file.truncate(len(whole))
    return [ClipScore(*json.loads(line)) for line in lines[1:]]


def _write(trials: Trials, done: list[ClipScore], out: Path) -> ScoredTrials:
    chosen = np.array([i for i, score in enumerate(done) if score.llr is not None], np.int64)
    problems = [(score.utt, score.problem) for score in done if score.problem]
    _write_list(out / "unreadable.csv", problems)
    _write_list(
        out / "unjudged.csv", [(score.utt, score.refusal) for score in done if score.refusal]
    )
    if not len(chosen):
        utt, problem = problems[0]
        raise ProtocolError(
            f"none of {len(trials)} trials could be scored; {utt}: {problem}; is --audio right?"
        )
    scored = ScoredTrials(trials.select(chosen), np.array([done[i].llr for i in chosen]))
    write_2019(out / "scores.txt", scored)
    write_2021(out / "scores_2021.txt", scored)
    write_asvspoof5(out / "scores_asvspoof5.tsv", scored)
    return scored


def _write_list(path: Path, rows: list[tuple[str, str]]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["utt", "reason"])
        writer.writerows(rows)
