"""Random samples of speech that raised no alert, for review: without them misses stay invisible."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import numpy as np

from radd.types import (
    HOP_SAMPLES,
    Alert,
    AlertState,
    AudioChunk,
    Event,
    Gap,
    Sample,
    Score,
    seconds,
)
from stream.gap_count import GapCount
from stream.segment import CurrentSegment

SEGMENT_HOPS = 64
SEGMENT_SAMPLES = SEGMENT_HOPS * HOP_SAMPLES  # 8.192 s
MEASURED = 0.5  # share of its hops that must have a score for a segment to count as speech


class Sampler:
    """A Tap that adds a Sample now and then.

    The audio is split into segments of 8.192 s; a new one begins after each gap. Each segment with
    speech and without an alert is drawn with the same probability, so that an hour of them yields
    `per_hour`. The stream's id is the seed.
    """

    def __init__(self, per_hour: float, stream_id: str, neighbours: int):
        """`stream_id` is a UUID; at most `neighbours` references are stored with a sample."""
        self._share = per_hour * seconds(SEGMENT_SAMPLES) / 3600
        self._stream_id = uuid.UUID(stream_id)
        self._rng = np.random.default_rng(self._stream_id.int)
        self._neighbours = neighbours
        self._alert_open = False
        self._gaps = GapCount()
        self._segment = CurrentSegment(SEGMENT_HOPS)
        self._flagged = False

    def observe(self, chunk: AudioChunk, events: Sequence[Event]) -> list[Sample]:
        if self._segment.hear(chunk):
            self._flagged = self._alert_open
        return self._samples(events)

    def end(self, events: Sequence[Event]) -> list[Sample]:
        return self._samples(events) + (self._draw() if self._segment.is_whole else [])

    def _samples(self, events: Sequence[Event]) -> list[Sample]:
        samples: list[Sample] = []
        for event in events:
            match event:
                case Score():
                    if (
                        self._segment.is_whole
                    ):  # only now, because an alert may follow the score that opens it
                        samples += self._draw()
                        self._segment.end()
                        self._flagged = self._alert_open
                    self._segment.judge(event)
                case Alert():
                    self._alert_open = event.state is AlertState.OPEN
                    self._flagged = True
                case Gap():
                    self._gaps.add(event)
        return samples

    def _draw(self) -> list[Sample]:
        segment = self._segment
        measured = [
            (score.llr, score.p_spoof, score.neighbours)
            for score in segment.scores
            if score.llr is not None and score.p_spoof is not None
        ]
        if (
            self._flagged
            or len(measured) < MEASURED * SEGMENT_HOPS
            or self._rng.random() >= self._share
        ):
            return []
        min_llr, peak_p_spoof, neighbours = min(measured, key=lambda each: each[0])
        return [
            Sample(
                id=str(uuid.uuid5(self._stream_id, f"sample {segment.start}")),
                start=segment.start,
                peak_p_spoof=peak_p_spoof,
                min_llr=min_llr,
                clip=segment.samples,
                trace=tuple((score.end, score.llr) for score in segment.scores),
                neighbours=neighbours[: self._neighbours],
                gaps=self._gaps.gaps,
            )
        ]
