"""Verdicts, probabilities and times in words: the same in terminal, console and reports."""

from __future__ import annotations

import math
from enum import StrEnum

from radd.types import Verdict


class Finding(StrEnum):
    """What a whole recording was found to be."""

    BONAFIDE = "bonafide"
    SUSPECT = "suspect"
    SPOOF = "spoof"
    OWN_VOICE = "own_voice"
    PARTLY = "partly"
    TOO_SHORT = "too_short"
    NO_SPEECH = "no_speech"
    TOO_NOISY = "too_noisy"
    GAP = "gap"
    SHED = "shed"


VERDICTS = {
    Verdict.BONAFIDE: "A person",
    Verdict.SUSPECT: "Suspect",
    Verdict.SPOOF: "Synthetic",
    Verdict.OWN_VOICE: "Own voice",
    Verdict.NO_SPEECH: "No speech",
    Verdict.TOO_NOISY: "Too noisy",
    Verdict.GAP: "Sound lost",
    Verdict.WARMING_UP: "Warming up",
    Verdict.SHED: "Left out",
}
"""a verdict on one window; console/web/words.json has the same words"""
FINDINGS = {
    Finding.BONAFIDE: VERDICTS[Verdict.BONAFIDE],
    Finding.SUSPECT: VERDICTS[Verdict.SUSPECT],
    Finding.SPOOF: VERDICTS[Verdict.SPOOF],
    Finding.OWN_VOICE: VERDICTS[Verdict.OWN_VOICE],
    Finding.PARTLY: "Partly synthetic",
    Finding.TOO_SHORT: "Too short to judge",
    Finding.NO_SPEECH: VERDICTS[Verdict.NO_SPEECH],
    Finding.TOO_NOISY: VERDICTS[Verdict.TOO_NOISY],
    Finding.GAP: VERDICTS[Verdict.GAP],
    Finding.SHED: VERDICTS[Verdict.SHED],
}
"""a finding on a whole recording, likewise"""


def clock(seconds: float) -> str:
    """Whole seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(int(seconds), 60)
    return (
        f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
    )


def length(seconds: float) -> str:
    """The length of a recording: tenths where whole seconds would say little."""
    return f"{seconds:.1f} s" if seconds < 10 else clock(seconds)


def percent(p: float | None) -> str:
    """A probability as text."""
    if p is None:
        return "–"
    value = 100 * p
    if 0 < value < 1:
        return "< 1 %"
    return "> 99 %" if 99 < value < 100 else f"{math.floor(value + 0.5)} %"
