"""The result for a recording in words, and its limits."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

from console.schemas import Segment, Span
from radd.clip_score import is_mixed
from radd.types import Verdict
from radd.wording import clock

NEXT_TO_NOTHING = 0.05  # nats
WORDS = json.loads(Path(__file__).with_name("web").joinpath("words.json").read_text("utf-8"))
"""what the pages read too"""
VERDICTS = {verdict: str(WORDS["verdicts"][verdict.value]) for verdict in Verdict}
FINDINGS = WORDS["findings"]
"""sentences about a recording, with the named values in braces"""
CANNOT_SAY: list[str] = WORDS["cannot_say"]


def in_words(
    llr: float | None,
    verdict: Verdict,
    reason: str | None,
    alerts: Sequence[Span],
    segments: Sequence[Segment],
) -> tuple[str, str]:
    """A headline and its interpretation, in sentences."""
    if llr is None and verdict is Verdict.WARMING_UP:
        length = f"{segments[-1].end if segments else 0:.1f}"
        return FINDINGS["too_short"], FINDINGS["too_short_why"].format(length=length, reason=reason)
    if llr is None:
        return VERDICTS[verdict], FINDINGS["nothing"].format(reason=reason)
    factor = math.exp(min(abs(llr), 20))
    sides = FINDINGS["sides"]
    side, other = ("spoof", "bonafide") if llr < 0 else ("bonafide", "spoof")
    whole = FINDINGS["whole"].format(
        strength=_strength(factor),
        side=sides[side],
        other=sides[other],
        many=f"{factor:,.0f}" if factor >= 10 else f"{factor:.1f}",
    )
    people = sum(one.verdict is Verdict.BONAFIDE for one in segments)
    mixed = is_mixed(people, sum(one.p_spoof is not None for one in segments))
    if alerts and (mixed or verdict is not Verdict.SPOOF):
        spans = ((clock(span.began), clock(span.ended)) for span in alerts)
        parts = ", ".join(FINDINGS["span"].format(began=a, ended=b) for a, b in spans)
        return FINDINGS["partly"], FINDINGS["parts" if mixed else "some"].format(parts=parts)
    return VERDICTS[verdict], whole


def _strength(factor: float) -> str:
    """The word for evidence with this likelihood ratio; the last step has no upper bound."""
    steps = FINDINGS["strengths"]
    return next(str(word) for below, word in steps if below is None or factor < below)


def confirmed_in_words(moved_llr: float | None) -> str:
    """What recordings that people confirmed did to the LLR, as a sentence that follows others;
    empty where it is next to nothing.
    """
    if moved_llr is None or abs(moved_llr) < NEXT_TO_NOTHING:
        return ""
    side = FINDINGS["sides"]["bonafide" if moved_llr > 0 else "spoof"]
    factor = f"{math.exp(min(abs(moved_llr), 20)):.1f}"
    return " " + str(FINDINGS["moved"].format(factor=factor, side=side))


def limits(card: str) -> list[str]:
    """Limits of this program and of this model: the list under that heading of its card."""
    of_model = re.search(
        r"^## What it cannot do\n+(.*?)(?=^## |\Z)", card, re.DOTALL | re.MULTILINE
    )
    items = re.split(r"^- ", of_model[1], flags=re.MULTILINE)[1:] if of_model else []
    return [*CANNOT_SAY, *(" ".join(item.split()) for item in items)]
