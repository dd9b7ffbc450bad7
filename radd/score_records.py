"""Scores as JSON, for the state of a stream that goes on in another process."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple
from typing import Any

from radd.types import Neighbour, Score, Verdict


def record_of(scores: Iterable[Score]) -> dict[str, Any]:
    """The scores without loss, as objects that JSON can hold; equal neighbours are kept once."""
    lists: dict[tuple[Neighbour, ...], int] = {}
    rows = []
    for score in scores:
        number = lists.setdefault(score.neighbours, len(lists))
        rows.append(
            [
                score.end,
                score.verdict.value,
                score.reason,
                score.llr,
                score.p_spoof,
                number,
                score.window_samples,
                score.speech_s,
                score.level_dbfs,
                score.latency_ms,
                score.moved_llr,
            ]
        )
    return {"neighbours": [list(map(astuple, each)) for each in lists], "scores": rows}


def scores_of(record: dict[str, Any]) -> list[Score]:
    """The scores of a record that record_of made."""
    lists = [tuple(Neighbour(*each) for each in known) for known in record["neighbours"]]
    return [
        Score(end, Verdict(verdict), reason, llr, p_spoof, lists[number], *rest)
        for end, verdict, reason, llr, p_spoof, number, *rest in record["scores"]
    ]
