"""What the live view shows of each stream, as text; live_view.py draws it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from radd.types import SAMPLE_RATE_HZ, Score, Verdict, seconds
from radd.wording import FINDINGS, VERDICTS, Finding, percent
from stream.event_text import Pace
from stream.run_events import Result, Started
from stream.totals import Totals

CHART_COLUMNS = 60  # seconds
SPARKS = 20  # seconds in a row of one stream
BLOCKS = " ▁▂▃▄▅▆▇█"
STYLES = {
    Verdict.BONAFIDE: "bold green",
    Verdict.SUSPECT: "bold yellow",
    Verdict.SPOOF: "bold white on red",
    Verdict.OWN_VOICE: "cyan",
    Verdict.NO_SPEECH: "bright_black",
    Verdict.TOO_NOISY: "bright_black",
    Verdict.GAP: "magenta",
    Verdict.WARMING_UP: "cyan",
    Verdict.SHED: "magenta",
}
FOUND = {Finding.SPOOF: "red", Finding.PARTLY: "red", Finding.SUSPECT: "yellow"}
COLUMNS = ("name", "verdict", "p", "minute", "level", "counts")
SPARED = ("p", "counts", "minute", "level")
"""columns that a narrow terminal goes without, the most useful first"""
LONGEST_NAME, SHORTEST_NAME = 40, 16


class Seen:
    """What is drawn for one stream."""

    def __init__(self, started: Started):
        self.started, self.pace = started, Pace(started.length_samples)
        self.score: Score | None = None
        self.minute: deque[tuple[int, float | None]] = deque(maxlen=CHART_COLUMNS)
        self.totals = Totals()
        self.result: Result | None = None
        self.stopped = False

    def note(self, score: Score) -> None:
        """Add a score to the chart: one column per second, with the highest probability in it, or
        None if nothing was measured.
        """
        self.score = score
        column = (score.end - 1) // SAMPLE_RATE_HZ
        if self.minute and self.minute[-1][0] == column:
            known = [p for p in (self.minute[-1][1], score.p_spoof) if p is not None]
            self.minute[-1] = (column, max(known, default=None))
        else:
            self.minute.append((column, score.p_spoof))

    def last_seconds(self, count: int) -> list[float | None]:
        """The latest columns of the chart, the newest last."""
        columns = dict(self.minute)
        last = max(columns, default=-1)
        return [columns.get(column) for column in range(last - count + 1, last + 1)]

    @property
    def verdict(self) -> Verdict:
        return self.score.verdict if self.score else Verdict.WARMING_UP


@dataclass(frozen=True, slots=True)
class Row:
    """One stream in a line: the text of each column, and the style of its verdict."""

    cells: dict[str, str]
    style: str
    is_alert: bool


def row_of(name: str, seen: Seen, is_alert: bool) -> Row:
    """The line of one stream."""
    score, totals = seen.score, seen.totals
    if seen.stopped:
        words = FINDINGS[seen.result.finding] if seen.result else "Ended"
        style = FOUND.get(seen.result.finding, "dim") if seen.result else "dim"
        p = seen.result.p_told if seen.result else None
    else:
        words, style = VERDICTS[seen.verdict], STYLES[seen.verdict]
        p = score.p_spoof if score else None
    counts = (
        (f"lost {seconds(totals.losses.lost_samples):.1f} s", totals.losses.lost_samples),
        (f"shed {totals.shed}", totals.shed),
        (f"alerts {totals.alerts}", totals.alerts),
    )
    cells = {
        "name": name,
        "verdict": words,
        "p": "·" if p is None else percent(p),
        "minute": "".join(spark(p) for p in seen.last_seconds(SPARKS)),
        "level": "" if score is None or seen.stopped else f"{score.level_dbfs:.0f} dBFS",
        "counts": " ".join(text for text, count in counts if count),
    }
    return Row(cells, style, is_alert)


def spark(p_spoof: float | None) -> str:
    """One second of a row; a dot if nothing was measured."""
    return "·" if p_spoof is None else BLOCKS[max(1, min(8, round(p_spoof * 8)))]


def fitting(rows: Sequence[Row], width: int) -> list[str]:
    """The columns that fit into `width` beside names of up to LONGEST_NAME."""
    name = min(LONGEST_NAME, max((len(row.cells["name"]) for row in rows), default=0))
    columns = [column for column in COLUMNS if column not in SPARED]
    for spared in SPARED:
        more = [column for column in COLUMNS if column in (*columns, spared)]
        is_used = any(row.cells[spared] for row in rows)
        if is_used and name + others_width(rows, more) <= width:
            columns = more
    return columns


def others_width(rows: Sequence[Row], columns: Sequence[str]) -> int:
    """The width of all columns but the name, with a space before each."""
    return sum(1 + max(len(row.cells[c]) for row in rows) for c in columns if c != "name")


def shortened(name: str, room: int) -> str:
    """A name that is too long without its beginning: paths differ at their ends."""
    return name if len(name) <= room else "…" + name[len(name) - max(1, room - 1) :]


def joined(parts: Sequence[str], width: int) -> str:
    """As many parts as fit into a line, the first ones first; always one."""
    line = parts[0]
    for part in parts[1:]:
        if len(line) + 3 + len(part) > width:
            break
        line += f" · {part}"
    return line
