"""Metrics on countermeasure scores. Higher scores mean bona fide, LLRs are in nats.

A trial is accepted as bona fide if its score is at least the threshold. Tied scores move together:
only operating points that a threshold can reach are counted, so the order of equal scores cannot
flatter a system. NaN and Inf are rejected, and so is a set that lacks one of the classes.
"""

from __future__ import annotations

import math
import warnings
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from radd.errors import ProtocolError

PI_SPOOF = 0.05  # priors and costs of the ASVspoof evaluation plans
PI_TARGET = 0.95 * 0.99
PI_NONTARGET = 0.95 * 0.01
C_MISS = 1.0
C_FA = 10.0
BAYES_THRESHOLD_LLR = -math.log(C_MISS * (1 - PI_SPOOF) / (C_FA * PI_SPOOF))


class WrongEdition(UserWarning):
    """The requested t-DCF is not the one that was published for the data's edition of ASVspoof."""


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """Both error counts at every threshold that separates scores, from accepting all to rejecting
    all.
    """

    thresholds: np.ndarray
    """float64 (k + 1,), ascending: every distinct score, then +inf"""
    misses: np.ndarray
    """int64 (k + 1,), bona fide trials below the threshold"""
    false_alarms: np.ndarray
    """int64 (k + 1,), spoof trials at or above the threshold"""
    n_bonafide: int
    n_spoof: int

    @property
    def p_miss(self) -> np.ndarray:
        """Miss rate at every threshold, (k + 1,)."""
        return self.misses / self.n_bonafide

    @property
    def p_fa(self) -> np.ndarray:
        """False alarm rate at every threshold, (k + 1,)."""
        return self.false_alarms / self.n_spoof

    def at(self, threshold: float) -> tuple[int, int]:
        """Misses and false alarms at any threshold."""
        i = int(np.searchsorted(self.thresholds, threshold, "left"))
        return int(self.misses[i]), int(self.false_alarms[i])

    def thinned(self, points: int) -> np.ndarray:
        """Indices of about `points` operating points, spread evenly along the curve, both ends
        included.
        """
        travelled = self.p_miss - self.p_fa + 1
        rarest = np.arange(min(len(travelled), 32))
        even = np.searchsorted(travelled, np.linspace(0, 2, points))
        wanted = np.concatenate([rarest, even, len(travelled) - 1 - rarest])
        return np.unique(np.clip(wanted, 0, len(travelled) - 1))


@dataclass(frozen=True, slots=True)
class AsvErrorRates:
    """A speaker verification system at its EER threshold, as both t-DCFs need it."""

    eer: float
    p_miss: float
    p_fa: float
    p_miss_spoof: float


def finite(scores: np.ndarray, what: str) -> np.ndarray:
    """The scores as float64 (n,). Raises ProtocolError if there are none or one is NaN or Inf."""
    scores = np.asarray(scores, np.float64).ravel()
    if not len(scores):
        raise ProtocolError(
            f"no {what} scores: metrics need trials of both classes; check the keys of the protocol"
        )
    bad = int(len(scores) - np.isfinite(scores).sum())
    if bad:
        raise ProtocolError(
            f"{bad} of {len(scores)} {what} scores are NaN or Inf: every score must be a finite "
            "number"
        )
    return scores


def error_rates(bonafide: np.ndarray, spoof: np.ndarray) -> ErrorRates:
    """Count both errors at every threshold.

    Shapes (n,) and (m,), any real scores, higher = bona fide. Raises ProtocolError like `finite`.
    """
    bonafide = np.sort(finite(bonafide, "bona fide"))
    spoof = np.sort(finite(spoof, "spoof"))
    merged = np.sort(np.concatenate([bonafide, spoof]), kind="stable")
    distinct = merged[np.concatenate([[True], merged[1:] != merged[:-1]])]
    misses = np.append(np.searchsorted(bonafide, distinct, "left"), len(bonafide))
    false_alarms = np.append(len(spoof) - np.searchsorted(spoof, distinct, "left"), 0)
    return ErrorRates(np.append(distinct, np.inf), misses, false_alarms, len(bonafide), len(spoof))


