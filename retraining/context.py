"""Inputs of a retraining round: its database and its settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from retraining.curation import LabelledClip
from training.config import RetrainSettings


class RetrainStore(Protocol):
    """The retraining view of a database; storage/learning.py implements it."""

    lease: Any

    def confirmed(self) -> Sequence[LabelledClip]: ...
    def answers(self) -> dict[str, list[str]]: ...
    def unlabelled(self, limit: int) -> list[str]: ...
    def sound(self, sha256: str) -> bytes | None: ...
    def begin(self, why: str, champion: str, candidate: str, asked: str | None = None) -> str: ...
    def change(self, id: str, **values: Any) -> None: ...
    def end(self, id: str, state: str, outcome: str, report: str) -> None: ...
    def retrainings(self) -> list[dict[str, Any]]: ...
    def decide(
        self, action: str, model: str, version: str, before: str, reason: str, numbers: Any = None
    ) -> None: ...
    def decisions(self) -> list[dict[str, Any]]: ...
    def alert_rate(self, since: datetime, until: datetime) -> tuple[int, float]: ...
    def shadow(self, candidate: str) -> tuple[float, float, int, int]: ...
    def drifts(self, since: Any) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class RetrainContext:
    """Everything a round needs besides the database."""

    champion: Path
    settings: RetrainSettings
    spoof_p: float
    """probability above which a voice is called fake"""
    work: Path
    """caches clip scores during a round"""
    copy: Callable[[np.ndarray, np.random.Generator], np.ndarray]
    """makes a fake of a real recording"""
    conditions: Mapping[str, Callable]
    """conditions under which the corpus of `proof` is scored"""

    @property
    def alarm_llr(self) -> float:
        """LLR below which a clip is called fake."""
        return -math.log(self.spoof_p / (1 - self.spoof_p))
