"""Confidence intervals for the rate of rare events."""

from __future__ import annotations

import math
from collections.abc import Callable


def interval95(count: int) -> tuple[float, float]:
    """The exact 95 % interval of the expected number of events, given an observed `count` (Garwood
    1936).
    """
    low = 0.0 if count == 0 else _solve(lambda mean: 1 - at_most(count - 1, mean), 0.025, count)
    return low, _solve(lambda mean: 1 - at_most(count, mean), 0.975, count)


def at_most(count: int, mean: float) -> float:
    """Probability of at most `count` events if `mean` are expected (Poisson)."""
    if mean == 0:
        return 1.0
    return min(
        1.0, sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1))
    )


def _solve(rising: Callable[[float], float], value: float, count: int) -> float:
    """The argument at which an increasing function has a value, by bisection."""
    low, high = 0.0, 10.0 + 2 * count + 10 * math.sqrt(count)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < value else (low, middle)
    return (low + high) / 2
