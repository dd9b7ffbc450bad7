"""Long recordings: real speech with one injected synthetic voice, built from clips or described by
a file.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from radd.errors import ProtocolError
from radd.trials import Trials, cell, csv_rows, is_spoof, plain_number, utterance
from radd.types import SAMPLE_RATE_HZ

REAL_S = (20.0, 60.0)
FAKE_S = (10.0, 20.0)
REAL_ALONE = 0.25  # share of recordings without a fake
SHORTEST_CLIP_S = 0.5  # shorter clips add a seam without adding evidence
SEAM_SAMPLES = 160  # 10 ms: no click at a seam may reveal the takeover
LEVEL = 0.05  # RMS, -26 dBFS: a step in level must not reveal the takeover
MIXED = "several speakers"


@dataclass(frozen=True, slots=True)
class VoiceSegment:
    """A segment with one kind of voice."""

    onset_s: float
    duration_s: float
    is_spoof: bool
    who: str
    """the speaker or the system"""

    @property
    def end_s(self) -> float:
        """End of the segment in its recording, in seconds."""
        return self.onset_s + self.duration_s


@dataclass(frozen=True, slots=True)
class LongRecording:
    """A long recording and its annotation."""

    name: str
    segments: tuple[VoiceSegment, ...]
    """in order; audio between them is ignored"""
    clips: tuple[str, ...]
    """names of the joined clips; for a file, its own"""

    @property
    def real_s(self) -> float:
        """Seconds of real speech."""
        return sum(segment.duration_s for segment in self.segments if not segment.is_spoof)

    @property
    def fakes(self) -> list[VoiceSegment]:
        """The synthetic segments."""
        return [segment for segment in self.segments if segment.is_spoof]


@dataclass(frozen=True, slots=True)
class VoiceRun:
    """Consecutive clips of one speaker or system."""

    who: str
    clips: list[str]
    duration_s: float


def plan(
    trials: Trials, length_s: Callable[[str], float], seed: int | np.random.Generator
) -> list[LongRecording]:
    """Recordings of 20-60 s of real speech, three in four followed by 10-20 s of one system; no
    clip is used twice.

    Real speech is of one speaker if there is enough, else of several in turn. Leftover clips, and
    systems with less than 10 s, are not used. Raises ProtocolError if not even one takeover can be
    built.
    """
    rng = np.random.default_rng(seed)
    lengths = {utt: length_s(utt) - SEAM_SAMPLES / SAMPLE_RATE_HZ for utt in trials.utts}
    kinds = [
        trial
        for trial in zip(trials.utts, trials.is_spoof, trials.speakers, trials.attacks, strict=True)
        if lengths[trial[0]] >= SHORTEST_CLIP_S
    ]
    fakes = _fakes([(utt, attack) for utt, spoof, _, attack in kinds if spoof], lengths, rng)
    real = [(utt, speaker) for utt, spoof, speaker, _ in kinds if not spoof]
    reals = _reals(real, lengths, len(fakes) / (1 - REAL_ALONE), rng)
    if not fakes or not reals:
        raise ProtocolError(
            f"{len(reals)} stretches of real speech of at least {REAL_S[0]:.0f} s and "
            f"{len(fakes)} of one system of at least {FAKE_S[0]:.0f} s can be built from "
            f"{len(trials)} trials, expected one of each: use more trials"
        )
    with_fake = min(len(fakes), max(1, round((1 - REAL_ALONE) * len(reals))))
    takeovers = [fakes[i] for i in rng.permutation(len(fakes))[:with_fake]]
    order = rng.permutation(len(reals))
    return [
        _recording(number, reals[i], takeovers[number] if number < with_fake else None)
        for number, i in enumerate(order)
    ]


def _recording(number: int, real: VoiceRun, fake: VoiceRun | None) -> LongRecording:
    segments = [VoiceSegment(0.0, real.duration_s, False, real.who)]
    if fake:
        segments.append(VoiceSegment(real.duration_s, fake.duration_s, True, fake.who))
    return LongRecording(
        f"recording-{number:04d}", tuple(segments), (*real.clips, *(fake.clips if fake else ()))
    )


def _fakes(
    clips: list[tuple[str, str]], lengths: dict[str, float], rng: np.random.Generator
) -> list[VoiceRun]:
    parts = []
    for system, names in _by_source(clips, rng).items():
        while names:
            part = _take(names, lengths, rng.uniform(*FAKE_S), FAKE_S[1], system)
            if part.duration_s >= FAKE_S[0]:
                parts.append(part)
    return parts


def _reals(
    clips: list[tuple[str, str]], lengths: dict[str, float], wanted: float, rng: np.random.Generator
) -> list[VoiceRun]:
    """Segments of real speech, shorter if more are wanted; first those of one speaker, then the
    rest in turn.
    """
    mean_s = sum(lengths[utt] for utt, _ in clips) / max(wanted, 1)
    longest_s = float(np.clip(2 * mean_s - REAL_S[0], REAL_S[0] + 5, REAL_S[1]))
    parts, rest = [], []
    for speaker, names in _by_source(clips, rng).items():
        while sum(lengths[name] for name in names) >= REAL_S[0]:
            part = _take(names, lengths, rng.uniform(REAL_S[0], longest_s), REAL_S[1], speaker)
            if part.duration_s < REAL_S[0]:
                rest += part.clips
            else:
                parts.append(part)
        rest += names
    while rest:
        part = _take(rest, lengths, rng.uniform(REAL_S[0], longest_s), REAL_S[1], MIXED)
        if part.duration_s >= REAL_S[0]:
            parts.append(part)
    return parts


def _by_source(clips: list[tuple[str, str]], rng: np.random.Generator) -> dict[str, list[str]]:
    sources: dict[str, list[str]] = {}
    for utt, source in sorted(clips, key=lambda clip: clip[1]):
        sources.setdefault(source, []).append(utt)
    return {
        source: [names[i] for i in rng.permutation(len(names))] for source, names in sources.items()
    }


def _take(
    names: list[str], lengths: dict[str, float], enough_s: float, most_s: float, who: str
) -> VoiceRun:
    """Remove clips from the front until there is enough; a clip that would exceed it is dropped."""
    taken, duration_s = [], 0.0
    while names and duration_s < enough_s:
        name = names.pop(0)
        if duration_s + lengths[name] <= most_s:
            taken.append(name)
            duration_s += lengths[name]
    return VoiceRun(who, taken, duration_s)


def join(clips: list[np.ndarray]) -> np.ndarray:
    """Clips at one level, cross-faded over 10 ms; float32 (sum of lengths - 160 per clip,)."""
    fade = np.linspace(0, 1, SEAM_SAMPLES, dtype=np.float32)
    joined = np.zeros(sum(len(clip) - SEAM_SAMPLES for clip in clips) + SEAM_SAMPLES, np.float32)
    place = 0
    for clip in clips:
        gain = LEVEL / (np.sqrt(np.mean(clip.astype(np.float64) ** 2)) + 1e-9)
        shaped = clip * np.float32(min(gain, 0.99 / (np.abs(clip).max() + 1e-9)))
        shaped[:SEAM_SAMPLES] *= fade
        shaped[-SEAM_SAMPLES:] *= fade[::-1]
        joined[place : place + len(clip)] += shaped
        place += len(clip) - SEAM_SAMPLES
    return joined[:place]


def read_annotations(path: Path) -> list[LongRecording]:
    """Read your own recordings from a CSV file with the columns file, onset, duration (seconds) and
    label.

    An optional column who names speaker or system. Raises ProtocolError for anything else, and for
    overlapping segments of one file.
    """
    files: dict[str, list[VoiceSegment]] = {}
    for number, row in csv_rows(path):
        place = f"{path}:{number}"
        if not {"file", "onset", "duration", "label"} <= set(row):
            raise ProtocolError(
                f"{path}: columns {', '.join(row)}; expected file, onset, duration and label"
            )
        try:
            onset_s, duration_s = plain_number(row["onset"]), plain_number(row["duration"])
        except ValueError:
            raise ProtocolError(f"{place}: onset and duration must be numbers of seconds") from None
        if not (0 <= onset_s < np.inf and 0 < duration_s < np.inf):
            raise ProtocolError(
                f"{place}: onset {onset_s}, duration {duration_s}; expected 0 or more, and more "
                "than 0"
            )
        who = cell(row, "who" if "who" in row else None)
        segment = VoiceSegment(onset_s, duration_s, is_spoof(row["label"], place), who)
        files.setdefault(utterance(row["file"].strip()), []).append(segment)
    recordings = []
    for name, segments in files.items():
        segments.sort(key=lambda segment: segment.onset_s)
        for before, after in pairwise(segments):
            if after.onset_s < before.end_s:
                raise ProtocolError(f"{path}: two segments of {name} overlap at {after.onset_s} s")
        recordings.append(LongRecording(name, tuple(segments), (name,)))
    if not recordings:
        raise ProtocolError(f"{path} describes no recording")
    return recordings


def write_annotations(path: Path, recordings: list[LongRecording]) -> None:
    """Write the segments for read_annotations, with the names of the joined clips."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "onset", "duration", "label", "who"])
        for recording in recordings:
            for segment in recording.segments:
                writer.writerow(
                    [
                        recording.name,
                        f"{segment.onset_s:.4f}",
                        f"{segment.duration_s:.4f}",
                        "spoof" if segment.is_spoof else "bonafide",
                        segment.who,
                    ]
                )
