"""Selects the tracks and channels of a recording to score: the mean of similar channels, else each
channel with speech.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from radd.channel_likeness import FAINT, are_alike
from radd.errors import AudioError, ConfigError
from radd.resampling import Converter, Piece
from radd.types import SAMPLE_RATE_HZ
from radd.vad import BLOCK_SAMPLES, SpeechNetwork, SpeechState

AUTO, MIX, SPLIT = "auto", "mix", "split"
NAMES = {"left": 0, "right": 1}
SURVEYED_S = 600  # of a recording; a channel is not excluded for lack of speech after this point
INVERTED = -0.85  # a channel with the other sign: the mean of both would cancel
SPEECH = 0.5  # probability
# crosstalk of the other channel must not count as a speaker
LEAST_SPEECH_S, LEAST_SHARE = 0.5, 0.05
MOST_LANES = 8  # a file with many tracks must not start many streams
BLOCKS_AT_ONCE = 256  # limits memory, whatever the length of the recording

Columns = Callable[[int], Iterator[np.ndarray]]
"""track -> its audio in blocks, float32 (n, channels), 16 kHz"""


@dataclass(frozen=True, slots=True)
class Lane:
    """Audio that is scored as one stream."""

    track: int = 0
    """from 0"""
    channel: int | None = None
    """from 0; None: the mean of all"""
    name: str = ""
    """in words, such as `left`; empty if it is the only one"""


@dataclass(frozen=True, slots=True)
class Plan:
    """The parts of a recording that are scored."""

    lanes: tuple[Lane, ...]
    note: str | None = None
    """content of the recording, if it is more than one plain signal"""


@dataclass(frozen=True, slots=True)
class ChannelChoice:
    """The user's choice."""

    channel: str = AUTO
    """auto, mix, split, left, right or a number from 1"""
    track: int | None = None
    """from 1; None: all tracks with speech"""

    def __post_init__(self) -> None:
        if self.channel in (AUTO, MIX, SPLIT, *NAMES):
            return
        if not (self.channel.isascii() and self.channel.isdigit() and int(self.channel)):
            raise ConfigError(
                f"--use-channel {self.channel}: expected mix, split, left, right, auto or the "
                "number of a channel, from 1 on"
            )

    @property
    def number(self) -> int | None:
        """The named channel, from 0; None for auto, mix and split."""
        if self.channel in (AUTO, MIX, SPLIT):
            return None
        return NAMES[self.channel] if self.channel in NAMES else int(self.channel) - 1

    def for_one_stream(self, what: str) -> None:
        """Raise ConfigError if several streams are requested from an input that cannot be split."""
        if self.channel == SPLIT:
            raise ConfigError(
                f"--use-channel split is for files, microphones and raw PCM, not for {what}: "
                "choose left, right or a number, or record it first"
            )

    def check(self, name: str, channels: int) -> None:
        """Raise AudioError if there is no such channel."""
        if self.number is not None and self.number >= channels:
            raise AudioError(
                f"{name} has {channels} channels, and channel {self.number + 1} was asked for: "
                f"choose --use-channel 1 to {channels}, mix or split"
            )


def plan(name: str, track_channels: Sequence[int], columns: Columns, choice: ChannelChoice) -> Plan:
    """The parts of a recording to score under `choice`; auto examines the audio.

    Raises AudioError for a track or channel that does not exist.
    """
    tracks = _tracks(name, track_channels, choice)
    several = len(track_channels) > 1
    if choice.channel != AUTO:
        lanes = [lane for t in tracks for lane in _asked(name, t, track_channels[t], choice)]
        return Plan(tuple(_named(lane, track_channels, several) for lane in lanes[:MOST_LANES]))
    surveys = [TrackSurvey(track, track_channels[track], columns) for track in tracks]
    if len(surveys) == 1 and surveys[0].is_one_sound:
        return Plan((_named(Lane(tracks[0]), track_channels, several),))
    return _chosen(name, surveys, track_channels)


def _tracks(name: str, track_channels: Sequence[int], choice: ChannelChoice) -> Sequence[int]:
    if choice.track is None:
        return range(len(track_channels)) if choice.channel == AUTO else range(1)
    if not 1 <= choice.track <= len(track_channels):
        raise AudioError(
            f"{name} has {len(track_channels)} tracks of sound, and track {choice.track} was "
            f"asked for: choose --track 1 to {len(track_channels)}"
        )
    return [choice.track - 1]


def _asked(name: str, track: int, channels: int, choice: ChannelChoice) -> list[Lane]:
    choice.check(name, channels)
    if choice.channel == SPLIT and channels > 1:
        return [Lane(track, channel) for channel in range(channels)]
    return [Lane(track, choice.number if channels > 1 else None)]


def _named(lane: Lane, track_channels: Sequence[int], several: bool) -> Lane:
    words = [f"track {lane.track + 1}"] if several else []
    if lane.channel is not None:
        stereo = track_channels[lane.track] == 2
        words.append(("left", "right")[lane.channel] if stereo else f"channel {lane.channel + 1}")
    return Lane(lane.track, lane.channel, ", ".join(words))


