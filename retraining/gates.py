"""Gates that decide whether a candidate may replace the champion, on windows that it never trained
on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from radd.calibration import Calibration
from radd.metrics import cllr, eer_of_sorted
from retraining.replay_scores import llrs
from training.replay import Replay

REPLICATES = 300  # enough for a 95 % interval whose end decides
WORST_EER = 0.01  # largest allowed increase for a known family, whatever the interval
LEAST_REVIEWED = 4  # held-back clips needed for a result
METRICS = ("EER", "Cllr, bits", "false alarms per hour")


@dataclass(frozen=True, slots=True)
class FusedScorer:
    """Applies a bundle's correction and calibration to network scores."""

    correction: np.ndarray | None
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class Gate:
    """One comparison of the champion and the candidate, lower = better."""

    name: str
    champion: float
    candidate: float
    interval: tuple[float, float]
    """candidate minus champion, 95 %, groups resampled together"""
    passed: bool

    def table_row(self) -> str:
        """The gate as a row of a Markdown table."""
        low, high = self.interval
        return (
            f"| {self.name} | {self.champion:.4f} | {self.candidate:.4f} | {low:+.4f} to "
            f"{high:+.4f} | {'passed' if self.passed else 'FAILED'} |"
        )


def gates(
    held: Replay, champion: FusedScorer, candidate: FusedScorer, alarm_llr: float, seed: int = 1
) -> list[Gate]:
    """Each metric under each condition on held-back windows; below `alarm_llr` a clip is called
    fake.
    """
    found = []
    for condition in sorted(set(held.condition)):
        found += _compare(
            str(condition),
            held.rows(held.condition == condition),
            champion,
            candidate,
            alarm_llr,
            seed,
        )
    return found


def _compare(
    condition: str,
    windows: Replay,
    champion: FusedScorer,
    candidate: FusedScorer,
    alarm_llr: float,
    seed: int,
) -> list[Gate]:
    said = [llrs(windows, model.correction, model.calibration) for model in (champion, candidate)]
    clips = np.array(sorted(said[0]))
    scores = np.array([[one[clip] for clip in clips] for one in said])
    real, hours = windows.label[clips] == "bonafide", windows.length_s[clips] / 3600
    names, group = np.unique(windows.group[clips], return_inverse=True)
    rng = np.random.default_rng(seed)
    differences: list[np.ndarray] = []
    while len(differences) < REPLICATES:
        times = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))[group]
        drawn = np.repeat(np.arange(len(clips)), times)
        if 0 < real[drawn].sum() < len(drawn):
            old, new = (
                _measured(row[drawn], real[drawn], hours[drawn], alarm_llr) for row in scores
            )
            differences.append(new - old)
    bounds = np.quantile(differences, (0.025, 0.975), axis=0)
    old, new = (_measured(row, real, hours, alarm_llr) for row in scores)
    return [
        Gate(
            f"{condition}: {name}",
            float(old[k]),
            float(new[k]),
            (float(bounds[0, k]), float(bounds[1, k])),
            bool(bounds[0, k] <= 0 and (k > 0 or new[k] - old[k] <= WORST_EER)),
        )
        for k, name in enumerate(METRICS)
    ]


def _measured(
    scores: np.ndarray, real: np.ndarray, hours: np.ndarray, alarm_llr: float
) -> np.ndarray:
    bonafide, spoof = np.sort(scores[real]), np.sort(scores[~real])
    alarms = (bonafide < alarm_llr).sum() / max(hours[real].sum(), 1e-9)
    return np.array([eer_of_sorted(bonafide, spoof), cllr(bonafide, spoof), alarms])


def reviewed_gate(reviewed: Replay, champion: FusedScorer, candidate: FusedScorer) -> Gate:
    """On held-back reviewed clips the candidate must cost less: mean surprise at their labels, in
    bits.
    """
    costs = []
    for model in (champion, candidate):
        said = llrs(reviewed, model.correction, model.calibration)
        signs = {clip: 1 if reviewed.label[clip] == "bonafide" else -1 for clip in said}
        costs.append(
            [
                np.logaddexp(0, -signs[clip] * llr) / math.log(2)
                for clip, llr in sorted(said.items())
            ]
        )
    old, new = (float(np.mean(side)) if side else math.nan for side in costs)
    enough = len(costs[0]) >= LEAST_REVIEWED
    error = (
        1.96 * float(np.std(np.subtract(costs[1], costs[0]))) / math.sqrt(len(costs[0]))
        if enough
        else math.nan
    )
    return Gate(
        f"{len(costs[0])} reviewed clips held back (at least {LEAST_REVIEWED}): bits",
        old,
        new,
        (new - old - error, new - old + error),
        enough and new < old,
    )


def shadow_gate(
    heard: Replay, champion: FusedScorer, candidate: FusedScorer, alarm_llr: float, factor: float
) -> Gate:
    """Number of stored unlabelled clips that each model calls fake: at most `factor` times as many
    by the candidate.
    """
    old, new = (
        sum(llr < alarm_llr for llr in llrs(heard, model.correction, model.calibration).values())
        for model in (champion, candidate)
    )
    clips = len(set(heard.clip.tolist()))
    return Gate(
        f"{clips} stored clips without a label, called fake",
        old,
        new,
        (new - old, new - old),
        new <= factor * max(old, 1),
    )


def live_gate(
    hours: float, difference: float, champion: int, candidate: int, factor: float
) -> Gate:
    """Number of alerts of each model in shadow mode: at most `factor` times as many by the
    candidate. `difference` is that of the mean LLRs, candidate minus champion, in nats.
    """
    return Gate(
        f"shadow run: alerts in {hours:.2f} hours of speech; LLRs {difference:+.2f} on average",
        champion,
        candidate,
        (candidate - champion, candidate - champion),
        candidate <= factor * max(champion, 1),
    )
