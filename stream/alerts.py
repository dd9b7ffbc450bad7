"""Alerts and their evidence: audio, scores and references around a synthetic voice."""

from __future__ import annotations

import math
import uuid
from collections import deque
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from radd.errors import ConfigError
from radd.ranges import check
from radd.score_records import record_of, scores_of
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ, Alert, AlertState, Neighbour, Score
from stream.decision import Decision
from stream.ring_buffer import RingBuffer


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """[alerts] of config.toml."""

    pre_roll_s: float
    max_clip_s: float
    neighbours: int

    def __post_init__(self):
        check(self, pre_roll_s=(0.0, 60.0), max_clip_s=(1.0, 600.0), neighbours=(0, 100))
        if self.pre_roll_s >= self.max_clip_s:
            raise ConfigError(
                f"pre_roll_s = {self.pre_roll_s}: expected less than max_clip_s = {self.max_clip_s}"
            )


class _Evidence:
    """Evidence of an open alert: the first max_clip_s of its audio, the scores within, and its
    worst score.
    """

    def __init__(self, began: int, clip_start: int, capacity: int):
        self.began = began
        self.clip_start = clip_start
        self.trace: list[tuple[int, float | None]] = []
        self.min_llr, self.peak_p_spoof = math.inf, 0.0
        self.neighbours: tuple[Neighbour, ...] = ()
        """of the worst score"""
        self._clip = np.empty(capacity, np.float32)
        self._kept = 0

    def sound(self) -> np.ndarray:
        """A copy of the clip so far, float32 (n,)."""
        return self._clip[: self._kept].copy()

    def snapshot(self) -> dict[str, Any]:
        """All but the clip, as JSON can hold it."""
        return {
            "began": self.began,
            "clip_start": self.clip_start,
            "trace": self.trace,
            "worst": [self.min_llr, self.peak_p_spoof],
            "neighbours": list(map(astuple, self.neighbours)),
        }

    def restore(self, snapshot: dict[str, Any], clip: np.ndarray) -> None:
        """Go on from a snapshot."""
        self.trace = [(end, llr) for end, llr in snapshot["trace"]]
        self.min_llr, self.peak_p_spoof = snapshot["worst"]
        self.neighbours = tuple(Neighbour(*each) for each in snapshot["neighbours"])
        self.add_sound(clip)

    def add_sound(self, samples: np.ndarray) -> None:
        kept = samples[: len(self._clip) - self._kept]
        self._clip[self._kept : self._kept + len(kept)] = kept
        self._kept += len(kept)

    def add_score(self, score: Score) -> None:
        if self.clip_start < score.end <= self.clip_start + len(self._clip):
            self.trace.append((score.end, score.llr))
        if score.llr is None or score.p_spoof is None or score.end <= self.began:
            return
        if score.llr < self.min_llr:
            self.min_llr, self.peak_p_spoof = score.llr, score.p_spoof
            self.neighbours = score.neighbours

    def clip(self, end: int) -> np.ndarray:
        return self._clip[: min(self._kept, end - self.clip_start)].copy()


class Recorder:
    """Keeps the latest audio and scores of one stream, and builds alerts from them.

    Memory is bounded: an alert longer than max_clip_s keeps its first part.
    """

    def __init__(self, settings: AlertSettings, stream_id: str):
        """`stream_id` is the UUID of the stream. The alert's id is derived from it and from the
        start of the alert.
        """
        self._settings = settings
        self._stream_id = uuid.UUID(stream_id)
        self._pre_roll = round(settings.pre_roll_s * SAMPLE_RATE_HZ)
        self._sound = RingBuffer(round(settings.max_clip_s * SAMPLE_RATE_HZ))
        self._scores: deque[Score] = deque(maxlen=self._sound.capacity // HOP_SAMPLES + 1)
        self._evidence: _Evidence | None = None
        self._first = 0

    def reset(self) -> None:
        """Forget audio and scores, so that no clip straddles a gap. An open alert must be closed
        first.
        """
        self._sound.reset()
        self._scores.clear()
        self._evidence = None

    def record(self, hop: np.ndarray, score: Score) -> None:
        """Add one hop, float32 (HOP_SAMPLES,), and its score."""
        self._sound.write(hop)
        self._scores.append(score)
        if self._evidence is not None:
            self._evidence.add_sound(hop)
            self._evidence.add_score(score)

    def forget(self, end: int, began: int) -> None:
        """Discard audio before sample `end` that an alert with evidence from `began` would not
        need.
        """
        first = self._first = began - self._pre_roll
        self._sound.hold(end - first + HOP_SAMPLES)  # the next hop arrives before the next call
        while self._scores and self._scores[0].end <= first:
            self._scores.popleft()

    def alert(self, decision: Decision, gaps: int) -> Alert:
        """The event of a decision about the last recorded hop (OPEN) or about any audio since
        (CLOSE).

        `gaps` is the number of gaps in the stream so far.
        """
        evidence = self._evidence
        if evidence is None or decision.state is AlertState.OPEN:
            evidence = self._gather(decision)
        self._evidence = None if decision.state is AlertState.CLOSE else evidence
        clip = evidence.clip(decision.end)
        return Alert(
            id=str(uuid.uuid5(self._stream_id, str(decision.began))),
            state=decision.state,
            began=decision.began,
            end=decision.end,
            peak_p_spoof=evidence.peak_p_spoof,
            min_llr=evidence.min_llr,
            clip=clip,
            clip_start=evidence.clip_start,
            trace=tuple(
                point for point in evidence.trace if point[0] <= evidence.clip_start + len(clip)
            ),
            neighbours=evidence.neighbours[: self._settings.neighbours],
            gaps=gaps,
        )

    @property
    def needed_from(self) -> int:
        """The first sample of the audio that an alert would still need; an open alert has its
        own copy.
        """
        return self._first

    def snapshot(self) -> tuple[dict[str, Any], np.ndarray]:
        """The state for restore() in another process, as JSON can hold it, and the clip of an open
        alert so far, float32 (n,). The other audio from `needed_from` on is not part of it.
        """
        evidence = self._evidence
        opened = None if evidence is None else evidence.snapshot()
        clip = np.zeros(0, np.float32) if evidence is None else evidence.sound()
        state = {"first": self._first, "scores": record_of(self._scores), "evidence": opened}
        return state, clip

    def restore(self, snapshot: dict[str, Any], clip: np.ndarray) -> None:
        """Go on from a snapshot, once hear_again() has brought the audio from its start on."""
        self._first = snapshot["first"]
        self._scores.extend(scores_of(snapshot["scores"]))
        if (opened := snapshot["evidence"]) is not None:
            self._evidence = _Evidence(opened["began"], opened["clip_start"], self._sound.capacity)
            self._evidence.restore(opened, clip)

    def hear_again(self, samples: np.ndarray) -> None:
        """Add audio, float32 (n,), whose scores the snapshot contains."""
        self._sound.write(samples)

    def _gather(self, opened: Decision) -> _Evidence:
        """The evidence so far, from the pre-roll or from the oldest audio still available."""
        wanted = opened.end - (opened.began - self._pre_roll)
        sound = self._sound.last(min(wanted, self._sound.capacity))
        evidence = _Evidence(opened.began, opened.end - len(sound), self._sound.capacity)
        evidence.add_sound(sound)
        for score in self._scores:
            evidence.add_score(score)
        return evidence
