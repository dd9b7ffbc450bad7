"""The results of the streams of a run, kept for its end, and their text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from radd.terminal import printable
from radd.types import Event, seconds
from radd.wording import FINDINGS, Finding, clock, length, percent
from stream.event_text import describe_finding, describe_parts
from stream.run_events import Display, Notice, Result, Started, Stopped

UNREAD = "Not judged"
COLUMNS = ("verdict", "probability", "length", "parts", "source")
SPARED = ("parts", "probability", "length")
"""columns that a narrow terminal goes without, the most useful first"""
SYNTHETIC = frozenset({Finding.SPOOF, Finding.PARTLY})
SUSPICIOUS = SYNTHETIC | {Finding.SUSPECT}
BROKEN_OFF = {"sigint", "sigterm", "sighup", "output_closed", "stopped"}


@dataclass(frozen=True, slots=True)
class SourceResult:
    """One source and what was found; without a result nothing of it was judged."""

    source: str
    result: Result | None
    problem: str | None = None
    """why some or all of it was not judged"""
    waiting: int = 0
    """events of the run that wait in the spool"""

    @property
    def words(self) -> str:
        return UNREAD if self.result is None else FINDINGS[self.result.finding]


class Results:
    """A display in front of another one, which keeps the result of each source. Calls are not kept:
    they come and go without end.
    """

    def __init__(self, display: Display):
        self._display = display
        self._names: dict[str | None, str] = {}
        self._found: dict[str | None, Result] = {}
        self.entries: list[SourceResult] = []

    @property
    def closed(self) -> bool:
        return self._display.closed

    def __enter__(self) -> Results:
        self._display.__enter__()
        return self

    def __exit__(self, *exc) -> None:
        self._display.__exit__(*exc)

    def write(self, event: Event | Notice, stream: str | None = None) -> None:
        """Pass an event on; keep it if it is a result."""
        self._display.write(event, stream)
        match event:
            case Started(call=None):
                self._names[stream] = printable(event.source)
            case Result() if stream in self._names:
                self._found[stream] = event
            case Stopped() if stream in self._found:
                self._keep(self._names.pop(stream), self._found.pop(stream), event)

    def refused(self, source: str, problem: str) -> None:
        """A source could not be opened."""
        self.entries.append(SourceResult(printable(source), None, printable(problem)))

    def any_of(self, findings: Iterable[Finding]) -> bool:
        """Whether a source has one of these findings."""
        wanted = set(findings)
        return any(entry.result and entry.result.finding in wanted for entry in self.entries)

    def _keep(self, source: str, result: Result, stopped: Stopped) -> None:
        problem = None
        if stopped.reason == "error":
            problem = f"broke off after {clock(seconds(result.end))}"
        elif stopped.reason in BROKEN_OFF:
            problem = f"stopped after {clock(seconds(result.end))}"
        waiting = stopped.totals["storage"].get("spool_entries", 0)
        self.entries.append(SourceResult(source, result, problem, waiting))


def one_result(entry: SourceResult) -> list[str]:
    """The result of the only source, as lines of text."""
    result = entry.result
    if result is None:
        return [f"{entry.source}: {UNREAD}: {entry.problem}"]
    lines = [f"{entry.source}: {describe_finding(result)}"]
    whole = length(seconds(result.end))
    if result.alerts:
        lines.append(f"  A synthetic voice from {describe_parts(result, 5)}, of {whole}.")
    else:
        lines.append(f"  No alert in {whole}: no part was synthetic for long enough.")
    if entry.problem:
        lines.append(f"  It {entry.problem}; the rest was not judged.")
    return lines


def table(entries: Sequence[SourceResult], width: int | None = None) -> list[str]:
    """One line for each source, the most suspicious first, and their numbers.

    A terminal of `width` columns goes without some columns instead of cutting text; None: all of
    them.
    """
    rows = [_cells(entry) for entry in sorted(entries, key=_rank)]
    columns = [name for name in COLUMNS if name not in SPARED]
    for spared in SPARED:
        more = [name for name in COLUMNS if name in (*columns, spared)]
        if width is None or max(map(len, _aligned(rows, more))) <= width:
            columns = more
    return [*_aligned(rows, columns), "", _counted(entries)]


def _rank(entry: SourceResult) -> tuple[int, float, str]:
    if entry.result is None:
        return 2, 0.0, entry.source
    is_synthetic = entry.result.finding in SYNTHETIC
    return 0 if is_synthetic else 1, -(entry.result.p_told or 0.0), entry.source


def _cells(entry: SourceResult) -> dict[str, str]:
    if entry.result is None:
        return dict.fromkeys(COLUMNS, "-") | {"verdict": entry.words, "source": entry.source}
    problem = f" ({entry.problem})" if entry.problem else ""
    return {
        "verdict": entry.words,
        "probability": percent(entry.result.p_told).replace("–", "-"),
        "length": length(seconds(entry.result.end)),
        "parts": describe_parts(entry.result),
        "source": entry.source + problem,
    }


def _aligned(rows: Sequence[dict[str, str]], columns: Sequence[str]) -> list[str]:
    titled = [dict(zip(COLUMNS, COLUMNS, strict=True)), *rows]
    widths = {name: max(len(row[name]) for row in titled) for name in columns}
    return ["  ".join(row[name].ljust(widths[name]) for name in columns).rstrip() for row in titled]


def _counted(entries: Sequence[SourceResult]) -> str:
    counts = Counter(entry.words for entry in entries)
    order = [*FINDINGS.values(), UNREAD]
    told = [f"{counts[word]} {word.lower()}" for word in order if counts[word]]
    return f"{len(entries)} recordings: {', '.join(told)}."
