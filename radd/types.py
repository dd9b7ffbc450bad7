"""The nouns: what travels from a source to a sink.

Time is counted in samples of 16 kHz since the source opened; `start` and `end` are such counts,
`end` exclusive. A number is something that was measured: everything else is a Verdict with a
reason, and its number is None.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple, Protocol

import numpy as np

SAMPLE_RATE_HZ = 16_000
HOP_SAMPLES = 2_048  # 128 ms, one chunk, one score


def seconds(samples: int) -> float:
    """Samples at 16 kHz as seconds."""
    return samples / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A stretch of mono sound as a source yields it; of any length, zero included.

    Sound was lost before it where `start` is later than the end of the chunk before: `cause` then
    says why. A chunk of no samples tells of a loss that is still going on.
    """

    samples: np.ndarray
    """float32 (n,), mono, 16 kHz, full scale +-1, finite"""
    start: int
    """samples since the source opened"""
    cause: str | None = None
    """why sound was lost before this chunk; None if nothing was"""
    damaged: int = 0
    """samples in it that were NaN or Inf and are zero now"""
    arrived: float | None = None
    """time.monotonic() in seconds when its last sample arrived; None if not from a clocked source
    """

    @property
    def end(self) -> int:
        return self.start + len(self.samples)


class Verdict(StrEnum):
    BONAFIDE = "bonafide"
    SUSPECT = "suspect"
    SPOOF = "spoof"
    NO_SPEECH = "no_speech"
    TOO_NOISY = "too_noisy"
    GAP = "gap"
    WARMING_UP = "warming_up"
    SHED = "shed"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A known reference that is close to what was heard."""

    id: str
    label: str
    """bonafide or spoof"""
    system: str
    """name of the synthesis system, "-" for bona fide"""
    similarity: float
    """cosine, -1 to 1, higher = closer"""


@dataclass(frozen=True, slots=True)
class Score:
    """The judgement of the window that ends at `end`; one a hop."""

    end: int
    """samples"""
    verdict: Verdict
    reason: str | None
    """why there is no number; None where there is one"""
    llr: float | None
    """natural-log likelihood ratio, higher = bona fide; None if not measured"""
    p_spoof: float | None
    """posterior probability of spoof at the configured prior, 0 to 1; None if not measured"""
    neighbours: tuple[Neighbour, ...]
    """nearest references of the latest block, closest first"""
    window_samples: int
    """how much sound the judgement rests on"""
    speech_s: float
    """seconds of speech in the window"""
    level_dbfs: float
    """RMS level of the hop, dB re full scale, at least -120"""
    latency_ms: float | None
    """from the arrival of the last sample to the score; None where the source has no clock"""


@dataclass(frozen=True, slots=True)
class Gap:
    """Sound that was lost."""

    start: int
    """samples, where the sound stops"""
    end: int
    """samples, where it goes on"""
    cause: str


class AlertState(StrEnum):
    OPEN = "open"
    CLOSE = "close"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Alert:
    """A synthetic voice was heard; one event when it begins (open), one when it has ended (close).

    `interrupted` is told at the next start about an alert that a crash left open.
    """

    id: str
    """UUID, the same for both events"""
    state: AlertState
    began: int
    """samples, start of the evidence"""
    end: int
    """samples, so far while open, final once closed"""
    peak_p_spoof: float
    """highest posterior of spoof so far, 0 to 1"""
    min_llr: float
    """lowest LLR so far, nats"""
    clip: np.ndarray
    """float32 (n,), the sound kept as evidence: pre-roll and the alert so far, at most the
    configured length
    """
    clip_start: int
    """samples, where the clip begins"""
    trace: tuple[tuple[int, float | None], ...]
    """(end, llr) of each score inside the clip"""
    neighbours: tuple[Neighbour, ...]
    """nearest references at the peak"""
    gaps: int
    """gaps in the stream so far"""


@dataclass(frozen=True, slots=True)
class Sample:
    """Speech that raised no alert, drawn at random for people to review."""

    id: str
    """UUID"""
    start: int
    """samples, where it begins"""
    peak_p_spoof: float
    """highest posterior of spoof in it, 0 to 1"""
    min_llr: float
    """lowest LLR in it, nats"""
    clip: np.ndarray
    """float32 (n,), its sound"""
    trace: tuple[tuple[int, float | None], ...]
    """(end, llr) of each score in it"""
    neighbours: tuple[Neighbour, ...]
    """nearest references at the peak"""
    gaps: int
    """gaps in the stream so far"""

    @property
    def end(self) -> int:
        return self.start + len(self.clip)


@dataclass(frozen=True, slots=True)
class Drift:
    """The latest minutes of a stream's speech are farther from all known voices than is usual."""

    end: int
    distance: float
    """their mean of 1 - cosine to the nearest reference, 0 to 2"""
    bound: float
    """from which on it is told"""


