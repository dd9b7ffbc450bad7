"""What cross-validation over sources found: figures to choose by, and the scores behind them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from radd.dataset import Clip
from radd.metrics import cllr, eer, error_rates
from radd.score_files import ScoredTrials, write_trials
from radd.trials import Trials
from training.crossval import labels_of

MISSED = 0.1  # share of fakes at whose threshold false alarms are counted


def report(clips: Sequence[Clip], llrs: np.ndarray, out: Path) -> str:
    """The figures as lines; the scores go into the CSV file `out`, for evaluate.py.

    `llrs` float64 (clips,) are in nats, higher = bona fide, NaN for clips without a score.
    """
    scored = [(clip, llr) for clip, llr in zip(clips, llrs, strict=True) if np.isfinite(llr)]
    judged = [clip for clip, _ in scored]
    values, bonafide = np.array([llr for _, llr in scored]), labels_of(judged) == 1
    write_trials(out, ScoredTrials(_trials(judged), values))
    real, fake = values[bonafide], values[~bonafide]
    inside, sources = error_rate_inside_sources(values, judged)
    return "\n".join(
        (
            f"clips: {len(real)} bona fide, {len(fake)} spoof, {len(clips) - len(judged)} unscored",
            f"EER, pooled: {100 * eer(error_rates(real, fake))[0]:.1f} %",
            f"EER, mean inside {sources} sources: {100 * inside:.1f} %",
            f"real called fake at {100 * MISSED:.0f} % missed: "
            f"{100 * false_alarm_rate(real, fake, MISSED):.1f} %",
            f"Cllr: {cllr(real, fake):.3f} bit",
            f"{out} has the scores; evaluate.py metrics --scores {out} --out DIR says more",
        )
    )


def _trials(clips: Sequence[Clip]) -> Trials:
    return Trials(
        "cross-validation",
        [clip.utt for clip in clips],
        labels_of(clips) == 0,
        [clip.speaker for clip in clips],
        [clip.system for clip in clips],
        {"source": [clip.source for clip in clips], "lang": [clip.language for clip in clips]},
    )


def error_rate_inside_sources(
    llrs: np.ndarray, clips: Sequence[Clip], least: int = 5
) -> tuple[float, int]:
    """The mean EER, 0 to 1, over the sources with `least` clips of each label, and their number.

    Where scores drift from source to source, the pooled rate is higher than this one. NaN without
    such a source.
    """
    by_source: dict[str, tuple[list[float], list[float]]] = {}
    for llr, clip in zip(llrs, clips, strict=True):
        by_source.setdefault(clip.source, ([], []))[clip.label == "bonafide"].append(llr)
    rates = [
        eer(error_rates(np.array(real), np.array(fake)))[0]
        for fake, real in by_source.values()
        if min(len(fake), len(real)) >= least
    ]
    return (float(np.mean(rates)) if rates else float("nan")), len(rates)


def false_alarm_rate(bonafide: np.ndarray, spoof: np.ndarray, missed: float) -> float:
    """The share of bona fide scores below the threshold that misses the share `missed` of spoof."""
    return float((bonafide < np.quantile(spoof, 1 - missed)).mean())
