"""Labelled speech for training: the list of clips, decoded once and cached on disk."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from radd.errors import AudioError, ConfigError
from radd.files import load_speech
from radd.trials import (
    AUDIO_SUFFIXES,
    UNKNOWN,
    csv_header,
    csv_parts,
    csv_rows,
    read_protocol,
    utterance,
)
from radd.types import SAMPLE_RATE_HZ
from radd.vad import BLOCK_SAMPLES, SpeechNetwork, SpeechState

_BATCH = 64  # clips of similar length per call: little padding, little memory
# file names under which the corpora are published; none names an evaluation set
OFFICIAL_PROTOCOLS = {
    "train": (
        "ASVspoof2019.??.cm.train.trn.txt",
        "ASVspoof5.train.tsv",
        "ASVspoof5.train.metadata.txt",
        "meta.csv",
    ),
    "dev": (
        "ASVspoof2019.??.cm.dev.trl.txt",
        "ASVspoof5.dev.track_1.tsv",
        "ASVspoof5.dev.metadata.txt",
    ),
}


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled recording."""

    utt: str
    path: Path
    label: str
    """bonafide or spoof"""
    system: str
    """name of the synthesis system, "-" for bona fide"""
    speaker: str
    source: str
    """the repository or collection of the clip"""
    licence: str
    language: str

    @property
    def group(self) -> tuple[str, str, str]:
        """The unit that training balances: a source's clips of one system, or of one real
        speaker.
        """
        return self.label, self.source, self.system if self.label == "spoof" else self.speaker


def read_corpus(directory: Path, side: str) -> list[Clip]:
    """Read the clips of one set, train or dev, of a corpus directory.

    The directory holds a protocol (see find_protocol), the audio below it and optionally meta*.csv
    with the columns utt, source_repo, licence, lang. A trial is named by its file name or, as in
    CSV lists, by the path relative to the directory. Resynthesised copies of the training set in
    `protocol.vocoded.txt` belong to it. A corpus may lack a development set; it is empty then. The
    evaluation set cannot be read here.

    Raises ConfigError for another set, a missing protocol or missing audio.
    """
    if side not in OFFICIAL_PROTOCOLS:
        raise ConfigError(
            f"set {side!r}: training reads only train and dev; the evaluation set is for "
            "evaluate.py"
        )
    protocol = find_protocol(directory, side)
    if protocol is None:
        return []
    known = _metadata(directory)
    audio = _audio(directory)
    clips = list(_clips(protocol, side, audio, known, directory))
    vocoded = directory / "protocol.vocoded.txt"
    if side == "train" and vocoded.is_file():
        clips += _clips(vocoded, side, audio, known, directory)
    return clips


def find_protocol(directory: Path, side: str) -> Path | None:
    """Find the protocol of one set: `protocol.SIDE.txt`, else the only file below with the official
    name of a known corpus.

    Returns None if there is no development set. Raises ConfigError if there is no training set, or
    more than one candidate.
    """
    own = directory / f"protocol.{side}.txt"
    if own.is_file():
        return own
    found = sorted(path for name in OFFICIAL_PROTOCOLS[side] for path in directory.rglob(name))
    if not found and side == "dev":
        return None
    if not found:
        raise ConfigError(
            f"{own} is missing: a corpus needs it, or a protocol of ASVspoof 2019, ASVspoof 5 or "
            "In-the-Wild under its official name"
        )
    if len(found) > 1:
        raise ConfigError(
            f"{directory} holds several protocols of its {side} set: "
            f"{', '.join(map(str, found))}; name the directory of one of them"
        )
    return found[0]


def _audio(directory: Path) -> dict[str, Path | None]:
    """Map audio files by name and by relative path, without suffix; None if two files share
    a name.
    """
    found: dict[str, Path | None] = {}
    for path in directory.rglob("*"):
        if path.suffix.lower() in AUDIO_SUFFIXES:
            for name in {path.stem, path.relative_to(directory).with_suffix("").as_posix()}:
                found[name] = None if name in found else path
    return found