@dataclass(frozen=True, slots=True)
class Compared:
    """A candidate has judged some speech beside the champion, without a voice."""

    end: int
    candidate: str
    """name and version of its bundle"""
    heard_s: float
    """seconds of speech that both have judged"""
    difference: float
    """mean LLR of the candidate less the champion's, nats"""
    champion_alert: bool
    """whether an alert would have come of this speech alone, by the champion's scores"""
    candidate_alert: bool


Event = Score | Gap | Alert | Sample | Drift | Compared


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a detector has to say of the window that ends with one hop, before anyone decides
    anything.
    """

    llr: float | None
    """natural-log likelihood ratio, higher = bona fide; None if it could not judge"""
    refusal: Verdict | None
    """NO_SPEECH, TOO_NOISY, WARMING_UP or SHED where llr is None, else None"""
    reason: str | None
    """the refusal in words a user understands, with the numbers found; None where llr is a number
    """
    neighbours: tuple[Neighbour, ...]
    """nearest references of the latest block, closest first; empty before the first"""
    window_samples: int
    speech_s: float
    level_dbfs: float


class Shed(IntEnum):
    """What is left out of the work on a part of a stream that is late; each step leaves out what is
    above it too.
    """

    NOTHING = 0
    HOPS = 1
    """the scores of all hops of the part but the last: their verdict is SHED"""
    BLOCKS = 2
    """what else a detector can do without; RaddDetector then encodes no block and looks none up"""


class Part(NamedTuple):
    """Sound of one stream for Detector.push_many."""

    state: object
    samples: np.ndarray
    """whole hops, float32 (n * HOP_SAMPLES,), n from 1"""
    shed: Shed = Shed.NOTHING


class Detector(Protocol):
    """Weights without memory, shared by any number of streams; what remembers is the state that
    start() makes.

    A detector that gains nothing from several streams at once inherits push_many from here.
    """

    name: str
    """bundle name and version, as a person reads it"""

    def start(self) -> object:
        """A fresh memory for one stream; also what follows a gap."""
        ...

    def push(self, state: object, samples: np.ndarray) -> list[Judgement]:
        """Judge the next n whole hops, float32 (n * HOP_SAMPLES,): n judgements, in order.

        How the hops are grouped into calls changes nothing beyond rounding (1e-4).
        """
        ...

    def push_many(self, parts: Sequence[Part]) -> list[list[Judgement]]:
        """push() for parts of different streams, the same within 1e-4; what Part.shed names may be
        left out.
        """
        return [self.push(part.state, part.samples) for part in parts]


class Source(Protocol):
    """Where sound comes from. A context manager; iterating yields chunks until the sound ends or
    stop() is called.
    """

    name: str
    """what a person calls it: device name, path or "-" """
    native_rate_hz: int
    """its own rate, known once entered"""
    native_channels: int

    def __enter__(self) -> Source: ...
    def __exit__(self, *exc) -> None: ...
    def __iter__(self) -> Iterator[AudioChunk]: ...
    def stop(self) -> None:
        """End the iteration soon; may be called from a signal handler or another thread."""
        ...

    def stats(self) -> dict[str, int | float]:
        """Counts so far: chunks, drops, overruns, queue_depth, queue_length, reopened ..."""
        ...


class Sink(Protocol):
    """Where events go. A context manager."""

    def __enter__(self) -> Sink: ...
    def __exit__(self, *exc) -> None: ...
    def write(self, event: Event, stream: str | None = None) -> None:
        """Take an event of the stream with this id; None where there is only one."""
        ...
