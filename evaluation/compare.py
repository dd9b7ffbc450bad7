"""Tests whether one detector is better than another on the same trials, and by how much."""

from __future__ import annotations

import math

import numpy as np

from evaluation.bootstrap import METRICS, Resampling, interval95, paired_replicates, point
from evaluation.summary import Choices, threshold_of
from radd.errors import ConfigError, ProtocolError
from radd.metrics import error_rates
from radd.score_files import ScoredTrials


def align(a: ScoredTrials, b: ScoredTrials) -> ScoredTrials:
    """The trials of `b` in the order of `a`. Raises ProtocolError unless both have the same trials
    with equal keys.
    """
    places = {utt: i for i, utt in enumerate(b.trials.utts)}
    missing = [utt for utt in a.trials.utts if utt not in places]
    if missing or len(places) != len(a.trials):
        raise ProtocolError(
            f"the runs have {len(a.trials)} and {len(b.trials)} trials, and {len(missing)} of the "
            "first are not in the second; a comparison needs the same trials, so pass one protocol "
            "for both with --protocol"
        )
    chosen = np.fromiter((places[utt] for utt in a.trials.utts), np.int64, len(places))
    trials = b.trials.select(chosen)
    if (trials.is_spoof != a.trials.is_spoof).any():
        utt = a.trials.utts[int(np.flatnonzero(trials.is_spoof != a.trials.is_spoof)[0])]
        raise ProtocolError(
            f"the runs have different keys for {utt}; expected the same key in both"
        )
    return ScoredTrials(trials, b.scores[chosen])


def compare(a: ScoredTrials, b: ScoredTrials, choices: Choices) -> dict:
    """Metrics of both, the differences b - a with their 95 % bootstrap intervals, and paired tests.

    `p_value` of a metric is the two-sided bootstrap probability of no difference, at least 2 /
    (replicates + 1). `mcnemar` counts trials that only one system classifies correctly, each at its
    own threshold, with an exact test.
    """
    if not choices.replicates:
        raise ConfigError("a comparison needs bootstrap replicates; pass --bootstrap 1 or more")
    b = align(a, b)
    resampling = Resampling.of(a.trials)
    drawn = paired_replicates(a, b, choices.replicates, choices.seed)
    difference = drawn[:, 1] - drawn[:, 0]
    table = {}
    for i, (name, value_a, value_b) in enumerate(
        zip(METRICS, point(a).values(), point(b).values(), strict=True)
    ):
        table[name] = {
            "a": value_a,
            "b": value_b,
            "difference": value_b - value_a,
            "difference_ci95": interval95(difference[:, i]),
            "p_value": _two_sided(difference[:, i]),
        }
    return {
        "metrics": table,
        "mcnemar": _mcnemar(a, b, choices.threshold),
        "n_bonafide": int(np.count_nonzero(~a.trials.is_spoof)),
        "n_spoof": int(np.count_nonzero(a.trials.is_spoof)),
        "bootstrap": {
            "unit": resampling.unit,
            "n_units": resampling.n_units,
            "replicates": choices.replicates,
            "seed": choices.seed,
        },
    }


def _two_sided(difference: np.ndarray) -> float:
    fewer = min(np.count_nonzero(difference <= 0), np.count_nonzero(difference >= 0))
    return min(1.0, 2 * (fewer + 1) / (len(difference) + 1))


def _mcnemar(a: ScoredTrials, b: ScoredTrials, threshold: str) -> dict:
    right = []
    for scored in (a, b):
        rates = error_rates(scored.bonafide(), scored.spoof())
        right.append((scored.scores < threshold_of(threshold, rates)) == scored.trials.is_spoof)
    only_a = int(np.count_nonzero(right[0] & ~right[1]))
    only_b = int(np.count_nonzero(right[1] & ~right[0]))
    return {
        "threshold": threshold,
        "only_a_right": only_a,
        "only_b_right": only_b,
        "p_value": sign_test(only_a, only_b),
    }


def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact probability of a split at least this uneven between equal systems (McNemar
    1947, exact form).
    """
    n, k = wins + losses, min(wins, losses)
    if not n:
        return 1.0
    steps = np.arange(1, k + 1)
    log_choose = np.concatenate([[0.0], np.cumsum(np.log((n - steps + 1) / steps))])
    return min(1.0, 2 * float(np.exp(log_choose - n * math.log(2)).sum()))
