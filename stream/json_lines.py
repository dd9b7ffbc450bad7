"""Events as JSON lines for programs, as docs/events.schema.json describes them."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TextIO

from radd.flac import clip_sha256
from radd.types import Alert, AlertState, Compared, Drift, Event, Gap, Lost, Sample, Score, seconds
from radd.wording import FINDINGS
from stream.lines import Lines
from stream.run_events import IndexChanged, ModelChanged, Notice, Result, Started, Stats, Stopped


class JsonLines(Lines):
    """One JSON object per line, as docs/events.schema.json describes it. Objects of a call name
    it and its track.
    """

    def __init__(self, out: TextIO):
        super().__init__(out)
        self._calls: dict[str | None, dict[str, str]] = {}

    def write(self, event: Event | Notice, stream: str | None = None) -> None:
        if isinstance(event, Started) and event.call is not None:
            self._calls[stream] = {"call": event.call.id, "track": event.call.track}
        named = {} if stream is None else {"stream": stream}
        call = self._calls.get(stream, {})
        self.print(json.dumps(as_json(event) | named | call, allow_nan=False))
        if isinstance(event, Stopped):
            self._calls.pop(stream, None)


def as_json(event: Event | Notice) -> dict:
    """The event as a JSON object; unmeasured values are null."""
    match event:
        case Score():
            return _score(event)
        case Gap(start, end, cause):
            return _named("gap", end, lost_s=seconds(end - start), cause=cause)
        case Alert():
            return _alert(event)
        case Sample():
            return _named(
                "sample",
                event.end,
                id=event.id,
                began=seconds(event.start),
                clip_sha256=clip_sha256(event.clip),
            )
        case Drift(end, distance, bound):
            return _named("drift", end, distance=distance, bound=bound)
        case Compared():
            return _compared(event)
        case Lost():
            of = {} if event.id is None else {"id": event.id}
            return _named("lost", event.end, what=event.what, cause=event.cause, **of)
        case Started():
            return _started(event)
        case IndexChanged(end, version, added, removed):
            return _named("index", end, version=version, added=added, removed=removed)
        case ModelChanged(end, bundle):
            return _named("model", end, bundle=bundle)
        case Stats():
            fields = asdict(event)
            return _named("stats", fields.pop("end"), **fields)
        case Result():
            return _result(event)
        case Stopped(end, reason, totals):
            return _named("stopped", end, reason=reason, totals=totals)


def _score(event: Score) -> dict:
    return _named(
        "score",
        event.end,
        llr=_finite(event.llr),
        p_spoof=_finite(event.p_spoof),
        verdict=event.verdict.value,
        moved_llr=_finite(event.moved_llr),
        latency_ms=_finite(event.latency_ms),
        neighbours=[asdict(neighbour) for neighbour in event.neighbours],
    )


def _alert(event: Alert) -> dict:
    return _named(
        "alert",
        event.end,
        state=event.state.value,
        id=event.id,
        began=seconds(event.began),
        **_outcome(event),
    )


def _compared(event: Compared) -> dict:
    return _named(
        "shadow",
        event.end,
        candidate=event.candidate,
        heard_s=event.heard_s,
        difference=event.difference,
        champion_alert=event.champion_alert,
        candidate_alert=event.candidate_alert,
    )


def _started(event: Started) -> dict:
    return _named(
        "started",
        0,
        source=event.source,
        bundle=event.bundle,
        native_rate_hz=event.native_rate_hz,
        **({"details": dict(event.call.details)} if event.call and event.call.details else {}),
    )


def _result(event: Result) -> dict:
    parts = [
        {
            "id": part.alert,
            "began": seconds(part.began),
            "ended": seconds(part.end),
            "peak_p_spoof": part.peak_p_spoof,
        }
        for part in event.parts
    ]
    return _named(
        "result",
        event.end,
        finding=event.finding.value,
        words=FINDINGS[event.finding],
        llr=_finite(event.llr),
        p_spoof=_finite(event.p_spoof),
        reason=event.reason,
        parts=parts,
        alerts=event.alerts,
    )


def _outcome(alert: Alert) -> dict:
    if alert.state is AlertState.OPEN:
        return {}
    return {
        "ended": seconds(alert.end),
        "peak_p_spoof": alert.peak_p_spoof,
        "clip_sha256": clip_sha256(alert.clip),
    }


def _named(name: str, end: int, **fields) -> dict:
    return {"type": name, "t": seconds(end)} | fields


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
