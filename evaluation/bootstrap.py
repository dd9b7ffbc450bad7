"""Bootstrap intervals that resample whole speakers, because clips of one voice are not
independent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evaluation.groups import encode
from radd.metrics import BAYES_THRESHOLD_LLR, act_dcf, cllr, dcf, eer, error_rates, min_dcf
from radd.score_files import ScoredTrials
from radd.trials import UNKNOWN, Trials

METRICS = ("eer_percent", "min_dcf", "act_dcf", "cllr_bits")


@dataclass(frozen=True, slots=True)
class Resampling:
    """The units of one draw with replacement."""

    unit: str
    """speaker, or clip if fewer than two speakers are known"""
    n_units: int
    codes: np.ndarray
    """int (n,), the unit of each trial"""
    is_spoof: np.ndarray

    @staticmethod
    def of(trials: Trials) -> Resampling:
        """By speaker; a clip of an unknown speaker is its own unit."""
        names, codes = encode(trials.speakers)
        unknown = codes == names.index(UNKNOWN) if UNKNOWN in names else np.zeros(len(codes), bool)
        alone = int(np.count_nonzero(unknown))
        if len(names) - bool(alone) < 2:
            return Resampling("clip", len(trials), np.arange(len(trials)), trials.is_spoof)
        codes[unknown] = len(names) + np.arange(alone)
        _, units = np.unique(codes, return_inverse=True)
        return Resampling("speaker", int(units.max()) + 1, units, trials.is_spoof)

    def draws(self, replicates: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """How often each trial is in each replicate, int (n,); every replicate has both classes.

        Clips are drawn within their class, speakers with all their clips.
        """
        for _ in range(replicates):
            if self.unit == "clip":
                yield self._draw_clips(rng)
                continue
            weights = self._draw_speakers(rng)
            while not (weights[self.is_spoof].any() and weights[~self.is_spoof].any()):
                weights = self._draw_speakers(rng)
            yield weights

    def _draw_speakers(self, rng: np.random.Generator) -> np.ndarray:
        drawn = np.bincount(rng.integers(0, self.n_units, self.n_units), minlength=self.n_units)
        return drawn[self.codes]

    def _draw_clips(self, rng: np.random.Generator) -> np.ndarray:
        weights = np.zeros(len(self.is_spoof), np.int64)
        for members in (np.flatnonzero(self.is_spoof), np.flatnonzero(~self.is_spoof)):
            drawn = rng.integers(0, len(members), len(members))
            weights[members] = np.bincount(drawn, minlength=len(members))
        return weights


class WeightedTrials:
    """Scored trials sorted once, so that the metrics of a replicate are two cumulative sums and a
    bisection.
    """

    def __init__(self, scored: ScoredTrials):
        (self._bonafide, bonafide), (self._spoof, spoof) = (
            _sorted(scored, np.flatnonzero(members))
            for members in (~scored.trials.is_spoof, scored.trials.is_spoof)
        )
        self._first = np.searchsorted(bonafide, bonafide)
        self._spoof_below = np.append(np.searchsorted(spoof, bonafide), len(spoof))
        self._spoof_up_to = np.searchsorted(spoof, bonafide, "right")
        self._distinct_spoof = np.append(np.diff(spoof, prepend=-np.inf) > 0, True)
        self._bayes = [
            int(np.searchsorted(scores, BAYES_THRESHOLD_LLR)) for scores in (bonafide, spoof)
        ]
        self._costs = (
            np.logaddexp(0, -bonafide) / (2 * np.log(2)),
            np.logaddexp(0, spoof) / (2 * np.log(2)),
        )

    def metrics(self, weights: np.ndarray) -> tuple[float, ...]:
        """METRICS when each trial counts `weights` times, int (n,)."""
        bonafide, spoof = weights[self._bonafide], weights[self._spoof]
        bonafide_below, spoof_below = _sums_before(bonafide), _sums_before(spoof)
        n_bonafide, n_spoof = bonafide_below[-1], spoof_below[-1]
        # Costs are minimal, and the errors cross, at or just below the score of a bona fide trial
        # or above all.
        misses = np.append(bonafide_below[self._first], n_bonafide)
        false_alarms = n_spoof - spoof_below[self._spoof_below]
        p_miss, p_reject = (
            bonafide_below[self._bayes[0]] / n_bonafide,
            spoof_below[self._bayes[1]] / n_spoof,
        )
        costs = (
            counts @ cost / counts.sum()
            for counts, cost in zip((bonafide, spoof), self._costs, strict=True)
        )
        return (
            self._eer_percent(misses, false_alarms, n_spoof - spoof_below),
            np.min(dcf(misses / n_bonafide, false_alarms / n_spoof)),
            dcf(p_miss, 1 - p_reject),
            sum(costs),
        )

    def _eer_percent(
        self, misses: np.ndarray, false_alarms: np.ndarray, accepted: np.ndarray
    ) -> float:
        n_bonafide, n_spoof = misses[-1], accepted[0]
        crossing = int(np.searchsorted(misses * n_spoof - false_alarms * n_bonafide, 0))
        begin = self._spoof_up_to[crossing - 1] if crossing else 0
        between = slice(begin, self._spoof_below[crossing] + 1)
        points = [
            (misses[crossing], alarms)
            for alarms in accepted[between][self._distinct_spoof[between]]
        ]
        points.append((misses[crossing], false_alarms[crossing]))
        if crossing:
            points.insert(0, (misses[crossing - 1], false_alarms[crossing - 1]))
        miss, alarms = min(
            points, key=lambda counts: abs(counts[0] * n_spoof - counts[1] * n_bonafide)
        )
        return 50 * (miss / n_bonafide + alarms / n_spoof)


def _sorted(scored: ScoredTrials, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places and scores of some trials, lowest score first."""
    order = members[np.argsort(scored.scores[members])]
    return order, scored.scores[order]


def _sums_before(counts: np.ndarray) -> np.ndarray:
    """For each trial, and past the last, the sum of all counts that come before it."""
    return np.concatenate([[0], np.cumsum(counts)])


def point(scored: ScoredTrials) -> dict[str, float]:
    """METRICS of the trials themselves."""
    rates = error_rates(scored.bonafide(), scored.spoof())
    rate, _ = eer(rates)
    values = (100 * rate, min_dcf(rates), act_dcf(rates), cllr(scored.bonafide(), scored.spoof()))
    return dict(zip(METRICS, values, strict=True))


def replicates(scored: ScoredTrials, number: int, seed: int) -> np.ndarray:
    """METRICS of `number` bootstrap replicates, float64 (number, 4)."""
    weighted = WeightedTrials(scored)
    draws = Resampling.of(scored.trials).draws(number, np.random.default_rng(seed))
    return np.array([weighted.metrics(weights) for weights in draws])


def paired_replicates(a: ScoredTrials, b: ScoredTrials, number: int, seed: int) -> np.ndarray:
    """METRICS of two systems on the same replicates, float64 (number, 2, 4); both have the same
    trials in order.
    """
    both = WeightedTrials(a), WeightedTrials(b)
    draws = Resampling.of(a.trials).draws(number, np.random.default_rng(seed))
    return np.array([[system.metrics(weights) for system in both] for weights in draws])


def interval95(values: np.ndarray) -> list[float]:
    """The percentile interval with 95 % of the replicates."""
    return [float(value) for value in np.percentile(values, [2.5, 97.5])]
