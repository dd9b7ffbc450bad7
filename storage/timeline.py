"""Aggregates eight scores a second to one row per second for later plots."""

from __future__ import annotations

import math
from typing import Any

from radd.score_records import record_of, scores_of
from radd.types import SAMPLE_RATE_HZ, Score, Verdict
from storage.records import measured

FLOOR_DBFS = -120.0  # digital silence has no finite level
GRAVITY = (
    Verdict.SPOOF,
    Verdict.SUSPECT,
    Verdict.BONAFIDE,
    Verdict.OWN_VOICE,
    Verdict.GAP,
    Verdict.SHED,
    Verdict.TOO_NOISY,
    Verdict.NO_SPEECH,
    Verdict.WARMING_UP,
)


class Timeline:
    """Collects the scores of one second after another; belongs to one stream."""

    def __init__(self):
        self._scores: list[Score] = []
        self._rows: list[dict[str, Any]] = []

    def __len__(self) -> int:
        """Finished seconds that have not been taken yet."""
        return len(self._rows)

    def snapshot(self) -> dict[str, Any]:
        """The scores of the current second, as JSON can hold them."""
        return record_of(self._scores)

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._scores = scores_of(snapshot)

    def push(self, score: Score) -> None:
        """Add the score of one hop."""
        if self._scores and _second(score) != _second(self._scores[0]):
            self._finish()
        self._scores.append(score)

    def take(self, to_the_end: bool = False) -> list[dict[str, Any]]:
        """The rows of the finished seconds, oldest first; with `to_the_end` also of the current
        one.
        """
        if to_the_end and self._scores:
            self._finish()
        rows, self._rows = self._rows, []
        return rows

    def _finish(self) -> None:
        """The most serious verdict, the means of LLR and distance (None if nothing was measured),
        the mean power.
        """
        llrs = [score.llr for score in self._scores if score.llr is not None]
        compared = (
            score.neighbours for score in self._scores if score.llr is not None and score.neighbours
        )
        far = [1 - nearest.similarity for nearest, *_ in compared]
        power = sum(10 ** (score.level_dbfs / 10) for score in self._scores) / len(self._scores)
        self._rows.append(
            {
                "second": _second(self._scores[0]),
                "verdict": min((score.verdict for score in self._scores), key=GRAVITY.index).value,
                "llr": measured(sum(llrs) / len(llrs)) if llrs else None,
                "level_dbfs": max(10 * math.log10(power), FLOOR_DBFS) if power > 0 else FLOOR_DBFS,
                "distance": measured(sum(far) / len(far)) if far else None,
            }
        )
        self._scores = []


def _second(score: Score) -> int:
    return (score.end - 1) // SAMPLE_RATE_HZ
