"""Review priority: how much a label of each clip would teach the model."""

from __future__ import annotations

import math
import uuid
from statistics import median
from typing import Any

from storage.records import SAMPLE


def review_priority(record: dict[str, Any]) -> float:
    """Priority of an alert's record, 0 to 1, higher = more: the mean of uncertainty, novelty and
    dispute.

    Uncertainty: entropy in bits of the posterior for the median LLR at equal odds (uncertainty
    sampling, Lewis and Gale 1994). Novelty: 1 minus the cosine of the nearest reference. Dispute:
    share of the nearest references whose label differs from the sign of that LLR. A part that was
    not measured counts as 1.

    The priority of a sample is random, drawn from its id: samples must find what the model is
    confidently wrong about.
    """
    if record["alert"]["state"] == SAMPLE:
        return uuid.UUID(record["alert"]["id"]).int / 2**128
    llrs = [llr for _, llr in record["trace"] if llr is not None]
    neighbours = [n for n in record["neighbours"] if n["similarity"] is not None]
    uncertain = novel = disputed = 1.0
    if llrs:
        uncertain = entropy_bits(median(llrs))
    if neighbours:
        novel = 1 - min(1.0, max(0.0, *(n["similarity"] for n in neighbours)))
    if llrs and neighbours:
        other = "spoof" if median(llrs) > 0 else "bonafide"
        disputed = sum(n["label"] == other for n in neighbours) / len(neighbours)
    return (uncertain + novel + disputed) / 3


def entropy_bits(llr: float) -> float:
    """Entropy of the two hypotheses at equal odds, 0 to 1 bit."""
    rare = math.exp(-abs(llr)) / (1 + math.exp(-abs(llr)))
    return -sum(p * math.log2(p) for p in (rare, 1 - rare) if 0 < p < 1)