class TrackSurvey:
    """Content of one track: whether its channels are one signal, and the speech in each."""

    def __init__(self, track: int, channels: int, columns: Columns):
        self._columns, self.track, self.channels = columns, track, channels
        self.is_whole = True
        """whether all of it was examined"""
        self.power = np.ones(channels)
        self.is_inverted = False
        self.is_one_sound = channels == 1 or self._is_alike()

    @property
    def parts(self) -> list[Lane]:
        """The parts that can be scored."""
        if self.is_one_sound:
            return [Lane(self.track)]
        return [Lane(self.track, channel) for channel in range(self.channels)]

    def speech_s(self) -> list[float]:
        """Seconds of speech in each part."""
        network, state = SpeechNetwork(), SpeechState.batch(len(self.parts))
        spoken = np.zeros(len(self.parts))
        for sound in _whole_blocks(self._surveyed()):
            rows = sound.mean(axis=1)[None] if self.is_one_sound else sound.T
            probability = network.probability(state, np.ascontiguousarray(rows, np.float32))
            spoken += (probability >= SPEECH).sum(axis=1)
        return (spoken * BLOCK_SAMPLES / SAMPLE_RATE_HZ).tolist()

    def _is_alike(self) -> bool:
        product = np.zeros((self.channels, self.channels))
        count = 1
        for sound in self._surveyed():
            wide = sound.astype(np.float64)
            product += wide.T @ wide
            count += len(sound)
        self.power = product.diagonal() / count
        if self.channels == 2 and (self.power > FAINT * self.power.max()).all():
            self.is_inverted = product[0, 1] < INVERTED * np.sqrt(product[0, 0] * product[1, 1])
        return are_alike(product)

    def _surveyed(self) -> Iterator[np.ndarray]:
        left = SURVEYED_S * SAMPLE_RATE_HZ
        for sound in self._columns(self.track):
            if left <= 0:
                self.is_whole = False
                return
            yield np.nan_to_num(sound[:left], posinf=0.0, neginf=0.0)
            left -= len(sound)


def _chosen(name: str, surveys: list[TrackSurvey], track_channels: Sequence[int]) -> Plan:
    found = [
        (
            _named(lane, track_channels, len(track_channels) > 1),
            survey,
            speech_s,
            _power(survey, lane),
        )
        for survey in surveys
        for lane, speech_s in zip(survey.parts, survey.speech_s(), strict=True)
    ]
    most_s = max(speech_s for _, _, speech_s, _ in found)
    least_s = max(LEAST_SPEECH_S, LEAST_SHARE * most_s)
    judged = [
        lane
        for lane, survey, speech_s, power in found
        if (speech_s >= least_s or (not survey.is_whole and power))
        and not (survey.is_inverted and lane.channel != int(survey.power.argmax()))
    ]
    if not judged:
        judged = [max(found, key=lambda one: (one[2], one[3]))[0]]
    judged = judged[:MOST_LANES]
    holds = ", ".join(f"{lane.name} {speech_s:.1f} s" for lane, _, speech_s, _ in found)
    inverted = ", the same sound with its sign changed" if surveys[0].is_inverted else ""
    return Plan(
        tuple(judged),
        f"{name} holds {len(found)} different channels or tracks{inverted}; speech: {holds}; "
        f"judged: {' and '.join(lane.name for lane in judged)}; --use-channel and --track choose "
        "others",
    )


def _power(survey: TrackSurvey, lane: Lane) -> float:
    return float(survey.power.max() if lane.channel is None else survey.power[lane.channel])


def _whole_blocks(sound: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Regroup into whole blocks of the voice-activity network; the last one is padded with
    silence.
    """
    waiting, size = [], 0
    for part in sound:
        waiting.append(part)
        size += len(part)
        if size >= BLOCKS_AT_ONCE * BLOCK_SAMPLES:
            joined = np.concatenate(waiting)
            whole = size - size % BLOCK_SAMPLES
            yield joined[:whole]
            waiting, size = [joined[whole:]], size - whole
    if size:
        yield np.pad(np.concatenate(waiting), ((0, -size % BLOCK_SAMPLES), (0, 0)))


def columns(pieces: Iterable[Piece], channels: int) -> Iterator[np.ndarray]:
    """Every channel of a track at 16 kHz, float32 (n, channels), without losses.

    If a piece has fewer channels, its last one replaces the missing ones; if it has more, the first
    ones are used.
    """
    converters: list[Converter] = []
    rate_hz = 0
    for piece in pieces:
        if piece.rate_hz != rate_hz:
            yield from _ends(converters)
            rate_hz = piece.rate_hz
            converters = [Converter(rate_hz, 1) for _ in range(channels)]
        places = np.minimum(np.arange(channels), piece.frames.shape[1] - 1)
        sound = piece.frames[:, places]
        yield np.stack([c.push(sound[:, k : k + 1]).samples for k, c in enumerate(converters)], 1)
    yield from _ends(converters)


def _ends(converters: list[Converter]) -> Iterator[np.ndarray]:
    if converters:
        yield np.stack([converter.flush().samples for converter in converters], axis=1)
