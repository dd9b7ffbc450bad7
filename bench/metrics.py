"""What the metrics of ten million scores cost, on one core: reading the score file, the metrics,
the bootstrap, apart.

python bench/metrics.py [--trials 10000000] [--replicates 5]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evaluation.bootstrap import replicates
from evaluation.groups import per_attack
from evaluation.tables import markdown
from radd.metrics import act_dcf, cllr, eer, error_rates, min_cllr, min_dcf
from radd.score_files import ScoredTrials, own_trials, read_scores, write_2019
from radd.trials import UNKNOWN, Trials

TARGET_S = 10


def main() -> None:
    arguments = parse()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "scores.txt"
        write_2019(path, scored_trials(arguments.trials))
        reading, scored = timed(lambda: own_trials(read_scores(path), path))
    counting, _ = timed(lambda: metrics(scored))
    threshold = eer(error_rates(scored.bonafide(), scored.spoof()))[1]
    grouping, attacks = timed(lambda: per_attack(scored, threshold))
    drawing, _ = timed(lambda: replicates(scored, arguments.replicates, seed=0))
    rows = [
        ["reading the score file", f"{reading:.1f}", ""],
        ["EER, min DCF, act DCF, Cllr, min Cllr", f"{counting:.1f}", f"under {TARGET_S}"],
        [f"EER and misses of each of {len(attacks)} attacks", f"{grouping:.1f}", ""],
        ["one bootstrap replicate", f"{drawing / arguments.replicates:.1f}", ""],
    ]
    print(markdown([f"{arguments.trials:,} trials", "seconds", "target"], rows))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=10_000_000)
    parser.add_argument(
        "--replicates", type=int, default=5, help="over whose number the bootstrap's cost is shared"
    )
    return parser.parse_args()


def scored_trials(n: int) -> ScoredTrials:
    """A tenth of them bona fide, as in the field's corpora, with the ties that rounded scores
    have.
    """
    rng = np.random.default_rng(0)
    is_spoof = np.arange(n) % 10 > 0
    scores = np.round(rng.normal(np.where(is_spoof, -2, 2), 1.5), 5)
    attacks = [f"A{i % 13:02d}" if spoof else UNKNOWN for i, spoof in enumerate(is_spoof.tolist())]
    return ScoredTrials(
        Trials("csv", [f"utt{i}" for i in range(n)], is_spoof, [UNKNOWN] * n, attacks), scores
    )


def metrics(scored: ScoredTrials) -> tuple[float, ...]:
    bonafide, spoof = scored.bonafide(), scored.spoof()
    rates = error_rates(bonafide, spoof)
    return (*eer(rates), min_dcf(rates), act_dcf(rates), cllr(bonafide, spoof), min_cllr(rates))


def timed(work):
    """Seconds of one core that the work took, and what it gave."""
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


if __name__ == "__main__":
    main()
