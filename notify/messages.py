"""Notifications as JSON objects; docs/notify.schema.json describes them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from notify.answers import CallAnswer, call_id
from radd.types import Alert, seconds
from storage.records import StreamInfo

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sender:
    """The daemon that sends, and the console that its links lead to."""

    name: str
    console: str
    """address of the console; empty: messages have no links"""

    def message(self, kind: str, id: str, now: float) -> Message:
        """The fields of every message. `id` is the idempotency key; `now` seconds since 1970."""
        time = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
        return {"type": kind, "id": id, "time": time, "daemon": self.name}

    def alert(self, alert: Alert, stream: StreamInfo | None, now: float) -> Message:
        """An alert that opened, closed or was interrupted; `stream` None: of an earlier run."""
        since_s = seconds(alert.end - alert.began)
        return self.message(
            f"alert.{alert.state.value}", f"{alert.id}-{alert.state.value}", now
        ) | {
            **_origin(stream),
            "verdict": "synthetic",
            "p_spoof": _finite(alert.peak_p_spoof),
            "alert": alert.id,
            "began_s": seconds(alert.began),
            "since_began_s": since_s,
            "evidence": {
                "min_llr": _finite(alert.min_llr),
                "scores": sum(llr is not None for _, llr in alert.trace),
                "gaps": alert.gaps,
                "neighbours": [
                    asdict(one) | {"similarity": _finite(one.similarity)}
                    for one in alert.neighbours
                ],
            },
            "links": self._links(alert.id),
        }

    def answer(self, answer: CallAnswer, now: float) -> Message:
        """What is known of a call by its deadline."""
        return self.message("call.answer", f"{call_id(answer.stream)}-answer", now) | {
            **_origin(answer.stream),
            "verdict": answer.verdict,
            "tracks": answer.tracks,
            "after_s": round(answer.after_s, 3),
        }

    def sample(self, now: float) -> Message:
        """A message that shows that messages arrive."""
        said = {"verdict": "test", "text": f"Notifications of {self.name} arrive."}
        return self.message("test", f"test-{now:.6f}".replace(".", "-"), now) | said

    def _links(self, alert: str) -> dict[str, str]:
        if not self.console:
            return {}
        console = self.console.rstrip("/")
        return {
            "review": f"{console}/#/review/{alert}",
            "clip": f"{console}/v1/clips/{alert}/sound",
        }


def _origin(stream: StreamInfo | None) -> dict[str, Any]:
    call = stream.call if stream else None
    return {
        "stream": stream.id if stream else None,
        "source": stream.source if stream else None,
        "call": call.id if call else None,
        "track": call.track if call else None,
        "metadata": dict(call.details) if call else {},
    }


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
