"""Writes generated clips as a corpus that radd.dataset reads; killed runs can be resumed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from radd.errors import AudioError, ConfigError
from radd.flac import flac_bytes
from radd.parallel import Workers
from radd.trials import UNKNOWN

ALONE = Workers(1, lambda make, plans, jobs: map(make, plans))
COLUMNS = (
    "utt",
    "label",
    "system",
    "speaker",
    "source_repo",
    "source_utt",
    "licence",
    "lang",
    "recipe",
)


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """The plan of one clip: everything that determines its bytes, and its metadata."""

    utt: str
    """its name, unique in the corpus"""
    generator: str
    """used in place of the source repository of other corpora"""
    system: str
    speaker: str
    licence: str
    language: str
    recipe: dict = field(default_factory=dict)
    """seed and parameters, of JSON types"""
    source_utt: str = ""
    """the recording it was made from"""
    label: str = "spoof"
    """bonafide only if a person's recording remains one"""

    def row(self) -> list[str]:
        """The clip's row of meta.csv."""
        recipe = json.dumps(self.recipe, sort_keys=True, ensure_ascii=False)
        return [
            self.utt,
            self.label,
            self.system,
            self.speaker,
            self.generator,
            self.source_utt,
            self.licence,
            self.language,
            recipe,
        ]

    def line(self) -> str:
        """A line of ASVspoof 2019: SPEAKER UTT - SYSTEM KEY; a speaker name with spaces is only in
        meta.csv.
        """
        speaker = UNKNOWN if " " in self.speaker else self.speaker
        return f"{speaker} {self.utt} - {self.system} {self.label}\n"


def write_corpus(
    out: Path,
    plans: list[ClipPlan],
    make: Callable[[ClipPlan], np.ndarray],
    workers: Workers = ALONE,
) -> list[str]:
    """Write the clips that `make` returns, float32 (n,) at 16 kHz, as flac/UTT.flac, with meta.csv
    and the protocol.

    Audio above full scale is attenuated. Existing clips are kept. With several workers `make` must
    be picklable. Returns the reason for each skipped clip, one line each: `make` raised
    AudioError. The protocol is written last: a directory without it is incomplete. Raises
    ConfigError if `out` contains another corpus.
    """
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([COLUMNS, *(plan.row() for plan in plans)])
    meta = out / "meta.csv"
    if not meta.is_file() and out.is_dir() and any(out.iterdir()):
        raise ConfigError(
            f"{out} is neither empty nor a generated corpus; name another directory with --out"
        )
    if meta.is_file() and not table.getvalue().startswith(meta.read_text(encoding="utf-8")):
        raise ConfigError(
            f"{out} contains a corpus of other clips; pass its seed and at least as many --clips, "
            "or "
            "another --out"
        )
    (out / "flac").mkdir(parents=True, exist_ok=True)
    _put(meta, table.getvalue().encode())
    one = partial(_write, out / "flac", make)
    problems = list(workers.in_order(one, plans, workers.count))
    made = [plan for plan, problem in zip(plans, problems, strict=True) if problem is None]
    _put(out / "protocol.train.txt", "".join(plan.line() for plan in made).encode())
    return [problem for problem in problems if problem is not None]


def _write(folder: Path, make: Callable[[ClipPlan], np.ndarray], plan: ClipPlan) -> str | None:
    file = folder / f"{plan.utt}.flac"
    if not file.is_file():
        try:
            made = make(plan)
            _put(
                file, flac_bytes(made / max(1.0, np.abs(made).max()))
            )  # clipping would reveal the clip
        except AudioError as error:
            return f"{plan.utt}: {error}"
    return None


def _put(file: Path, data: bytes) -> None:
    """Write a file completely or not at all."""
    part = file.with_name(file.name + ".part")
    part.write_bytes(data)
    part.replace(file)
