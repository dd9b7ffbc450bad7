"""From log-likelihood ratios to verdicts, and to the start and end of an alert.

LLRs are natural logs, higher = bona fide. Accumulated evidence has the opposite sign, higher =
spoof.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from radd.errors import ConfigError, ModelError
from radd.ranges import check
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ, AlertState, Verdict

SHORTEST_WINDOW_SAMPLES = (
    8 * HOP_SAMPLES
)  # shorter windows overlap those that follow, so none weighs more than a window of this length


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """[decision] of config.toml."""

    prior: float
    suspect_p: float
    spoof_p: float
    open_evidence: float
    drift_llr: float
    max_llr: float
    close_bonafide_s: float
    close_silence_s: float
    refractory_s: float

    def __post_init__(self):
        check(
            self,
            prior=(0.0001, 0.9999),
            suspect_p=(0.0001, 0.9999),
            spoof_p=(0.0001, 0.9999),
            open_evidence=(0.1, 1000.0),
            drift_llr=(0.0, 100.0),
            max_llr=(0.1, 1000.0),
            close_bonafide_s=(0.128, 3600.0),
            close_silence_s=(0.128, 3600.0),
            refractory_s=(0.0, 3600.0),
        )
        if self.spoof_p < self.suspect_p:
            raise ConfigError(
                f"spoof_p = {self.spoof_p}: expected at least suspect_p = {self.suspect_p}"
            )
        if self.drift_llr >= self.max_llr:
            raise ConfigError(
                f"drift_llr = {self.drift_llr}: expected less than max_llr = {self.max_llr}"
            )


@dataclass(frozen=True, slots=True)
class Decision:
    """An alert opens or closes."""

    state: AlertState
    """OPEN or CLOSE"""
    began: int
    """samples, start of the evidence: the middle of its first window, because a window flips when
    half of it is synthetic
    """
    end: int
    """end of the latest hop with evidence for spoof, samples"""


_STATE = ("evidence", "is_open", "_began", "_turned", "_measured", "_bonafide", "_quiet_until")


class Decider:
    """The sequential test of one stream: a CUSUM over the LLRs (Page 1954), with hysteresis and a
    refractory period.

    Time comes from the hop positions in the stream; no clock is read.
    """

    def __init__(self, settings: DecisionSettings):
        self._settings = settings
        self._prior_log_odds = math.log((1 - settings.prior) / settings.prior)
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self.evidence = 0.0
        """evidence for spoof so far, nats, >= 0, higher = spoof; an alert opens at open_evidence"""
        self.is_open = False
        self._began = self._turned = self._measured = self._bonafide = 0
        self._quiet_until = 0

    def snapshot(self) -> dict[str, float]:
        """The state of the test, for restore() in another process; numbers that JSON can hold."""
        return {name: getattr(self, name) for name in _STATE}

    def restore(self, snapshot: dict[str, float]) -> None:
        """Go on from a snapshot."""
        for name in _STATE:
            setattr(self, name, snapshot[name])

    @property
    def began(self) -> int | None:
        """Start of the current evidence, in samples; None if there is none."""
        return self._began if self.evidence and not self.is_open else None

    def p_spoof(self, llr: float) -> float:
        """Posterior probability of spoof at the configured prior, 0 to 1, for one LLR (higher =
        bona fide).
        """
        log_odds = llr + self._prior_log_odds
        unlikely = math.exp(
            -abs(log_odds)
        )  # of the less likely hypothesis, so that exp never overflows
        return (1.0 if log_odds < 0 else unlikely) / (1.0 + unlikely)

    def verdict(self, llr: float) -> Verdict:
        """Verdict of a single LLR: BONAFIDE, SUSPECT or SPOOF.

        Raises ModelError if it is not finite.
        """
        if not math.isfinite(llr):
            raise ModelError(
                f"the model returned the score {llr}, expected a finite number; train the bundle "
                "again"
            )
        p_spoof = self.p_spoof(llr)
        if p_spoof >= self._settings.spoof_p:
            return Verdict.SPOOF
        return Verdict.SUSPECT if p_spoof >= self._settings.suspect_p else Verdict.BONAFIDE

    def update(
        self, end: int, llr: float | None, window_samples: int, hops: int = 1
    ) -> Decision | None:
        """Process the hop that ends at sample `end`; return a Decision if an alert opens or closes.

        A hop counts as its share of its window, because windows overlap. `hops` is the number it
        stands for: itself and those shed before it. An LLR of None (not measured) only advances
        time; after close_silence_s of that an alert closes and the evidence is discarded.
        """
        if llr is None:
            is_silent = end - self._measured >= self._settings.close_silence_s * SAMPLE_RATE_HZ
            return self.close(end) if is_silent else None
        self._measured = end
        bounded = max(-self._settings.max_llr, min(self._settings.max_llr, llr))
        share = hops * HOP_SAMPLES / max(window_samples, SHORTEST_WINDOW_SAMPLES)
        step = -share * (bounded + self._settings.drift_llr)
        if self.is_open:
            return self._listen_on(end, step, hops)
        if end <= self._quiet_until:
            return None
        return self._add(end, step, window_samples)

    def close(self, end: int) -> Decision | None:
        """Discard the evidence at sample `end`, as at a gap or the end of the audio; return a
        Decision if an alert was open.
        """
        self.evidence = 0.0
        if not self.is_open:
            return None
        self.is_open = False
        self._quiet_until = end + round(self._settings.refractory_s * SAMPLE_RATE_HZ)
        return Decision(AlertState.CLOSE, self._began, self._turned)

    def _add(self, end: int, step: float, window_samples: int) -> Decision | None:
        if not self.evidence:
            self._began = max(end - window_samples // 2, self._turned)
        self.evidence = max(0.0, self.evidence + step)
        if self.evidence < self._settings.open_evidence:
            return None
        self.is_open, self._turned, self._bonafide = True, end, 0
        return Decision(AlertState.OPEN, self._began, end)

    def _listen_on(self, end: int, step: float, hops: int) -> Decision | None:
        """During an alert: uninterrupted evidence for bona fide closes it, anything else keeps it
        open.
        """
        if step >= 0:
            self._turned, self._bonafide = end, 0
            return None
        self._bonafide += hops * HOP_SAMPLES
        is_over = self._bonafide >= self._settings.close_bonafide_s * SAMPLE_RATE_HZ
        return self.close(end) if is_over else None
