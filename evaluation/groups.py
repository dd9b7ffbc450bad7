"""The same metrics by attack, codec, speaker or any other column of the protocol."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress

import numpy as np

from radd.metrics import eer_of_sorted
from radd.score_files import ScoredTrials
from radd.trials import UNKNOWN

MOST_GROUPS = 200  # a column with more values identifies trials rather than groups them


def per_attack(scored: ScoredTrials, threshold: float) -> dict[str, dict]:
    """Each attack against all bona fide trials, by name: eer_percent, n_spoof, missed_percent at
    the threshold.
    """
    bonafide = np.sort(scored.bonafide())
    attacks = list(compress(scored.trials.attacks, scored.trials.is_spoof))
    table = {}
    for attack, spoof in _split(attacks, scored.spoof()):
        table[attack] = {
            "eer_percent": 100 * eer_of_sorted(bonafide, np.sort(spoof)),
            "n_spoof": len(spoof),
            "missed_percent": 100 * float(np.mean(spoof >= threshold)),
        }
    return {} if set(table) == {UNKNOWN} else table


def per_condition(scored: ScoredTrials, threshold: float) -> dict[str, dict[str, dict]]:
    """Both classes within each value of each column with 2 to 200 values, speakers included.

    Column -> value -> eer_percent (None if a class is missing), n_bonafide, n_spoof,
    false_alarm_percent and missed_percent at the threshold.
    """
    columns = {**scored.trials.conditions, "speaker": scored.trials.speakers}
    tables = {}
    for name, column in columns.items():
        if not 2 <= len(set(column)) <= MOST_GROUPS:
            continue
        groups = _split(column, np.arange(len(column)))
        tables[name] = {value: _group(scored, members, threshold) for value, members in groups}
    return tables


def _group(scored: ScoredTrials, members: np.ndarray, threshold: float) -> dict:
    scores, is_spoof = scored.scores[members], scored.trials.is_spoof[members]
    bonafide, spoof = np.sort(scores[~is_spoof]), np.sort(scores[is_spoof])
    both = len(bonafide) and len(spoof)
    return {
        "eer_percent": 100 * eer_of_sorted(bonafide, spoof) if both else None,
        "n_bonafide": len(bonafide),
        "n_spoof": len(spoof),
        "false_alarm_percent": 100 * float(np.mean(bonafide < threshold))
        if len(bonafide)
        else None,
        "missed_percent": 100 * float(np.mean(spoof >= threshold)) if len(spoof) else None,
    }


def encode(column: list[str]) -> tuple[list[str], np.ndarray]:
    """The distinct values of a column in order, and the index of each row's value, int32 (n,)."""
    names = sorted(set(column))
    places = {name: i for i, name in enumerate(names)}
    return names, np.fromiter(map(places.__getitem__, column), np.int32, len(column))


def _split(column: list[str], values: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """`values` grouped by a column."""
    names, codes = encode(column)
    order = np.argsort(codes.astype(np.min_scalar_type(len(names))), kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))
    return zip(names, np.split(values[order], ends[:-1]), strict=True)
