"""Random samples of speech that raised no alert, for review: without them misses stay invisible."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

import numpy as np

from radd.types import (
    HOP_SAMPLES,
    Alert,
    AlertState,
    AudioChunk,
    Event,
    Gap,
    Judgement,
    Sample,
    Score,
    seconds,
)
from stream.engine import Listener
from stream.monitor import HopBatch
from stream.segment import CurrentSegment

STRETCH_HOPS = 64
STRETCH_SAMPLES = STRETCH_HOPS * HOP_SAMPLES  # 8.192 s
MEASURED = 0.5  # share of its hops that must have a score for a segment to count as speech


class Sampler:
    """A Listener around that of one stream: passes its events on and adds a Sample now and then.

    The sound is cut into stretches of 8.192 s, anew after each gap. Of those with speech and
    without an alert each is drawn with the same probability, so that an hour of them yields
    `per_hour`. The stream's id is the seed.
    """

    def __init__(self, listener: Listener, per_hour: float, stream_id: str, neighbours: int):
        """`stream_id` is a UUID; at most `neighbours` references are kept with a sample."""
        self._listener = listener
        self._share = per_hour * seconds(STRETCH_SAMPLES) / 3600
        self._stream_id = uuid.UUID(stream_id)
        self._rng = np.random.default_rng(self._stream_id.int)
        self._neighbours = neighbours
        self._alert_open = False
        self._gaps, self._gap_end = 0, -1
        self._stretch = CurrentSegment(STRETCH_HOPS)
        self._flagged = False

    def hear(self, chunk: AudioChunk) -> HopBatch:
        if self._stretch.hear(chunk):
            self._flagged = self._alert_open
        return self._listener.hear(chunk)

    def judged(self, heard: HopBatch, judgements: Sequence[Judgement]) -> list[Event]:
        return self._with_samples(self._listener.judged(heard, judgements))

    def flush(self) -> list[Event]:
        events = self._with_samples(self._listener.flush())
        return events + (self._draw() if self._stretch.is_whole else [])

    def _with_samples(self, events: Iterable[Event]) -> list[Event]:
        told: list[Event] = []
        for event in events:
            match event:
                case Score():
                    if (
                        self._stretch.is_whole
                    ):  # only now, because an alert may follow the score that opens it
                        told += self._draw()
                        self._stretch.end()
                        self._flagged = self._alert_open
                    self._stretch.judge(event)
                case Alert():
                    self._alert_open = event.state is AlertState.OPEN
                    self._flagged = True
                case Gap(start, end):
                    self._gaps += start != self._gap_end
                    self._gap_end = end
            told.append(event)
        return told

    def _draw(self) -> list[Sample]:
        stretch = self._stretch
        measured = [
            (score.llr, score.p_spoof, score.neighbours)
            for score in stretch.scores
            if score.llr is not None and score.p_spoof is not None
        ]
        if (
            self._flagged
            or len(measured) < MEASURED * STRETCH_HOPS
            or self._rng.random() >= self._share
        ):
            return []
        min_llr, peak_p_spoof, neighbours = min(measured, key=lambda each: each[0])
        return [
            Sample(
                id=str(uuid.uuid5(self._stream_id, f"sample {stretch.start}")),
                start=stretch.start,
                peak_p_spoof=peak_p_spoof,
                min_llr=min_llr,
                clip=stretch.samples,
                trace=tuple((score.end, score.llr) for score in stretch.scores),
                neighbours=neighbours[: self._neighbours],
                gaps=self._gaps,
            )
        ]
