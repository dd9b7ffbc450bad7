"""Known score files, where they are at hand, and small lists of scored trials."""

from pathlib import Path

import numpy as np
import pytest

from radd.protocols import UNKNOWN, Trials
from radd.score_files import ScoredTrials

KNOWN = Path(__file__).resolve().parents[1].parent / "shared" / "metrics"


@pytest.fixture(scope="session")
def known_scores() -> Path:
    """The directory of score files with published results."""
    if not (KNOWN / "README.md").is_file():
        pytest.skip(f"no score files with known results in {KNOWN}")
    return KNOWN


def scored_trials(bonafide, spoof, speakers=None, format="csv", prefix="utt") -> ScoredTrials:
    """Trials named utt0, utt1 ..., the bona fide ones first."""
    n = len(bonafide) + len(spoof)
    is_spoof = np.arange(n) >= len(bonafide)
    attacks = [UNKNOWN] * len(bonafide) + [f"A{i % 2:02d}" for i in range(len(spoof))]
    trials = Trials(format, [f"{prefix}{i}" for i in range(n)], is_spoof, speakers or [UNKNOWN] * n, attacks)
    return ScoredTrials(trials, np.array([*bonafide, *spoof], np.float64))
