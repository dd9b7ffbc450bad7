"""The content of metrics.json for one list of scored trials."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np

from evaluation.bootstrap import METRICS, Resampling, interval95, replicates
from evaluation.groups import per_attack, per_condition
from radd.errors import ProtocolError
from radd.metrics import (
    BAYES_THRESHOLD_LLR,
    AsvErrorRates,
    ErrorRates,
    WrongEdition,
    act_dcf,
    cllr,
    eer,
    error_rates,
    min_cllr,
    min_dcf,
    min_tdcf_2019,
    min_tdcf_2021,
)
from radd.score_files import ScoredTrials
from radd.trials import Trials, plain_number


@dataclass(frozen=True, slots=True)
class Choices:
    """User choices for an evaluation."""

    threshold: str
    """eer, bayes or a number in the scores' own unit"""
    replicates: int
    """bootstrap replicates; 0 omits the intervals"""
    seed: int


SHOWN_P_SPOOF = (0.5, 0.9, 0.99)  # those of `suspect_p`, of `spoof_p` and of a cautious user


def operating_points(rates: ErrorRates) -> list[dict[str, float]]:
    """Error rates if clips are called fake above a probability of spoof, at equal odds; for scores
    that are LLRs.

    One entry for each of SHOWN_P_SPOOF: threshold in nats, false_alarm_percent of the real voices,
    missed_percent of the fakes.
    """
    points = []
    for p_spoof in SHOWN_P_SPOOF:
        threshold = math.log(1 / p_spoof - 1)
        misses, false_alarms = rates.at(threshold)
        points.append(
            {
                "p_spoof": p_spoof,
                "threshold": threshold,
                "false_alarm_percent": 100 * misses / rates.n_bonafide,
                "missed_percent": 100 * false_alarms / rates.n_spoof,
            }
        )
    return points


def threshold_of(choice: str, rates: ErrorRates) -> float:
    """The threshold for a choice. Raises ProtocolError for anything but eer, bayes or a finite
    number.
    """
    if choice == "eer":
        return eer(rates)[1]
    if choice == "bayes":
        return BAYES_THRESHOLD_LLR
    try:
        threshold = plain_number(choice)
    except ValueError:
        threshold = np.nan
    if not np.isfinite(threshold):
        raise ProtocolError(f"threshold {choice}: expected eer, bayes or a number")
    return threshold


def confusion(rates: ErrorRates, threshold: float) -> dict[str, float | int | None]:
    """Counts and rates of the spoof decision at a threshold; spoof is the positive class.

    Precision is None if nothing is called spoof. All rates 0 to 1.
    """
    misses, false_alarms = rates.at(threshold)
    caught = rates.n_spoof - false_alarms
    called_spoof = caught + misses
    precision = caught / called_spoof if called_spoof else None
    recall = caught / rates.n_spoof
    f1 = 2 * caught / (2 * caught + misses + false_alarms) if called_spoof else 0.0
    return {
        "threshold": threshold,
        "spoof_called_spoof": caught,
        "spoof_called_bonafide": false_alarms,
        "bonafide_called_spoof": misses,
        "bonafide_called_bonafide": rates.n_bonafide - misses,
        "accuracy": (caught + rates.n_bonafide - misses) / (rates.n_spoof + rates.n_bonafide),
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }


def reliability(scored: ScoredTrials, bins: int = 12) -> list[dict[str, float | int]]:
    """Predicted against observed probability of spoof, with both classes weighted equally (prior
    0.5).

    One entry per filled bin: predicted (mean probability), observed (share of spoof), trials.
    """
    is_spoof = scored.trials.is_spoof
    predicted = np.exp(-np.logaddexp(0, scored.scores))
    weights = np.where(is_spoof, 0.5 / is_spoof.sum(), 0.5 / (~is_spoof).sum())
    places = np.minimum((predicted * bins).astype(int), bins - 1)
    mass = np.bincount(places, weights, bins)
    spoof = np.bincount(places, weights * is_spoof, bins)
    mean = np.bincount(places, weights * predicted, bins)
    trials = np.bincount(places, minlength=bins)
    return [
        {
            "predicted": float(mean[i] / mass[i]),
            "observed": float(spoof[i] / mass[i]),
            "trials": int(trials[i]),
        }
        for i in np.flatnonzero(trials)
    ]


def summarise(scored: ScoredTrials, asv: AsvErrorRates | None, choices: Choices) -> dict:
    """metrics.json as a dictionary; unmeasured values are None."""
    rates = error_rates(scored.bonafide(), scored.spoof())
    rate, threshold = eer(rates)
    chosen = threshold_of(choices.threshold, rates)
    tdcf, notes = _tandem(rates, asv, scored.trials)
    notes += _doubts(rate, scored.without_key)
    resampling = Resampling.of(scored.trials)
    drawn = replicates(scored, choices.replicates, choices.seed) if choices.replicates else None
    intervals = {
        f"{name}_ci95": None if drawn is None else interval95(drawn[:, i])
        for i, name in enumerate(METRICS)
    }
    return {
        "eer_percent": 100 * rate,
        "eer_percent_ci95": intervals.pop("eer_percent_ci95"),
        "eer_threshold": threshold,
        **tdcf,
        "min_dcf": min_dcf(rates),
        "act_dcf": act_dcf(rates),
        "cllr_bits": cllr(scored.bonafide(), scored.spoof()),
        "min_cllr_bits": min_cllr(rates),
        **intervals,
        "n_bonafide": rates.n_bonafide,
        "n_spoof": rates.n_spoof,
        "format": scored.trials.format,
        "bootstrap": {
            "unit": resampling.unit,
            "n_units": resampling.n_units,
            "replicates": choices.replicates,
            "seed": choices.seed,
        },
        "at_threshold": {"chosen": choices.threshold, **confusion(rates, chosen)},
        "operating_points": operating_points(rates),
        "asv": _asv_rates(asv),
        "warnings": notes,
        "per_attack": per_attack(scored, chosen),
        "per_condition": per_condition(scored, chosen),
    }


def _doubts(rate: float, without_key: int) -> list[str]:
    doubts = []
    if rate > 0.5:
        doubts.append(
            f"the EER is {100 * rate:.1f} %, worse than chance; check that higher scores mean bona "
            "fide"
        )
    if without_key:
        doubts.append(f"{without_key} scores have no key in the protocol and were ignored")
    return doubts


def _asv_rates(asv: AsvErrorRates | None) -> dict[str, float] | None:
    if asv is None:
        return None
    return {
        "eer_percent": 100 * asv.eer,
        "p_miss": asv.p_miss,
        "p_fa": asv.p_fa,
        "p_miss_spoof": asv.p_miss_spoof,
    }


def _tandem(rates: ErrorRates, asv: AsvErrorRates | None, trials: Trials) -> tuple[dict, list[str]]:
    unmeasured = {"min_tdcf_2019": None, "min_tdcf_2021": None}
    if asv is None:
        return unmeasured, []
    edition = trials.edition
    if edition == 2021 and trials.utts[0].startswith("DF_"):
        return unmeasured, [
            "the DF track of ASVspoof 2021 has no t-DCF: the ASV scores were not used"
        ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", WrongEdition)
        tdcf = {
            "min_tdcf_2019": min_tdcf_2019(rates, asv, edition),
            "min_tdcf_2021": min_tdcf_2021(rates, asv, edition),
        }
    return tdcf, [str(warning.message) for warning in caught]
