"""Selects trials and adds metadata to them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from radd.errors import ProtocolError
from radd.trials import (
    ALL,
    COLUMN_NAMES,
    UNKNOWN,
    Trials,
    cell,
    csv_header,
    csv_parts,
    csv_rows,
    read_protocol,
    utterance,
)

SHOWN = 12  # names that an error lists


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that a trial must meet."""

    where: tuple[str, ...] = ()
    """COLUMN=VALUE or COLUMN!=VALUE, all of which must hold; speaker and attack are columns too"""
    unseen: tuple[Path, ...] = ()
    """protocols; spoof trials of the systems that they name, and of unknown systems, are
    excluded
    """

    def chosen(self, trials: Trials) -> np.ndarray:
        """Indices of the selected trials, int (m,).

        Raises ProtocolError for a column or value that no trial has, so that a typo does not look
        like a result.
        """
        keep = np.ones(len(trials), bool)
        for text in self.where:
            keep &= _holds(text, trials)
        if self.unseen:
            protocols = [read_protocol(path, subset=ALL) for path in self.unseen]
            named = {
                UNKNOWN,
                *(attack.casefold() for protocol in protocols for attack in protocol.attacks),
            }
            keep &= ~trials.is_spoof | np.array(
                [attack.casefold() not in named for attack in trials.attacks], bool
            )
        if not keep.any():
            raise ProtocolError(
                f"--where and --unseen exclude all {len(trials)} trials; use fewer conditions"
            )
        return np.flatnonzero(keep)

    def record(self) -> dict[str, list[str]]:
        """The selection for the record of a run; empty if every trial counts."""
        parts = {"where": list(self.where), "unseen_in": [path.name for path in self.unseen]}
        return {key: values for key, values in parts.items() if values}


def _holds(text: str, trials: Trials) -> np.ndarray:
    columns = {**trials.conditions, "speaker": trials.speakers, "attack": trials.attacks}
    parts = re.fullmatch(r"([^!=]+)(!?=)(.+)", text)
    if parts is None:
        raise ProtocolError(f"--where {text}: expected COLUMN=VALUE or COLUMN!=VALUE")
    name, sign, value = parts.groups()
    name = _part(name) if name not in columns else name
    if name not in columns:
        raise ProtocolError(
            f"--where {text}: no column {name}; there are {', '.join(columns)}; --meta adds more"
        )
    if value not in columns[name]:
        raise ProtocolError(
            f"--where {text}: no trial has that {name}; {_some(set(columns[name]))}"
        )
    return np.array([entry == value for entry in columns[name]], bool) == (sign == "=")


def _part(name: str) -> str:
    """The column of a protocol that this is another name of, such as attack for system."""
    return next((part for part in ("speaker", "attack") if name in COLUMN_NAMES[part]), name)


def _some(names: set[str]) -> str:
    shown = sorted(names)[:SHOWN]
    return f"there are {', '.join(shown)}" + (
        f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    )


def described(trials: Trials, meta: Path) -> Trials:
    """Trials with the columns of a CSV file that has one row a trial, "-" where it has none, as
    conditions.

    The columns key, speaker and attack of a protocol count and not those of the file. Raises
    ProtocolError for a file without a column utt (or file), and for one that knows no trial.
    """
    header = csv_header(meta)
    parts = csv_parts(header, meta, ("utt",))
    rows = {utterance(row[parts["utt"]].strip()): row for _, row in csv_rows(meta)}
    if rows.keys().isdisjoint(trials.utts):
        raise ProtocolError(
            f"{meta} has none of {len(trials)} trials such as {trials.utts[0]}; pass their metadata"
        )
    columns = {
        name: [cell(rows[utt], name) if utt in rows else UNKNOWN for utt in trials.utts]
        for name in header
        if name not in ("speaker", "attack", *(parts.get(part) for part in ("utt", "key", "score")))
    }
    return replace(trials, conditions=trials.conditions | columns)