def _metadata(directory: Path) -> dict[str, dict[str, str]]:
    known: dict[str, dict[str, str]] = {}
    for file in sorted(directory.glob("meta*.csv")):
        column = csv_parts(csv_header(file), file, ("utt",))["utt"]
        known |= {utterance(row[column]): row for _, row in csv_rows(file)}
    copies = directory / "vocoded.csv"
    if copies.is_file():
        known |= {row["utt"]: known.get(row["source_utt"], {}) for _, row in csv_rows(copies)}
    return known


def _clips(protocol: Path, side: str, audio: dict, known: dict, directory: Path) -> Iterator[Clip]:
    trials = read_protocol(protocol, subset=side)
    for utt, spoof, speaker, system in zip(
        trials.utts, trials.is_spoof, trials.speakers, trials.attacks, strict=True
    ):
        if audio.get(utt) is None:
            found = (
                "more than one audio file of that name" if utt in audio else "no such audio file"
            )
            raise ConfigError(
                f"{protocol} names {utt}, but there is {found} below {directory}; "
                f"a CSV list can give the path from {directory}"
            )
        row = known.get(utt, {})
        source = row.get("source_repo") or directory.name
        if spoof and system == UNKNOWN:
            system = (
                # this source's clips resemble each other, and none of them is bona fide
                f"unknown, {source}"
            )
        yield Clip(
            utt=utt,
            path=audio[utt],
            label="spoof" if spoof else "bonafide",
            system=system,
            speaker=speaker if speaker != UNKNOWN else row.get("speaker") or UNKNOWN,
            source=source,
            licence=row.get("licence") or "unstated",
            language=row.get("lang") or UNKNOWN,
        )


def group_weights(clips: list[Clip]) -> np.ndarray:
    """Sampling weight of each clip within its label, float64 (clips,): a group of n clips weighs
    sqrt(n).
    """
    sizes = Counter(c.group for c in clips)
    return np.array([sizes[c.group] ** -0.5 for c in clips])


class _Decoded:
    """The clips of one audio folder: samples and speech probabilities, concatenated, and where each
    clip begins.
    """

    def __init__(self, clips: list[Clip], cache: Path, jobs: int) -> None:
        names = "\n".join(f"{c.path} {c.path.stat().st_size}" for c in clips)
        digest = hashlib.sha256(names.encode()).hexdigest()[:16]
        folder, self._kept = cache / "samples" / digest, cache / "speech" / f"{digest}.npy"
        if not (folder / "bounds.npy").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            _decode(clips, folder, jobs)
        self.bounds = np.load(folder / "bounds.npy").tolist()
        self.samples = np.load(folder / "samples.npy", mmap_mode="r")
        self.unreadable = (folder / "unreadable.txt").read_text().splitlines()

    @cached_property
    def speech(self) -> np.ndarray:
        if not self._kept.is_file():
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            part = self._kept.with_suffix(".part.npy")
            np.save(part, _speech(self.samples, self.bounds))
            part.replace(self._kept)
        return np.load(self._kept, mmap_mode="r")


