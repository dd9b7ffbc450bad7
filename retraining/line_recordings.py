"""The recordings of an enrolment: found in a folder, decoded, scored by the bundle and checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radd.bundle import BundledDetector
from radd.clip_score import longest, mean_llr
from radd.enrolled import passages
from radd.errors import AudioError, ConfigError
from radd.files import load_speech
from radd.flac import clip_sha256, flac_bytes
from radd.index import BundleIndex
from radd.overlay import blocks_in
from radd.trials import AUDIO_SUFFIXES
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ, seconds
from storage.enrolments import EnrolledRecording

MOST_S = 20.0  # of a recording of a line: what follows says little more about it
MOST_OWN_S = 120.0  # of a recording of an own voice
LEAST_SPEAKERS, LEAST_CLIPS = 6, 12  # people of a line, and recordings of them
LEAST_FAKES = 10
NEAR_COPY = 0.97  # cosine of two recordings' mean vectors above which they count as one
ONE_SYSTEM = 0.5  # share of "people" whose nearest reference is a fake of one system
LOWEST_MEDIAN_LLR = -3.0  # of people, nats: no bounded offset repairs less


@dataclass(frozen=True, slots=True)
class LineRecording:
    """A recording as the bundle heard it."""

    label: str
    """bonafide, spoof or own_voice"""
    name: str
    speaker: str
    samples: np.ndarray
    """float32 (n,), 16 kHz: the part that is enrolled"""
    starts: list[int]
    """of its blocks with speech, in samples"""
    vectors: np.ndarray
    """of these blocks, float32 (n, width)"""
    llr: float | None
    """of the bundle alone, nats, higher = bona fide; None if it was not scored"""

    @property
    def sha256(self) -> str:
        """Of the samples, as FLAC."""
        return clip_sha256(self.samples)

    @property
    def passages(self) -> np.ndarray:
        """One vector a passage, float32 (n, width)."""
        return passages([""] * len(self.starts), self.starts, self.vectors)

    def stored(self, keeps_audio: bool) -> EnrolledRecording:
        """The rows of this recording."""
        flac = flac_bytes(self.samples) if keeps_audio else None
        return EnrolledRecording(
            self.sha256,
            self.label,
            self.name,
            self.speaker,
            len(self.samples),
            flac,
            self.starts,
            self.vectors,
        )


def found_in(folder: Path, label: str) -> list[tuple[Path, str, str]]:
    """Audio files below a folder as (path, name, speaker): the speaker is the first folder below
    it; without folders the part of the name before the first "-" or "_".

    Raises ConfigError for a folder without audio.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES)
    if not files:
        raise ConfigError(
            f"{folder} holds no audio files ({', '.join(sorted(AUDIO_SUFFIXES))}); name a folder "
            f"with the recordings of {label}"
        )
    found = []
    for file in files:
        parts = file.relative_to(folder).parts
        speaker = parts[0] if len(parts) > 1 else file.stem.replace("_", "-").split("-")[0]
        found.append((file, "/".join(parts), speaker))
    return found


def heard(
    files: Iterable[tuple[Path, str, str]], label: str, detector: BundledDetector
) -> tuple[list[LineRecording], list[str]]:
    """The recordings with speech, and what was left out, in words."""
    kept, told = [], []
    for file, name, speaker in files:
        try:
            one = hear(load_speech(file), label, (name, speaker), detector)
        except AudioError as error:
            told.append(str(error))
            continue
        if one.llr is None or not one.starts:
            told.append(f"{name}: too little speech")
        else:
            kept.append(one)
    return kept, told


