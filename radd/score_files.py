"""Score files: read every common format, join with the keys of a protocol, write."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radd.errors import ProtocolError
from radd.trials import (
    UNKNOWN,
    Trials,
    cell,
    csv_header,
    csv_parts,
    csv_rows,
    is_spoof,
    lines,
    plain_number,
    refuse_doubles,
    telling,
    utterance,
)


@dataclass(frozen=True, slots=True)
class ScoreFile:
    """Scores by trial, with keys if the file contains them."""

    utts: list[str]
    scores: np.ndarray
    """float64 (n,), finite, higher = bona fide"""
    trials: Trials | None
    """trials described by the file itself; None without keys"""


@dataclass(frozen=True, slots=True)
class ScoredTrials:
    """Trials with one score each."""

    trials: Trials
    scores: np.ndarray
    """float64 (n,), higher = bona fide"""
    without_key: int = 0
    """ignored scores of trials that the protocol does not contain"""

    def bonafide(self) -> np.ndarray:
        """Scores of the bona fide trials."""
        return self.scores[~self.trials.is_spoof]

    def spoof(self) -> np.ndarray:
        """Scores of the spoof trials."""
        return self.scores[self.trials.is_spoof]


def read_scores(path: Path) -> ScoreFile:
    """Read the scores of a file, and its keys if it has any.

    Supported are `UTT ATTACK KEY SCORE` (ASVspoof 2019), `UTT SCORE` (2021, and ASVspoof 5 with its
    header) and CSV with a column score or cm_score. Raises ProtocolError for NaN, Inf, duplicate
    trials and anything that cannot be read.
    """
    path = Path(path)
    first = next(lines(path), None)
    if first is None:
        raise ProtocolError(f"{path} is empty: expected one score per line")
    file = _read_csv(path) if "," in first[1] else _read_columns(path, first[1].split())
    bad = np.flatnonzero(~np.isfinite(file.scores))
    if len(bad):
        names = ", ".join(file.utts[i] for i in bad[:3])
        raise ProtocolError(
            f"{path}: {len(bad)} of {len(file.utts)} scores are NaN or Inf ({names} ...); "
            "every score must be a finite number"
        )
    refuse_doubles(file.utts, path)
    return file


def match(protocol: Trials, file: ScoreFile, path: Path) -> ScoredTrials:
    """Every trial of the protocol with its score.

    Scores without a key are ignored and counted. A key without a score raises ProtocolError,
    because a missing trial would change every metric.
    """
    places = {utt: i for i, utt in enumerate(file.utts)}
    missing = [utt for utt in protocol.utts if utt not in places]
    if missing:
        raise ProtocolError(
            f"{path}: {len(missing)} of {len(protocol)} trials of the protocol have no score "
            f"({', '.join(missing[:3])} ...); score them, or pass the protocol of the scored "
            "trials"
        )
    chosen = np.fromiter((places[utt] for utt in protocol.utts), np.int64, len(protocol))
    return ScoredTrials(protocol, file.scores[chosen], len(file.utts) - len(protocol))


def own_trials(file: ScoreFile, path: Path) -> ScoredTrials:
    """The trials that a score file describes by itself. Raises ProtocolError if it has no keys."""
    if file.trials is None:
        raise ProtocolError(f"{path} has scores but no keys: name the protocol with --protocol")
    return ScoredTrials(file.trials, file.scores)


def read_asv_scores(
    path: Path, key: Path | None = None, subset: str = "eval"
) -> dict[str, np.ndarray]:
    """The scores of a speaker verification system as arrays (n,) under target, nontarget and spoof.

    Lines are `SOURCE target|nontarget|spoof SCORE` (ASVspoof 2019). The score file of 2021 has no
    keys: `key` is its trial_metadata.txt, with the same trials line by line. Raises ProtocolError
    for anything else.
    """
    rows = [(number, line.split()) for number, line in lines(path)]
    if key is None:
        kinds = [row[1] if len(row) == 3 else None for _, row in rows]
    else:
        keys = [line.split() for _, line in lines(key)]
        if len(keys) != len(rows) or any(len(row) < 8 for row in keys):
            raise ProtocolError(
                f"{key}: {len(keys)} lines for {len(rows)} scores in {path}, expected one key of "
                "at least 8 columns for each score"
            )
        kinds = [row[5] if row[7] == subset else "other subset" for row in keys]
    scores: dict[str, list[float]] = {"target": [], "nontarget": [], "spoof": []}
    for kind, (number, row) in zip(kinds, rows, strict=True):
        if kind in scores:
            scores[kind].append(_number(row[-1], f"{path}:{number}"))
        elif key is None:
            raise ProtocolError(
                f"{path}:{number}: expected SOURCE target|nontarget|spoof SCORE, found "
                f"{' '.join(row)[:80]!r}; for ASVspoof 2021 name its key with --asv-key"
            )
    return {kind: np.array(values) for kind, values in scores.items()}


def write_2019(path: Path, scored: ScoredTrials) -> None:
    """Write `UTT ATTACK KEY SCORE`, one trial per line, in the order of the protocol."""
    trials = scored.trials
    with open(path, "w", encoding="utf-8") as file:
        columns = trials.utts, trials.attacks, trials.is_spoof, scored.scores.tolist()
        for utt, attack, spoof, score in zip(*columns, strict=True):
            file.write(f"{utt} {attack} {'spoof' if spoof else 'bonafide'} {score!r}\n")


def write_2021(path: Path, scored: ScoredTrials) -> None:
    """Write `UTT SCORE`, the submission format of ASVspoof 2021."""
    with open(path, "w", encoding="utf-8") as file:
        for utt, score in zip(scored.trials.utts, scored.scores.tolist(), strict=True):
            file.write(f"{utt} {score!r}\n")


def write_asvspoof5(path: Path, scored: ScoredTrials) -> None:
    """Write tab-separated with the header `filename cm-score`, the submission format of
    ASVspoof 5.
    """
    with open(path, "w", encoding="utf-8") as file:
        file.write("filename\tcm-score\n")
        for utt, score in zip(scored.trials.utts, scored.scores.tolist(), strict=True):
            file.write(f"{utt}\t{score!r}\n")


def write_trials(path: Path, scored: ScoredTrials) -> None:
    """Write CSV with all columns of the trials, readable by read_scores and read_protocol."""
    trials = scored.trials
    names = list(trials.conditions)
    columns = [
        trials.utts,
        trials.speakers,
        trials.attacks,
        trials.is_spoof.tolist(),
        scored.scores.tolist(),
        *trials.conditions.values(),
    ]
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["utt", "speaker", "attack", "key", "score", *names])
        for utt, speaker, attack, spoof, score, *rest in zip(*columns, strict=True):
            writer.writerow(
                [utt, speaker, attack, "spoof" if spoof else "bonafide", repr(score), *rest]
            )


def _number(text: str, place: str) -> float:
    try:
        return plain_number(text)
    except ValueError:
        raise ProtocolError(f"{place}: score {text!r} is not a number") from None


def _read_columns(path: Path, first: list[str]) -> ScoreFile:
    if len(first) not in (2, 4):
        raise ProtocolError(
            f"{path}: {len(first)} columns in {' '.join(first)[:80]!r}, expected UTT SCORE or "
            "UTT ATTACK KEY SCORE"
        )
    header = first[0].lower() == "filename"
    utts: list[str] = []
    scores: list[float] = []
    attacks: list[str] = []
    keys: list[bool] = []
    for number, line in lines(path):
        row = line.split()
        if header and not scores and row == first:
            continue
        if len(row) != len(first):
            raise ProtocolError(
                f"{path}:{number}: {len(row)} columns, expected {len(first)} as in the first line"
            )
        utts.append(utterance(row[0]))
        scores.append(_number(row[-1], f"{path}:{number}"))
        if len(row) == 4:
            keys.append(is_spoof(row[2], f"{path}:{number}"))
            attacks.append(row[1] if keys[-1] else UNKNOWN)
    trials = None
    if keys:
        edition = (
            "asvspoof2019" if all(utt.startswith(("LA_", "PA_")) for utt in utts[:100]) else "csv"
        )
        trials = Trials(edition, utts, np.array(keys, bool), [UNKNOWN] * len(utts), attacks)
    return ScoreFile(utts, np.array(scores), trials)


def _read_csv(path: Path) -> ScoreFile:
    header = csv_header(path)
    parts = csv_parts(header, path, ("score",))
    # ASVspoof 5's sasv_label is 1 for bona fide; any other numeric label is ambiguous and rejected.
    sasv = "sasv_label" if "key" not in parts and "sasv_label" in header else None
    utts: list[str] = []
    scores: list[float] = []
    keys: list[bool] = []
    speakers: list[str] = []
    attacks: list[str] = []
    conditions: dict[str, list[str]] = {
        name: []
        for name in header
        if name not in parts.values() and name not in ("asv_score", sasv)
    }
    for number, row in csv_rows(path):
        place = f"{path}:{number}"
        utts.append(
            utterance(row[parts["utt"]].strip()) if "utt" in parts else f"row-{len(utts) + 1}"
        )
        scores.append(_number(row[parts["score"]], place))
        if sasv:
            keys.append(_number(row[sasv], place) == 0)
        elif "key" in parts:
            keys.append(is_spoof(row[parts["key"]], place))
        speakers.append(cell(row, parts.get("speaker")))
        attacks.append(cell(row, parts.get("attack")) if keys and keys[-1] else UNKNOWN)
        for name, column in conditions.items():
            column.append(cell(row, name))
    trials = (
        Trials("csv", utts, np.array(keys, bool), speakers, attacks, telling(conditions))
        if keys
        else None
    )
    return ScoreFile(utts, np.array(scores), trials)