class DecodedClips:
    """Clips as 16-bit mono 16 kHz with their speech probabilities, stored on disk and
    memory-mapped.
    """

    def __init__(
        self,
        clips: list[Clip],
        cache: Path,
        jobs: int = 2,
        emphasis: Mapping[str, float] | None = None,
        listened: bool = True,
    ) -> None:
        """Decode what the directory `cache` lacks; files that cannot be read are skipped, see
        `unreadable`.

        `emphasis` has factors by source for `sampling_weights`. If `listened` is False, speech
        probabilities are computed on first use of `speech`.
        """
        self._emphasis = emphasis or {}
        folders: dict[Path, list[Clip]] = {}
        for clip in clips:
            folders.setdefault(clip.path.parent, []).append(clip)
        self.clips: list[Clip] = []
        self.unreadable: list[str] = []
        self._at: list[tuple[_Decoded, int, int]] = []
        for together in folders.values():
            decoded = _Decoded(together, cache, jobs)
            self.unreadable += decoded.unreadable
            if listened:
                decoded.speech  # noqa: B018, computed here and not by every process that is forked later
            for clip, begin, end in zip(together, decoded.bounds, decoded.bounds[1:], strict=False):
                if end > begin:
                    self.clips.append(clip)
                    self._at.append((decoded, begin, end))

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def hours(self) -> float:
        """Total duration in hours."""
        return sum(end - begin for _, begin, end in self._at) / SAMPLE_RATE_HZ / 3600

    def samples(self, index: int) -> np.ndarray:
        """Samples of a clip, float32 (n,), full scale +-1, n a multiple of BLOCK_SAMPLES."""
        decoded, begin, end = self._at[index]
        return decoded.samples[begin:end].astype(np.float32) / 32768

    def speech(self, index: int) -> np.ndarray:
        """Speech probability of each 32 ms, float32 (n / BLOCK_SAMPLES,)."""
        decoded, begin, end = self._at[index]
        return (
            decoded.speech[begin // BLOCK_SAMPLES : end // BLOCK_SAMPLES].astype(np.float32) / 255
        )

    def sampling_weights(self) -> np.ndarray:
        """Sampling probability of each clip, summing to 1.

        Both labels have equal weight. Within a label a group of n clips weighs sqrt(n), so that
        neither a large source nor a single clip dominates. Source weights multiply the result.
        """
        weights = group_weights(self.clips) * [
            self._emphasis.get(c.source, 1.0) for c in self.clips
        ]
        spoof = np.array([c.label == "spoof" for c in self.clips])
        for side in (spoof, ~spoof):
            if not side.any():
                raise ConfigError(
                    "the corpus has clips of one label only; training needs bona fide and spoof"
                )
            weights[side] *= 0.5 / weights[side].sum()
        return weights


def _read(path: Path) -> np.ndarray | str:
    try:
        samples = load_speech(path)
    except AudioError as error:
        return str(error)
    whole = samples[: len(samples) // BLOCK_SAMPLES * BLOCK_SAMPLES]
    return (np.clip(whole, -1, 32767 / 32768) * 32768).astype(np.int16)


def _decode(clips: list[Clip], folder: Path, jobs: int) -> None:
    with ProcessPoolExecutor(jobs) as pool:
        decoded = list(pool.map(_read, [c.path for c in clips], chunksize=32))
    unreadable = [
        f"{c.path}: {d}" for c, d in zip(clips, decoded, strict=True) if isinstance(d, str)
    ]
    audio = [np.zeros(0, np.int16) if isinstance(d, str) else d for d in decoded]
    bounds = np.concatenate([[0], np.cumsum([len(a) for a in audio])])
    np.save(folder / "samples.npy", np.concatenate(audio))
    (folder / "unreadable.txt").write_text("".join(f"{line}\n" for line in unreadable))
    np.save(folder / "bounds.npy", bounds)


def _speech(samples: np.ndarray, bounds: list[int]) -> np.ndarray:
    """Speech probabilities of all clips, uint8, computed in batches of similar length."""
    network = SpeechNetwork()
    out = np.zeros(bounds[-1] // BLOCK_SAMPLES, np.uint8)
    lengths = np.diff(bounds)
    order = np.argsort(lengths, kind="stable").tolist()
    for begin in range(0, len(order), _BATCH):
        batch = order[begin : begin + _BATCH]
        padded = np.zeros((len(batch), lengths[batch[-1]]), np.float32)
        for row, i in zip(padded, batch, strict=True):
            row[: lengths[i]] = samples[bounds[i] : bounds[i + 1]] / np.float32(32768)
        probability = network.probability(SpeechState.batch(len(batch)), padded)
        for row, i in zip(probability, batch, strict=True):
            first, last = bounds[i] // BLOCK_SAMPLES, bounds[i + 1] // BLOCK_SAMPLES
            out[first:last] = np.round(row[: last - first] * 255)
    return out
