"""Trial lists (protocols): trials, speakers and keys, read from every common format."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from radd.errors import ProtocolError

FORMATS = ("auto", "asvspoof2019", "asvspoof2021", "asvspoof5", "in-the-wild", "csv")
AUDIO_SUFFIXES = (
    *(".flac", ".wav", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".amr", ".webm", ".mp4", ".aiff"),
    *(".aif", ".aifc", ".oga", ".mka", ".mkv", ".mov", ".3gp", ".caf", ".wma", ".au", ".w64"),
)
BONAFIDE = {"bonafide", "bona-fide", "bona_fide", "bona fide", "real", "genuine", "human"}
SPOOF = {"spoof", "spoofed", "fake", "deepfake", "synthetic"}
UNKNOWN = "-"
ALL = "all"

COLUMN_NAMES = {
    "utt": ("utt", "utterance", "file", "filename", "path", "id"),
    "key": ("key", "label"),
    "speaker": ("speaker", "speaker_id", "spk"),
    "attack": ("attack", "system", "attack_label"),
    "subset": ("subset", "split"),
    "score": ("score", "cm_score", "cm-score", "llr"),
}


@dataclass(frozen=True, slots=True)
class Trials:
    """The trials of a protocol; each column has one entry per trial."""

    format: str
    """one of FORMATS, never auto"""
    utts: list[str]
    """names without an audio suffix, unique"""
    is_spoof: np.ndarray
    """bool (n,)"""
    speakers: list[str]
    """"-" where unknown"""
    attacks: list[str]
    """"-" for bona fide"""
    conditions: dict[str, list[str]] = field(default_factory=dict)
    """further columns, such as codec, by name"""

    def __len__(self) -> int:
        return len(self.utts)

    @property
    def edition(self) -> int | None:
        """The year of the ASVspoof challenge whose t-DCF applies to these trials; None if there is
        none.
        """
        return {"asvspoof2019": 2019, "asvspoof2021": 2021}.get(self.format)

    def select(self, chosen: np.ndarray) -> Trials:
        """The trials at these indices, int (m,), in their order."""

        def pick(column):
            return [column[i] for i in chosen]

        return Trials(
            self.format,
            pick(self.utts),
            self.is_spoof[chosen],
            pick(self.speakers),
            pick(self.attacks),
            {name: pick(column) for name, column in self.conditions.items()},
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """Column numbers, from 0, of a format without a header."""

    format: str
    columns: int
    key: int
    attack: int | None
    subset: int | None
    conditions: dict[str, int]


LAYOUTS = (
    Layout("asvspoof2019", 5, 4, 3, None, {"environment": 2}),
    Layout("asvspoof2021", 8, 5, 4, 7, {"codec": 2, "transmission": 3, "trim": 6}),
    Layout("asvspoof2021", 13, 5, 4, 7, {"codec": 2, "source": 3, "trim": 6, "vocoder": 8}),
    Layout("asvspoof5", 10, 8, 7, None, {"gender": 2, "codec": 3, "codec_quality": 4}),
    Layout("asvspoof5", 6, 5, 4, None, {"gender": 2}),
    Layout("in-the-wild", 6, 5, None, None, {}),
)


def utterance(name: str) -> str:
    """The name of a trial without an audio suffix, so that keys and scores match."""
    return (
        str(PurePosixPath(name).with_suffix("")) if name.lower().endswith(AUDIO_SUFFIXES) else name
    )


def is_spoof(key: str, place: str) -> bool:
    """True for any usual spelling of spoof, False for bona fide. Raises ProtocolError for anything
    else.
    """
    word = key.strip().lower()
    if word in SPOOF or word in BONAFIDE:
        return word in SPOOF
    raise ProtocolError(
        f"{place}: key {key!r}, expected bonafide or spoof (also real/fake); is this the right "
        "column?"
    )


def read_protocol(path: Path, format: str = "auto", subset: str = "eval") -> Trials:
    """Read the trials of a protocol file.

    `format` is one of FORMATS; auto detects it from the first line. `subset` selects rows of files
    with subsets (ASVspoof 2021: progress, eval, hidden; a CSV column subset or split); all selects
    every row. Raises ProtocolError for an unreadable file, another layout, unknown keys and
    duplicate trials.
    """
    path = Path(path)
    first = next(lines(path), None)
    if first is None:
        raise ProtocolError(f"{path} is empty: expected one trial per line")
    if format not in FORMATS:
        raise ProtocolError(f"unknown format {format}; known are {', '.join(FORMATS)}")
    has_header = "," in first[1]
    if format == "csv" or has_header and format in ("auto", "in-the-wild"):
        trials = _read_csv(path, "in-the-wild" if format == "in-the-wild" else "csv", subset)
    else:
        trials = _read_columns(path, _layout(path, first[1].split(), format), subset)
    if not len(trials):
        raise ProtocolError(
            f"{path}: no trial of the subset {subset}; choose another with --subset"
        )
    refuse_doubles(trials.utts, path)
    return trials


def refuse_doubles(utts: list[str], path: Path) -> None:
    """Raise ProtocolError if a trial is named twice."""
    if len(set(utts)) == len(utts):
        return
    doubled = [utt for utt, count in Counter(utts).items() if count > 1]
    raise ProtocolError(
        f"{path}: {len(doubled)} trials appear more than once ({', '.join(doubled[:3])} ...); "
        "keep one line for each"
    )


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank. Raises ProtocolError for an unreadable
    file.
    """
    try:
        with open(path, encoding=_encoding(path)) as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise ProtocolError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeError:
        raise ProtocolError(
            f"{path} is not text in UTF-8 or UTF-16: expected a protocol or score file"
        ) from None


