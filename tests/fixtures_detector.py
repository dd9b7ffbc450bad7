"""A small detector and the sounds it can tell apart: the tests of the live path run on them without
a model.
"""

from __future__ import annotations

import math
import tomllib
from collections import deque
from pathlib import Path

import numpy as np
import pytest

from radd.types import (
    HOP_SAMPLES,
    SAMPLE_RATE_HZ,
    AudioChunk,
    Detector,
    Event,
    Judgement,
    Neighbour,
    Verdict,
)
from stream.alerts import AlertSettings
from stream.decision import DecisionSettings
from stream.monitor import Monitor

CONFIG = tomllib.loads((Path(__file__).parents[1] / "config.toml").read_text(encoding="utf-8"))
STREAM_ID = "6e3a2f5c-40a1-4f0e-9d3c-8f2b8f7e1d11"
SILENT_DBFS = -60.0
FIRST_HOPS, WINDOW_HOPS = 8, 32


class BrightnessDetector(Detector):
    """Calls bright noise synthetic and dull noise bona fide, from the energy of the sound's first
    difference.

    Windows grow from 8 to 32 hops; a window with a quiet last hop is refused, and so is one that
    clips.
    """

    name = "brightness"

    def start(self) -> deque[tuple[float, float]]:
        return deque(maxlen=WINDOW_HOPS)

    def push(self, state: deque[tuple[float, float]], samples: np.ndarray) -> list[Judgement]:
        assert samples.dtype == np.float32 and len(samples) and len(samples) % HOP_SAMPLES == 0
        return [
            self._judge(state, hop) for hop in samples.astype(np.float64).reshape(-1, HOP_SAMPLES)
        ]

    def _judge(self, state: deque[tuple[float, float]], hop: np.ndarray) -> Judgement:
        state.append((float(np.sum(hop**2)), float(np.sum(np.diff(hop) ** 2))))
        level = max(-120.0, 10 * math.log10(state[-1][0] / HOP_SAMPLES + 1e-12))
        energy, slope = (sum(column) for column in zip(*state, strict=True))
        llr = refusal = reason = None
        if len(state) < FIRST_HOPS:
            refusal, reason = Verdict.WARMING_UP, f"{len(state)} of {FIRST_HOPS} hops heard"
        elif level < SILENT_DBFS:
            refusal, reason = Verdict.NO_SPEECH, f"{level:.1f} dBFS"
        elif np.mean(np.abs(hop) >= 1.0) > 0.05:
            refusal, reason = Verdict.TOO_NOISY, "clipping"
        else:
            llr = 6.0 * (1.0 - slope / energy)
        known = (
            Neighbour("dull-1", "bonafide", "-", 0.9),
            Neighbour("bright-1", "spoof", "noise", 0.8),
        )
        return Judgement(
            llr, refusal, reason, known, len(state) * HOP_SAMPLES, len(state) * 0.128, level
        )


def voice(seed: int, seconds: float, *, synthetic: bool) -> np.ndarray:
    """Noise, float32 (n,): bright where it stands for a synthetic voice, dull where it stands for a
    person.
    """
    noise = np.random.default_rng(seed).normal(0.0, 0.05, round(seconds * SAMPLE_RATE_HZ) + 15)
    return (noise[15:] if synthetic else np.convolve(noise, np.full(16, 0.25), "valid")).astype(
        np.float32
    )


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * SAMPLE_RATE_HZ), np.float32)


def takeover() -> np.ndarray:
    """A person, a pause, a synthetic voice, a person again, a moment of clipping: 31.2 s and a rest
    of 5 samples.
    """
    return np.concatenate(
        (
            voice(1, 8, synthetic=False),
            silence(1.2),
            voice(2, 10, synthetic=True),
            voice(3, 9, synthetic=False),
            np.ones(SAMPLE_RATE_HZ, np.float32),
            voice(4, 2, synthetic=True),
            silence(5 / SAMPLE_RATE_HZ),
        )
    )


def cut(sound: np.ndarray, size: int, start: int = 0) -> list[AudioChunk]:
    """The sound as chunks of `size` samples, the last one shorter, numbered from `start`."""
    return [AudioChunk(sound[i : i + size], start + i) for i in range(0, len(sound), size)]


def monitor(detector: Detector, stream_id: str = STREAM_ID, **changes) -> Monitor:
    """A monitor with the shipped settings but for `changes`, each named as in config.toml."""
    decision, alerts = (
        {k: changes.pop(k, v) for k, v in CONFIG[name].items()} for name in ("decision", "alerts")
    )
    clock = changes.pop("clock", lambda: 0.0)
    assert not changes
    return Monitor(
        detector, DecisionSettings(**decision), AlertSettings(**alerts), stream_id, clock
    )


def listen(
    detector: Detector, chunks: list[AudioChunk], *, flush: bool = True, **changes
) -> list[Event]:
    """All events of a stream, those of its end included where `flush` says so."""
    stream = monitor(detector, **changes)
    events = [event for chunk in chunks for event in stream.feed(chunk)]
    return events + (stream.flush() if flush else [])


@pytest.fixture(scope="session")
def brightness() -> BrightnessDetector:
    return BrightnessDetector()


@pytest.fixture(scope="session", params=["brightness"])
def detector(request) -> Detector:
    """Every detector that the laws hold for, by the name of its fixture."""
    return request.getfixturevalue(request.param)