def eer(rates: ErrorRates) -> tuple[float, float]:
    """Equal error rate, 0 to 1, and its threshold: the mean of both rates where their difference is
    smallest.

    No interpolation; of equally good thresholds the lowest, as in the tools of the ASVspoof
    challenges.
    """
    i = int(np.argmin(np.abs(rates.misses * rates.n_spoof - rates.false_alarms * rates.n_bonafide)))
    return float(rates.p_miss[i] + rates.p_fa[i]) / 2, float(rates.thresholds[i])


def eer_of_sorted(bonafide: np.ndarray, spoof: np.ndarray) -> float:
    """The same equal error rate as `eer`, found by bisection in sorted scores.

    Ascending float64 (n,) and (m,), neither empty; for many groups against one large class.
    """
    n, m = len(bonafide), len(spoof)

    def difference(threshold):
        return (
            np.searchsorted(bonafide, threshold) * m - (m - np.searchsorted(spoof, threshold)) * n
        )

    crossing = bisect_left(range(n), True, key=lambda i: bool(difference(bonafide[i]) >= 0))
    low = bonafide[crossing - 1] if crossing else -np.inf
    high = bonafide[crossing] if crossing < n else np.inf
    between = spoof[np.searchsorted(spoof, low) : np.searchsorted(spoof, high, "right")]
    thresholds = np.unique(np.concatenate([[low], between, [high]]))
    best = thresholds[np.argmin(np.abs(difference(thresholds)))]
    return float(np.searchsorted(bonafide, best) / n + 1 - np.searchsorted(spoof, best) / m) / 2


def asv_error_rates(target: np.ndarray, nontarget: np.ndarray, spoof: np.ndarray) -> AsvErrorRates:
    """Error rates of a speaker verification system at its EER threshold for the three kinds of
    trials, (n,) each.

    The threshold is the highest score rejected at the EER point (ASVspoof 2019 and 2021 evaluation
    plans).
    """
    target, nontarget = finite(target, "ASV target"), finite(nontarget, "ASV nontarget")
    spoof = finite(spoof, "ASV spoof")
    rates = error_rates(target, nontarget)
    rate, above = eer(rates)
    i = max(int(np.searchsorted(rates.thresholds, above)) - 1, 0)
    threshold = rates.thresholds[i]
    return AsvErrorRates(
        eer=rate,
        p_miss=float(np.mean(target < threshold)),
        p_fa=float(np.mean(nontarget >= threshold)),
        p_miss_spoof=float(np.mean(spoof < threshold)),
    )


def min_tdcf_2019(rates: ErrorRates, asv: AsvErrorRates, edition: int | None = None) -> float:
    """Normalised minimum tandem detection cost of ASVspoof 2019, 0 to 1 for any sensible ASV
    system.

    Kinnunen et al., t-DCF, Odyssey 2018, equations 10 and 11. Warns WrongEdition if `edition` is
    2021.
    """
    _check_edition(edition, 2019)
    c1 = PI_TARGET * (C_MISS - C_MISS * asv.p_miss) - PI_NONTARGET * C_FA * asv.p_fa
    c2 = C_FA * PI_SPOOF * (1 - asv.p_miss_spoof)
    if min(c1, c2) <= 0:
        raise ProtocolError(
            f"the ASV system gives t-DCF weights C1 = {c1:.4g}, C2 = {c2:.4g}, expected both "
            "above 0: check that its scores are higher for target speakers"
        )
    return float(np.min(c1 * rates.p_miss + c2 * rates.p_fa)) / min(c1, c2)


def min_tdcf_2021(rates: ErrorRates, asv: AsvErrorRates, edition: int | None = None) -> float:
    """Normalised minimum ASV-constrained tandem detection cost of ASVspoof 2021 LA and PA, up to 1.

    Kinnunen et al., Tandem Assessment, TASLP 2020; ASVspoof 2021 evaluation plan. Warns
    WrongEdition if `edition` is 2019: on those data it is two to three times the published numbers.
    """
    _check_edition(edition, 2021)
    c0 = PI_TARGET * C_MISS * asv.p_miss + PI_NONTARGET * C_FA * asv.p_fa
    c1 = PI_TARGET * C_MISS - c0
    c2 = PI_SPOOF * C_FA * (1 - asv.p_miss_spoof)
    if c1 <= 0 or c2 < 0:
        raise ProtocolError(
            f"the ASV system gives t-DCF weights C1 = {c1:.4g}, C2 = {c2:.4g}, expected C1 above "
            "0: check that its scores are higher for target speakers"
        )
    return float(c0 + np.min(c1 * rates.p_miss + c2 * rates.p_fa)) / (c0 + min(c1, c2))


