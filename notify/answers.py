"""One answer for each call by a deadline: synthetic, person, or no answer yet."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from radd.types import HOP_SAMPLES, Alert, AlertState, Event, Score
from storage.records import StreamInfo
from stream.decision import SHORTEST_WINDOW_SAMPLES, DecisionSettings

TOGETHER_S = 2.0  # in which the tracks of a call come from another process
SYNTHETIC, PERSON, OPEN = "synthetic", "person", "no answer yet"


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """What is known of a call, once."""

    stream: StreamInfo
    """its first track"""
    verdict: str
    tracks: dict[str, str]
    """verdict of each track, by its name or stream"""
    after_s: float
    """since the call began"""


@dataclass(slots=True)
class _Track:
    stream: StreamInfo
    evidence: float = 0.0
    """for a person, nats, 0 to twice the bound"""
    synthetic: bool = False
    ended: bool = False


@dataclass(slots=True)
class _Call:
    began: float
    tracks: dict[str, _Track] = field(default_factory=dict)
    answered: bool = False
    not_before: float = 0.0
    """of the answer; its other tracks may still come from another process"""


class Answers:
    """Follows the tracks of all calls; safe across threads.

    A track is synthetic from its first alert on. It is a person once the evidence of its scores for
    a person, added up as the alert's test does for a synthetic voice (Wald 1945), has reached the
    same bound; it is held at most twice as high, so that later evidence can undo it. A call is
    synthetic if any track is, and a person if all are. It is answered as soon as it is synthetic,
    else `after_s` seconds after its start, or where it ends if that is earlier.
    """

    def __init__(self, after_s: float, decision: DecisionSettings):
        self._after_s, self._decision = after_s, decision
        self._lock = threading.Lock()
        self._calls: dict[str, _Call] = {}
        self._of: dict[str, str] = {}

    def begin(self, stream: StreamInfo, now: float) -> None:
        """A track begins; `now` is on the scale of all other times here, in seconds."""
        with self._lock:
            call = self._calls.setdefault(call_id(stream), _Call(now))
            call.tracks[stream.id] = _Track(stream)
            self._of[stream.id] = call_id(stream)

    def write(self, event: Event, stream: str | None) -> bool:
        """Take in an event. Returns whether a call can be answered now."""
        with self._lock:
            call = self._calls.get(self._of.get(stream or "", ""))
            if call is None:
                return False
            track = call.tracks[stream or ""]
            if isinstance(event, Score) and event.llr is not None:
                track.evidence = self._added(track.evidence, event.llr, event.window_samples)
            if isinstance(event, Alert) and event.state is AlertState.OPEN:
                track.synthetic = True
                return not call.answered
        return False

    def end(self, stream: str) -> None:
        """A track has ended; its call is answered with the last one."""
        with self._lock:
            if call := self._calls.get(self._of.pop(stream, "")):
                call.tracks[stream].ended = True

    def leave(self, stream: str) -> None:
        """A track goes on in another process, which answers."""
        with self._lock:
            id = self._of.pop(stream, "")
            if call := self._calls.get(id):
                del call.tracks[stream]
                if not call.tracks:
                    del self._calls[id]

    def snapshot(self, stream: str) -> dict[str, Any] | None:
        """What another process needs to go on with a track, as JSON can hold it."""
        with self._lock:
            if (call := self._calls.get(self._of.get(stream, ""))) is None:
                return None
            track = call.tracks[stream]
            return {
                "evidence": track.evidence,
                "synthetic": track.synthetic,
                "answered": call.answered,
            }

    def restore(self, stream: str, snapshot: dict[str, Any], began: float, now: float) -> None:
        """Go on with a track, after begin(), whose call began at `began`."""
        with self._lock:
            if call := self._calls.get(self._of.get(stream, "")):
                track = call.tracks[stream]
                track.evidence, track.synthetic = snapshot["evidence"], snapshot["synthetic"]
                call.answered |= snapshot["answered"]
                call.began, call.not_before = min(call.began, began), now + TOGETHER_S

    def due(self, now: float) -> list[CallAnswer]:
        """The answers that are due, each once."""
        with self._lock:
            found = list(self._due(now))
            over = [id for id, call in self._calls.items() if _is_over(call)]
            for id in over:
                del self._calls[id]
        return found

    def next_due(self, now: float) -> float | None:
        """Seconds until the next deadline; None if there is none."""
        with self._lock:
            waits = [
                max(call.began + self._after_s, call.not_before) - now
                for call in self._calls.values()
                if not call.answered
            ]
        return max(0.0, min(waits)) if waits else None

    def _due(self, now: float) -> Iterator[CallAnswer]:
        for call in self._calls.values():
            after_s = now - call.began
            verdict = self._verdict(call)
            is_late = after_s >= self._after_s and now >= call.not_before
            is_due = is_late or verdict == SYNTHETIC or _is_over(call)
            if is_due and not call.answered:
                call.answered = True
                tracks = {
                    _track_name(track.stream): self._of_track(track)
                    for track in call.tracks.values()
                }
                yield CallAnswer(next(iter(call.tracks.values())).stream, verdict, tracks, after_s)

    def _verdict(self, call: _Call) -> str:
        found = {self._of_track(track) for track in call.tracks.values()}
        if SYNTHETIC in found:
            return SYNTHETIC
        return PERSON if found == {PERSON} else OPEN

    def _of_track(self, track: _Track) -> str:
        if track.synthetic:
            return SYNTHETIC
        return PERSON if track.evidence >= self._decision.open_evidence else OPEN

    def _added(self, evidence: float, llr: float, window_samples: int) -> float:
        """A hop counts as its share of its window, as in Decider."""
        bounded = max(-self._decision.max_llr, min(self._decision.max_llr, llr))
        share = HOP_SAMPLES / max(window_samples, SHORTEST_WINDOW_SAMPLES)
        return max(0.0, min(2 * self._decision.open_evidence, evidence + share * bounded))


def call_id(stream: StreamInfo) -> str:
    """The call of a stream, or the stream itself if it is no call."""
    return stream.call.id if stream.call else stream.id


def _track_name(stream: StreamInfo) -> str:
    return stream.call.track if stream.call else stream.id


def _is_over(call: _Call) -> bool:
    return all(track.ended for track in call.tracks.values())