def hear(
    samples: np.ndarray, label: str, names: tuple[str, str], detector: BundledDetector
) -> LineRecording:
    """A recording with its score and its vectors; `names` are those of the file and the speaker."""
    encoder = detector.encoder
    assert encoder is not None  # the caller refuses a bundle without an index
    is_own = label == "own_voice"
    limit = round((MOST_OWN_S if is_own else MOST_S) * SAMPLE_RATE_HZ)
    part = samples[:limit]
    # blocks of an own voice lie close, so that one of them matches at any offset
    starts, vectors = blocks_in(part, encoder, 2) if is_own else blocks_in(part, encoder)
    whole = np.pad(part, (0, -len(part) % HOP_SAMPLES))
    judged = detector.push(detector.start(), whole, longest=True) if len(whole) else []
    llr = mean_llr(one.llr for one in longest(judged)) if judged else None
    return LineRecording(label, *names, part, starts, vectors, llr)


def without_copies(recordings: Sequence[LineRecording]) -> tuple[list[LineRecording], list[str]]:
    """The recordings that are no near copies of earlier ones, and those that are, in words. Raises
    ConfigError for a recording that is given with two labels.
    """
    kept: list[LineRecording] = []
    means: list[np.ndarray] = []
    told = []
    for one in recordings:
        mean = one.vectors.mean(axis=0)
        mean /= max(float(np.linalg.norm(mean)), 1e-9)
        near = [k for k, other in enumerate(means) if float(other @ mean) > NEAR_COPY]
        if not near:
            kept.append(one)
            means.append(mean)
            continue
        like = kept[near[0]]
        if like.label != one.label:
            raise ConfigError(
                f"{one.name} and {like.name} are the same recording, given as {one.label} and as "
                f"{like.label}; decide which it is"
            )
        told.append(f"{one.name}: a near copy of {like.name}")
    return kept, told


def refuse_poisoned(recordings: Sequence[LineRecording], index: BundleIndex) -> None:
    """Raise ConfigError, with the numbers found, where the recordings may not move a site's
    operating point: too few of them, "people" who sound like one synthesiser, swapped folders.
    """
    real = [one for one in recordings if one.label == "bonafide"]
    fake = [one for one in recordings if one.label == "spoof"]
    speakers = {one.speaker for one in real}
    if len(speakers) < LEAST_SPEAKERS or len(real) < LEAST_CLIPS:
        raise ConfigError(
            f"{len(real)} usable recordings of {len(speakers)} people; expected at least "
            f"{LEAST_CLIPS} of {LEAST_SPEAKERS} (one folder a person below --real, or names such "
            "as ann-1.wav): add more, of other people"
        )
    if fake and len(fake) < LEAST_FAKES:
        raise ConfigError(
            f"{len(fake)} usable fakes; expected at least {LEAST_FAKES}, or leave out --fake"
        )
    _refuse_one_synthesiser(real, index)
    medians = [float(np.median([one.llr for one in side])) for side in (real, fake) if side]
    if medians[0] < LOWEST_MEDIAN_LLR:
        raise ConfigError(
            f"half of the people score below {medians[0]:.1f} nats, which no site correction "
            f"repairs (at least {LOWEST_MEDIAN_LLR:.1f} expected): these are no people, or this "
            "line needs a bundle trained for it (train.py fit)"
        )
    if fake and medians[1] > medians[0]:
        raise ConfigError(
            f"the fakes (median {medians[1]:.1f} nats) sound more like people than the people do "
            f"({medians[0]:.1f}): are --real and --fake swapped?"
        )


def _refuse_one_synthesiser(real: Sequence[LineRecording], index: BundleIndex) -> None:
    nearest: Counter[str] = Counter()
    for one in real:
        mean = one.vectors.mean(axis=0)
        found = index.search(mean / max(float(np.linalg.norm(mean)), 1e-9), 1).neighbours[0]
        nearest[found.system if found.label == "spoof" else ""] += 1
    del nearest[""]
    system, count = max(nearest.items(), key=lambda item: item[1], default=("", 0))
    if count > ONE_SYSTEM * len(real):
        raise ConfigError(
            f"{count} of the {len(real)} recordings of people are nearest to one synthesiser, "
            f"{system}: these are no people; if they are, have somebody listen to them, and "
            "report this as a weakness of the bundle"
        )


def speech_s(recordings: Sequence[LineRecording]) -> float:
    """Seconds of the enrolled parts."""
    return seconds(sum(len(one.samples) for one in recordings))