def _check_edition(edition: int | None, own: int) -> None:
    if edition in (2019, 2021) and edition != own:
        warnings.warn(
            f"min_tdcf_{own} on ASVspoof {edition} data: published numbers for {edition} are "
            f"min_tdcf_{edition}; the two are different functions and their values must not be "
            "compared",
            WrongEdition,
            stacklevel=3,
        )


def dcf(p_miss, p_fa, p_spoof: float = PI_SPOOF, c_miss: float = C_MISS, c_fa: float = C_FA):
    """Normalised detection cost of ASVspoof 5 (evaluation plan, track 1); 1 is what ignoring the
    scores costs.
    """
    miss, fa = c_miss * (1 - p_spoof), c_fa * p_spoof
    return (miss * p_miss + fa * p_fa) / min(miss, fa)


def min_dcf(rates: ErrorRates) -> float:
    """Normalised detection cost of ASVspoof 5 (evaluation plan, track 1); 1 is the cost of ignoring
    the scores.
    """
    return float(np.min(dcf(rates.p_miss, rates.p_fa)))


def act_dcf(rates: ErrorRates, threshold: float = BAYES_THRESHOLD_LLR) -> float:
    """Detection cost of ASVspoof 5 at the threshold that is optimal for true LLRs in nats."""
    misses, false_alarms = rates.at(threshold)
    return float(dcf(misses / rates.n_bonafide, false_alarms / rates.n_spoof))


def cllr(bonafide: np.ndarray, spoof: np.ndarray) -> float:
    """Cost of log-likelihood ratios in bits, at least 0; LLRs that are always 0 cost 1.

    Bruemmer and du Preez, Application-independent evaluation, 2006. Scores (n,) and (m,) are LLRs
    in nats.
    """
    bonafide, spoof = finite(bonafide, "bona fide"), finite(spoof, "spoof")
    return float(np.logaddexp(0, -bonafide).mean() + np.logaddexp(0, spoof).mean()) / (
        2 * math.log(2)
    )


def min_cllr(rates: ErrorRates) -> float:
    """Cllr in bits, 0 to 1, after the best monotone recalibration (pool adjacent violators)."""
    bonafide, spoof = pool(np.diff(rates.misses), -np.diff(rates.false_alarms))
    # Class-balanced posteriors of each pool. A pool without one class costs nothing, as x * log(1)
    # is 0.
    b, s = bonafide / rates.n_bonafide, spoof / rates.n_spoof
    cost_b = b[b > 0] @ np.log2(1 + s[b > 0] / b[b > 0])
    cost_s = s[s > 0] @ np.log2(1 + b[s > 0] / s[s > 0])
    return float(cost_b + cost_s) / 2


def pool(bonafide: np.ndarray, spoof: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pool adjacent violators: counts of both classes per distinct score -> per pool, share of bona
    fide rising.

    int64 (k,), ascending by score -> int64 (j,), j <= k. Neighbours that violate the order end in
    one pool in any order of pooling, so whole runs are pooled at once; the remainder is finished
    pool by pool.
    """
    while len(bonafide) > 1:
        keep = bonafide[:-1] * spoof[1:] < bonafide[1:] * spoof[:-1]
        starts = np.flatnonzero(np.concatenate([[True], keep]))
        if len(starts) > 0.98 * len(bonafide):
            return _pool_one_by_one(bonafide, spoof)
        bonafide, spoof = np.add.reduceat(bonafide, starts), np.add.reduceat(spoof, starts)
    return bonafide, spoof


def _pool_one_by_one(bonafide: np.ndarray, spoof: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pools: list[tuple[int, int]] = []
    for b, s in zip(bonafide.tolist(), spoof.tolist(), strict=True):
        while pools and pools[-1][0] * s >= b * pools[-1][1]:
            last_b, last_s = pools.pop()
            b, s = b + last_b, s + last_s
        pools.append((b, s))
    merged = np.array(pools, np.int64)
    return merged[:, 0], merged[:, 1]