def _encoding(path: Path) -> str:
    """UTF-16 as spreadsheets write it, with or without a byte order mark; else UTF-8."""
    with open(path, "rb") as file:
        head = file.read(4)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if len(head) == 4 and head[1::2] == b"\0\0":
        return "utf-16-le"
    return "utf-16-be" if len(head) == 4 and head[::2] == b"\0\0" else "utf-8-sig"


def plain_number(text: str) -> float:
    """A number as files and people write it; raises ValueError for what only Python takes for one,
    such as 1_000.
    """
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return float(text)


def _layout(path: Path, columns: list[str], format: str) -> Layout:
    fits = [
        layout
        for layout in LAYOUTS
        if layout.columns == len(columns)
        and format in ("auto", layout.format)
        and columns[layout.key].lower() in BONAFIDE | SPOOF
    ]
    if len(fits) > 1:  # six columns: only ASVspoof 5 has a gender
        fits = [
            layout
            for layout in fits
            if (layout.format == "asvspoof5") == (columns[2] in ("F", "M"))
        ]
    if fits:
        return fits[0]
    expected = "a known protocol" if format == "auto" else f"the columns of {format}"
    raise ProtocolError(
        f"{path}: {len(columns)} columns in {' '.join(columns)[:80]!r}, expected {expected}; "
        f"name the format with --format ({', '.join(FORMATS[1:])})"
    )


def _read_columns(path: Path, layout: Layout, subset: str) -> Trials:
    utts, keys, speakers, attacks = [], [], [], []
    conditions: dict[str, list[str]] = {name: [] for name in layout.conditions}
    for number, line in lines(path):
        row = line.split()
        if len(row) != layout.columns:
            raise ProtocolError(
                f"{path}:{number}: {len(row)} columns, expected {layout.columns} as in the first "
                "line"
            )
        if layout.subset is not None and subset not in (ALL, row[layout.subset]):
            continue
        spoof = is_spoof(row[layout.key], f"{path}:{number}")
        utts.append(utterance(row[1]))
        speakers.append(row[0])
        keys.append(spoof)
        attacks.append(row[layout.attack] if spoof and layout.attack is not None else UNKNOWN)
        for name, column in layout.conditions.items():
            conditions[name].append(row[column])
    return Trials(layout.format, utts, np.array(keys, bool), speakers, attacks, telling(conditions))


def telling(conditions: dict[str, list[str]]) -> dict[str, list[str]]:
    """Only the columns whose values differ between trials."""
    return {name: column for name, column in conditions.items() if len(set(column)) > 1}


def csv_header(path: Path) -> list[str]:
    """The column names of a CSV file."""
    try:
        return next(csv.reader(line for _, line in lines(path)))
    except csv.Error as error:
        raise ProtocolError(f"{path}: the first line is no CSV header: {error}") from None


def csv_parts(header: list[str], path: Path, needed: tuple[str, ...]) -> dict[str, str]:
    """Map the parts to columns of a CSV file. Raises ProtocolError if a needed one is missing."""
    parts = {}
    for part, names in COLUMN_NAMES.items():
        matches = [column for name in names for column in header if column.strip().lower() == name]
        if matches:
            parts[part] = matches[0]
        elif part in needed:
            raise ProtocolError(
                f"{path}: no column for {part} in the header {','.join(header)[:120]!r}, "
                f"expected one of {', '.join(names)}"
            )
    return parts


def csv_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and cells of each row of a CSV file with a header. Raises ProtocolError for ragged
    rows.
    """
    rows = csv.DictReader(line for _, line in lines(path))
    for row in _parsed(rows, path):
        if None in row or None in row.values():
            raise ProtocolError(
                f"{path}:{rows.line_num}: expected {len(rows.fieldnames or ())} columns as in the "
                "header"
            )
        yield rows.line_num, row


def _parsed(rows: csv.DictReader[str], path: Path) -> Iterator[dict[str, str]]:
    try:
        yield from rows
    except csv.Error as error:
        raise ProtocolError(f"{path}:{rows.line_num}: no CSV: {error}") from None


def cell(row: dict[str, str], column: str | None) -> str:
    """The text of a cell; "-" if it is empty or the column is missing."""
    return row[column].strip() or UNKNOWN if column else UNKNOWN


def _read_csv(path: Path, format: str, subset: str) -> Trials:
    header = csv_header(path)
    parts = csv_parts(header, path, ("utt", "key"))
    utts, keys, speakers, attacks = [], [], [], []
    conditions: dict[str, list[str]] = {name: [] for name in header if name not in parts.values()}
    for number, row in csv_rows(path):
        if "subset" in parts and subset not in (ALL, row[parts["subset"]].strip()):
            continue
        spoof = is_spoof(row[parts["key"]], f"{path}:{number}")
        utts.append(utterance(row[parts["utt"]].strip()))
        keys.append(spoof)
        speakers.append(cell(row, parts.get("speaker")))
        attacks.append(cell(row, parts.get("attack")) if spoof else UNKNOWN)
        for name, column in conditions.items():
            column.append(cell(row, name))
    return Trials(format, utts, np.array(keys, bool), speakers, attacks, telling(conditions))
