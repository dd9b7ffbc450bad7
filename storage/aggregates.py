"""Running per-stream aggregates. Every write is an idempotent upsert of the full value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

from radd.types import SAMPLE_RATE_HZ, Compared
from storage.records import StreamInfo, moment, storable


@dataclass(slots=True)
class _Sum:
    weight: float = 0.0
    total: float = 0.0
    champion_alerts: int = 0
    candidate_alerts: int = 0


class Drifts:
    """The rows of `drift` of one stream, one per day, from its rows of `timeline`."""

    def __init__(self, info: StreamInfo):
        self.info = info
        self._days: dict[str, _Sum] = {}

    def add(self, timeline: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """The changed rows."""
        changed = {}
        for row in timeline:
            if row["distance"] is not None:
                day = moment(self.info, row["second"] * SAMPLE_RATE_HZ)[:10]
                sum_ = changed[day] = self._days.setdefault(day, _Sum())
                sum_.weight += 1
                sum_.total += row["distance"]
        return [
            {"day": day, "seconds": int(s.weight), "distance": s.total / s.weight}
            for day, s in changed.items()
        ]

    def snapshot(self) -> dict[str, list]:
        """The sums so far, as JSON can hold them."""
        return {day: [s.weight, s.total] for day, s in self._days.items()}

    def restore(self, snapshot: dict[str, list]) -> None:
        """Go on from a snapshot."""
        self._days = {day: _Sum(*sums) for day, sums in snapshot.items()}

    def restart(self) -> None:
        """Another model measures from here on, and its distances are not comparable with earlier
        ones.
        """
        self._days.clear()


class Shadows:
    """The rows of `shadows` of one stream, one per hour and candidate."""

    def __init__(self, info: StreamInfo):
        self.info = info
        self._hours: dict[tuple[str, str], _Sum] = {}

    def snapshot(self) -> list[list]:
        """The sums so far, as JSON can hold them."""
        return [[*key, *astuple(sums)] for key, sums in self._hours.items()]

    def restore(self, snapshot: list[list]) -> None:
        """Go on from a snapshot."""
        self._hours = {(hour, name): _Sum(*sums) for hour, name, *sums in snapshot}

    def add(self, event: Compared) -> dict[str, Any]:
        """The changed row."""
        hour = (
            datetime.fromisoformat(moment(self.info, event.end))
            .replace(minute=0, second=0, microsecond=0)
            .isoformat()
        )
        candidate = storable(event.candidate)[:255]
        sum_ = self._hours.setdefault((hour, candidate), _Sum())
        sum_.weight += event.heard_s
        sum_.total += event.heard_s * event.difference
        sum_.champion_alerts += event.champion_alert
        sum_.candidate_alerts += event.candidate_alert
        return {
            "hour_utc": hour,
            "candidate": candidate,
            "seconds": sum_.weight,
            "difference": sum_.total / sum_.weight,
            "champion_alerts": sum_.champion_alerts,
            "candidate_alerts": sum_.candidate_alerts,
        }
