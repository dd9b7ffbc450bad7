"""A corpus of a few dozen clips, so that the notebook runs without any: the speech engines of this
machine, and recordings of people.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

import train
from radd.errors import ConfigError
from radd.files import load_speech
from radd.types import SAMPLE_RATE_HZ

# Debian's package pocketsphinx-testdata: a reader of LibriVox and one who names playing cards
PEOPLE = Path("/usr/share/pocketsphinx/test/data")
SETS = ("train", "dev", "eval")
SHARES = (0.5, 0.75, 1.0)  # of the clips of each label, up to the end of each set
PIECE_S = 3
SOURCES = 4  # tuning holds back sources in turn, so a corpus needs some


def make_corpus(directory: Path, people: Path = PEOPLE, fakes: int = 24) -> None:
    """Write a corpus to `directory`: protocol.SET.txt, meta.csv, and audio as FLAC.

    `people` is a folder with WAV or FLAC recordings of people; they are cut into pieces of three
    seconds, and each counts as a speaker of its own. `fakes` sentences are spoken by the engines.
    Raises ConfigError if either is missing.
    """
    recordings = sorted(path for path in people.rglob("*") if path.suffix in {".wav", ".flac"})
    if not recordings:
        raise ConfigError(
            f"no recordings of people in {people}: apt-get install pocketsphinx-testdata, or name "
            "a folder of yours"
        )
    generate = ["generate", "engines", "--out", str(directory), "--clips", str(fakes)]
    if train.main(generate) != 0:
        raise ConfigError("no speech engine: apt-get install espeak-ng flite")
    spoof = (directory / "protocol.train.txt").read_text(encoding="utf-8").splitlines()
    labels = _cut(directory, recordings), spoof
    for name, begin, end in zip(SETS, (0.0, *SHARES), SHARES, strict=False):
        some = [line for lines in labels for line in _share(lines, begin, end)]
        (directory / f"protocol.{name}.txt").write_text("\n".join(some) + "\n", encoding="utf-8")
    rows = [row for lines in labels for row in _sources(lines)]
    meta = "\n".join(["utt,source_repo", *rows, ""])
    (directory / "meta.csv").write_text(meta, encoding="utf-8")


def _cut(directory: Path, recordings: list[Path]) -> list[str]:
    """Write the recordings in pieces; returns their lines of the protocol."""
    lines = []
    for k, path in enumerate(recordings):
        samples = load_speech(path)
        pieces = max(1, round(len(samples) / (PIECE_S * SAMPLE_RATE_HZ)))
        for i, piece in enumerate(np.array_split(samples, pieces)):
            name = f"real{k}-{i}"
            soundfile.write(directory / f"{name}.flac", piece, SAMPLE_RATE_HZ)
            lines.append(f"reader{k} {name} - - bonafide")
    return lines


def _share(lines: list[str], begin: float, end: float) -> list[str]:
    return lines[round(begin * len(lines)) : round(end * len(lines))]


def _sources(lines: list[str]) -> list[str]:
    """Rows of meta.csv; clips of one speaker have one source."""
    speakers = list(dict.fromkeys(line.split()[0] for line in lines))
    return [
        f"{utterance},set{speakers.index(speaker) % SOURCES}"
        for speaker, utterance, *_ in map(str.split, lines)
    ]
