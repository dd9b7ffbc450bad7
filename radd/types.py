"""The data types that travel from a source to a sink.

Time is counted in samples of 16 kHz since the source opened; `start` and `end` are such counts,
`end` exclusive. A number is always a measurement. What could not be measured has a Verdict with a
reason, and its number is None.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np

S = TypeVar("S")
"""what a detector keeps of one stream"""

SAMPLE_RATE_HZ = 16_000  # the rate of the field's corpora and of Wav2Vec2 encoders
HOP_SAMPLES = 2_048  # 128 ms, one chunk, one score


def seconds(samples: int) -> float:
    """Samples at 16 kHz as seconds."""
    return samples / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A piece of mono audio from a source, of any length, including zero.

    If `start` is later than the end of the previous chunk, audio was lost in between, and `cause`
    says why. A chunk without samples reports a loss that has not ended yet.
    """

    samples: np.ndarray
    """float32 (n,), mono, 16 kHz, full scale +-1, finite"""
    start: int
    """samples since the source opened"""
    cause: str | None = None
    """why audio was lost before this chunk; None if nothing was lost"""
    damaged: int = 0
    """number of samples that were NaN or Inf and have been set to zero"""
    arrived: float | None = None
    """time.monotonic() in seconds when its last sample arrived; None if the source has no clock"""

    @property
    def end(self) -> int:
        """Sample position after the chunk."""
        return self.start + len(self.samples)


class Verdict(StrEnum):
    """Result for one window; the last six mean that there is no score."""

    BONAFIDE = "bonafide"
    SUSPECT = "suspect"
    SPOOF = "spoof"
    OWN_VOICE = "own_voice"
    NO_SPEECH = "no_speech"
    TOO_NOISY = "too_noisy"
    GAP = "gap"
    WARMING_UP = "warming_up"
    SHED = "shed"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A known reference that resembles the current audio."""

    id: str
    label: str
    """bonafide or spoof"""
    system: str
    """name of the synthesis system, "-" for bona fide"""
    similarity: float
    """cosine, -1 to 1, higher = closer"""


@dataclass(frozen=True, slots=True)
class Score:
    """The score of the window that ends at `end`; one per hop."""

    end: int
    """samples"""
    verdict: Verdict
    reason: str | None
    """why there is no number; None if there is one"""
    llr: float | None
    """natural-log likelihood ratio, higher = bona fide; None if not measured"""
    p_spoof: float | None
    """posterior probability of spoof at the configured prior, 0 to 1; None if not measured"""
    neighbours: tuple[Neighbour, ...]
    """nearest references of the latest block, closest first"""
    window_samples: int
    """length of audio that the score depends on"""
    speech_s: float
    """seconds of speech in the window"""
    level_dbfs: float
    """RMS level of the hop, dB re full scale, at least -120"""
    latency_ms: float | None
    """from the arrival of the last sample to the score; None if the source has no clock"""
    moved_llr: float = 0.0
    """how far confirmed references have moved `llr`, nats, higher = to bona fide"""


@dataclass(frozen=True, slots=True)
class Gap:
    """Audio that was lost."""

    start: int
    """samples, where the loss begins"""
    end: int
    """samples, where the audio continues"""
    cause: str


class AlertState(StrEnum):
    """State of an alert event."""

    OPEN = "open"
    CLOSE = "close"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Alert:
    """A synthetic voice was detected: one event when the alert opens, one when it closes.

    `interrupted` reports, at the next start, an alert that a crash left open.
    """

    id: str
    """UUID, the same for both events"""
    state: AlertState
    began: int
    """samples, start of the evidence"""
    end: int
    """samples: so far while open, final once closed"""
    peak_p_spoof: float
    """highest posterior of spoof so far, 0 to 1"""
    min_llr: float
    """lowest LLR so far, nats"""
    clip: np.ndarray
    """float32 (n,), the evidence: pre-roll and the alert so far, at most the configured length"""
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
    """Speech without an alert, drawn at random for review."""

    id: str
    """UUID"""
    start: int
    """samples, start of the clip"""
    peak_p_spoof: float
    """highest posterior of spoof in the clip, 0 to 1"""
    min_llr: float
    """lowest LLR in the clip, nats"""
    clip: np.ndarray
    """float32 (n,), the audio"""
    trace: tuple[tuple[int, float | None], ...]
    """(end, llr) of each score in the clip"""
    neighbours: tuple[Neighbour, ...]
    """nearest references at the peak"""
    gaps: int
    """gaps in the stream so far"""

    @property
    def end(self) -> int:
        """Sample position after the clip."""
        return self.start + len(self.clip)


@dataclass(frozen=True, slots=True)
class Drift:
    """The last minutes of a stream's speech are farther from all known voices than usual."""

    end: int
    distance: float
    """mean of 1 - cosine to the nearest reference, 0 to 2"""
    bound: float
    """distance above which drift is reported"""


