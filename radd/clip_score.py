"""The score of a clip: the mean LLR over its longest windows. What makes it partly synthetic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

import numpy as np

# share of measured seconds that sound like a person, above which a recording is mixed
MIXED = 0.15


class Scored(Protocol):
    """The result of one window: a Judgement or a Score."""

    @property
    def llr(self) -> float | None: ...

    @property
    def window_samples(self) -> int: ...


S = TypeVar("S", bound=Scored)


def longest(results: Sequence[S]) -> list[S]:
    """The results whose windows have the greatest length."""
    samples = max(result.window_samples for result in results)
    return [result for result in results if result.window_samples == samples]


def mean_llr(llrs: Iterable[float | None]) -> float | None:
    """The mean of the LLRs that were measured, in nats; None if none was."""
    measured = [llr for llr in llrs if llr is not None]
    return float(np.mean(measured)) if measured else None


def is_mixed(person_s: int, measured_s: int) -> bool:
    """Whether more of the measured seconds sound like a person than a synthetic recording has."""
    return person_s > MIXED * measured_s