@dataclass(frozen=True, slots=True)
class Compared:
    """A candidate scored some speech in shadow mode."""

    end: int
    candidate: str
    """name and version of its bundle"""
    heard_s: float
    """seconds of speech that both models scored"""
    difference: float
    """mean LLR of the candidate minus that of the champion, nats"""
    champion_alert: bool
    """whether this speech alone would raise an alert by the champion's scores"""
    candidate_alert: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """Something that was to be stored is gone for good, for want of space."""

    end: int
    """samples of the stream that were heard when it went"""
    what: str
    """sound: of an alert or a sample, whose row stays; alert: all of it; timeline: rows of
    seconds, told once a run
    """
    id: str | None
    """of the alert or sample; None for the timeline"""
    cause: str


Event = Score | Gap | Alert | Sample | Drift | Compared | Lost


@dataclass(frozen=True, slots=True)
class Judgement:
    """A detector's result for the window that ends with one hop, before any decision."""

    llr: float | None
    """natural-log likelihood ratio, higher = bona fide; None if it could not be computed"""
    refusal: Verdict | None
    """NO_SPEECH, TOO_NOISY, OWN_VOICE, WARMING_UP or SHED if llr is None, else None"""
    reason: str | None
    """the refusal in words a user understands, with the measured numbers; None if llr is a
    number
    """
    neighbours: tuple[Neighbour, ...]
    """nearest references of the latest block, closest first; empty before the first"""
    window_samples: int
    speech_s: float
    level_dbfs: float
    moved_llr: float = 0.0
    """how far confirmed references have moved `llr`, nats, higher = to bona fide"""


class Shed(IntEnum):
    """Work that may be skipped for a late stream; each level includes those above it."""

    NOTHING = 0
    HOPS = 1
    """score only the last hop of the part; the others get the verdict SHED"""
    BLOCKS = 2
    """also anything else a detector can do without: RaddDetector encodes and looks up no block"""


class Part(NamedTuple, Generic[S]):
    """Audio of one stream for Detector.push_many."""

    state: S
    samples: np.ndarray
    """whole hops, float32 (n * HOP_SAMPLES,), n >= 1"""
    shed: Shed = Shed.NOTHING


class Scorer(Protocol[S]):
    """Stateless weights, shared by any number of streams; start() creates the state of one stream.

    Detectors inherit from it; one that gains nothing from batching streams inherits push_many.
    """

    def start(self) -> S:
        """The initial state of a stream; also used after a gap."""
        ...

    def push(self, state: S, samples: np.ndarray) -> list[Judgement]:
        """Score the next n whole hops, float32 (n * HOP_SAMPLES,): n judgements, in order.

        Results do not depend on how the hops are grouped into calls, up to rounding (1e-4).
        """
        ...

    def push_many(self, parts: Sequence[Part[S]]) -> list[list[Judgement]]:
        """push() for parts of different streams, with the same results within 1e-4; may skip what
        Part.shed names.
        """
        return [self.push(part.state, part.samples) for part in parts]


class Detector(Scorer[S], Protocol[S]):
    """A Scorer with a name."""

    @property
    def name(self) -> str:
        """The bundle name and version for display."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """The call and the track that a stream belongs to: the attribute `call` of a call's Source."""

    id: str
    """as the sender names it; the same for all tracks of a call"""
    track: str
    """such as inbound, outbound, or 1"""
    details: Mapping[str, str] = field(default_factory=dict)
    """what the sender says of the call, such as the caller's number; only what [calls] keep
    names"""


class Source(Protocol):
    """A source of audio. A context manager; iterating yields chunks until the audio ends or stop()
    is called.
    """

    name: str
    """name for display: device name, path or "-"
    """
    native_rate_hz: int
    """sample rate of the source itself, known once entered"""
    native_channels: int

    def __enter__(self) -> Source: ...
    def __exit__(self, *exc) -> None: ...
    def __iter__(self) -> Iterator[AudioChunk]: ...
    def stop(self) -> None:
        """End the iteration soon; may be called from a signal handler or another thread."""
        ...

    def stats(self) -> dict[str, int]:
        """Counts so far: chunks, drops, overruns, queue_depth, queue_length, reopened ..."""
        ...


class Sink(Protocol):
    """A destination of events. A context manager."""

    def __enter__(self) -> Sink: ...
    def __exit__(self, *exc) -> None: ...
    def write(self, event: Event, stream: str | None = None) -> None:
        """Handle an event of the stream with this id; None if there is only one."""
        ...
