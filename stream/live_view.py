"""The live view for a terminal of at least 80 x 24. The only file that imports rich.

A separate thread draws it a few times a second, so that the audio path only records events.
"""

from __future__ import annotations

import math
import sys
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TextIO, cast

from rich.align import Align
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from radd.errors import silence_broken_pipe
from radd.terminal import drawing, printable
from radd.types import SAMPLE_RATE_HZ, Alert, AlertState, Drift, Event, Score, Verdict, seconds
from stream.event_text import Labels, Pace, clock_time, describe_drift, describe_end
from stream.lines import GONE
from stream.run_events import Notice, Started, Stopped
from stream.totals import Totals

REDRAWS_PER_S = 8  # once per hop; more would change nothing
CHART_COLUMNS, CHART_ROWS = 60, 4
CHART_MARGIN = 12  # columns for the scale and the frame
STREAM_ROWS = 12
BLOCKS = " ▁▂▃▄▅▆▇█"
FLOOR_DBFS = -60.0  # lower end of the level meter
WORDS = {
    Verdict.BONAFIDE: ("sounds like a person", "bold green"),
    Verdict.SUSPECT: ("might be synthetic", "bold yellow"),
    Verdict.SPOOF: ("SYNTHETIC VOICE", "bold white on red"),
    Verdict.OWN_VOICE: ("a voice of this site itself", "cyan"),
    Verdict.NO_SPEECH: ("nobody is speaking", "bright_black"),
    Verdict.TOO_NOISY: ("too noisy to score", "bright_black"),
    Verdict.GAP: ("sound was lost", "magenta"),
    Verdict.WARMING_UP: ("warming up, more speech is needed", "cyan"),
    Verdict.SHED: ("this machine is too busy", "magenta"),
}
LABEL_STYLES = {"bonafide": "green", "spoof": "red"}
NONE = Text("none", "dim")


class Seen:
    """What is drawn for one stream."""

    def __init__(self, started: Started):
        self.started, self.pace = started, Pace(started.length_samples)
        self.score: Score | None = None
        self.minute: deque[tuple[int, float | None]] = deque(maxlen=CHART_COLUMNS)
        self.totals = Totals()
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


class Screen:
    """A terminal that may be closed while it is drawn on; from then on nothing is written."""

    def __init__(self, out: TextIO):
        self._out, self.gone = out, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)

    def write(self, text: str) -> int:
        self._unless_gone(lambda: self._out.write(text))
        return len(text)

    def flush(self) -> None:
        self._unless_gone(self._out.flush)

    def _unless_gone(self, work: Callable[[], object]) -> None:
        if self.gone:
            return
        try:
            work()
        except OSError as error:
            if error.errno not in GONE:
                raise
            self.gone = True
            silence_broken_pipe(self._out)


class LiveView:
    """A display that draws events; `counts` returns the drops, overruns and queue of a stream's
    source.

    One stream uses the whole picture, several have a line each. Text after the end of the run is
    printed below the last picture.
    """

    def __init__(
        self, counts: Callable[[str | None], dict[str, int]], console: Console | None = None
    ):
        self.screen = Screen(drawing(sys.stdout))
        self.console = console or Console(file=cast(TextIO, self.screen))
        self.counts = counts
        self.seen: dict[str | None, Seen] = {}
        self.labels = Labels()
        self.alerts: deque[tuple[str | None, Alert]] = deque(maxlen=4)
        self.latencies_ms: deque[float] = deque(maxlen=100)
        self.live = Live(
            get_renderable=self.draw, console=self.console, refresh_per_second=REDRAWS_PER_S
        )

    @property
    def closed(self) -> bool:
        return self.screen.gone

    def __enter__(self) -> LiveView:
        return self

    def __exit__(self, *exc) -> None:
        self.live.stop()

    def write(self, event: Event | Notice, stream: str | None = None) -> None:
        """Record an event for the next picture."""
        if isinstance(event, Started):
            event = replace(event, source=printable(event.source), bundle=printable(event.bundle))
            self.labels.add(stream, event.source)
            self.seen[stream] = Seen(event)
            self.live.start()
        seen = self.seen.get(stream)
        if seen is not None:
            seen.totals.write(event)
        match event:
            case Score() if seen is not None:
                seen.note(event)
                if event.latency_ms is not None:
                    self.latencies_ms.append(event.latency_ms)
            case Alert():
                open_before = [alert.id for _, alert in self.alerts]
                if event.id in open_before:
                    self.alerts[open_before.index(event.id)] = stream, event
                else:
                    self.alerts.append((stream, event))
            case Drift():
                named = f"{self.labels[stream]}: " if len(self.seen) > 1 else ""
                self.console.print(Text(printable(named + describe_drift(event)), "yellow"))
            case Stopped():
                self._stop(event, stream)

    def _stop(self, stopped: Stopped, stream: str | None) -> None:
        if stream in self.seen:
            self.seen[stream].stopped = True
        if all(seen.stopped for seen in self.seen.values()):
            self.live.stop()
        named = f"{self.labels[stream]}: " if len(self.seen) > 1 else ""
        self.console.print(Text(named + describe_end(stopped), "dim"))
        self._forget()

    def _forget(self) -> None:
        """Calls come and go: draw the latest that have ended, and keep nothing of the others."""
        over = [s for s, seen in self.seen.items() if seen.stopped and seen.started.call]
        for stream in over[: max(0, len(over) - STREAM_ROWS)]:
            self.labels.forget(stream, self.seen.pop(stream).started.source)

    def draw(self) -> RenderableType:
        """The current picture."""
        if not self.seen:
            return Text("")
        if len(self.seen) > 1:
            return Group(self._many_header(), self._streams(), self._alerts(), self._footer())
        [seen] = self.seen.values()
        below = Table.grid(expand=True)
        below.add_column(ratio=5)
        below.add_column(ratio=4)
        below.add_row(_neighbours(seen), self._alerts())
        return Group(_header(seen), _voice(seen), Chart(seen), below, self._footer())

    def _many_header(self) -> RenderableType:
        seen = list(self.seen.values())
        going_on = sum(not one.stopped for one in seen)
        end = max(one.score.end if one.score else 0 for one in seen)
        text = Text.assemble(
            ("RADD ", "bold"),
            f"{going_on} of {len(seen)} sources",
            (f"  {seen[0].started.bundle}", "dim"),
        )
        line = Table.grid(expand=True)
        line.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        line.add_column(justify="right", no_wrap=True)
        line.add_row(text, " " + clock_time(seconds(end)))
        return line

    def _streams(self) -> RenderableType:
        """One line per stream, those with an open alert first."""
        opened = {stream for stream, alert in self.alerts if alert.state is AlertState.OPEN}
        seen = dict(self.seen)  # calls come and go meanwhile
        order = sorted(seen, key=lambda stream: (stream not in opened, seen[stream].stopped))
        shown = order if len(order) <= STREAM_ROWS else order[: STREAM_ROWS - 1]
        rows = Table.grid(padding=(0, 1), expand=True)
        rows.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for _ in range(3):
            rows.add_column(no_wrap=True)
        for stream in shown:
            rows.add_row(self.labels[stream], *_in_brief(seen[stream]))
        if len(order) > len(shown):
            rows.add_row(Text(f"and {len(order) - len(shown)} more", "dim"))
        return Panel(rows, title="streams", title_align="left")

    def _alerts(self) -> RenderableType:
        rows = Table.grid(padding=(0, 1), expand=True)
        for stream, alert in list(self.alerts):
            style = "bold red" if alert.state is AlertState.OPEN else ""
            end = alert.end
            if alert.state is AlertState.OPEN and (score := self.seen[stream].score):
                end = max(end, score.end)  # it has gone on since it was told
            span = f"{clock_time(seconds(alert.began))} for {seconds(end - alert.began):.0f} s"
            named = f"  {self.labels[stream]}" if len(self.seen) > 1 else ""
            rows.add_row(
                Text(
                    f"{span}  {alert.peak_p_spoof:.0%}  {alert.state.value}{named}",
                    style,
                    no_wrap=True,
                )
            )
        return Panel(rows if rows.row_count else NONE, title="alerts", title_align="left", height=6)

    def _footer(self) -> RenderableType:
        counts: Counter[str] = Counter()
        for stream, seen in list(self.seen.items()):
            totals = seen.totals
            counts.update(
                self.counts(stream)
                | {
                    "lost": totals.losses.lost_samples,
                    "gaps": totals.losses.gaps,
                    "shed": totals.shed,
                }
            )
        latencies_ms = sorted(self.latencies_ms)
        latency = (
            f"latency {latencies_ms[len(latencies_ms) // 2]:.0f} ms · " if latencies_ms else ""
        )
        shed = f" · shed {counts['shed']}" if counts["shed"] else ""
        return Text(
            f" {latency}lost {seconds(counts['lost']):.1f} s in {counts['gaps']} gaps · "
            f"drops {counts['drops']} · overruns {counts['overruns']} · queue "
            f"{counts['queue_depth']}{shed}",
            "dim",
            no_wrap=True,
            overflow="ellipsis",
        )


def _header(seen: Seen) -> RenderableType:
    line = Table.grid(expand=True)
    line.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    line.add_column(justify="right", no_wrap=True)
    end = seen.score.end if seen.score else 0
    title = Text.assemble(
        ("RADD ", "bold"),
        seen.started.source,
        (f"  {seen.started.native_rate_hz} Hz · {seen.started.bundle}", "dim"),
    )
    known_end = seen.started.length_samples is not None
    line.add_row(title, " " + (seen.pace.describe(end) if known_end else clock_time(seconds(end))))
    return line


def _voice(seen: Seen) -> RenderableType:
    score = seen.score
    words, style = WORDS[score.verdict if score else Verdict.WARMING_UP]
    found = ""
    if score and score.llr is not None and score.p_spoof is not None:
        found = (
            f"{score.p_spoof:.0%} synthetic · LLR {score.llr:+.1f} · {score.speech_s:.1f} s of "
            "speech"
        )
    elif score:
        found = score.reason or ""
    rows = Table.grid(padding=(0, 1), expand=True)
    rows.add_column(width=8)
    rows.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    rows.add_row("level", _meter(score.level_dbfs if score else FLOOR_DBFS))
    rows.add_row("voice", Text(f" {words} ", style))
    rows.add_row("", Text(found, "dim"))
    return Panel(rows, title="now", title_align="left")


class Chart:
    """The latest seconds of a stream; a narrow terminal shows fewer of them."""

    def __init__(self, seen: Seen):
        self.columns = dict(seen.minute)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = max(1, min(CHART_COLUMNS, options.max_width - CHART_MARGIN))
        last = max(self.columns, default=-1)
        shown = [self.columns.get(column) for column in range(last - room + 1, last + 1)]
        rows = Table.grid(padding=(0, 1))
        for row in reversed(range(CHART_ROWS)):
            scale = {CHART_ROWS - 1: "100 %", 0: "0 %"}.get(row, "")
            cells = Text.assemble(*(_cell(p, row) for p in shown))
            rows.add_row(Align.right(Text(scale, "dim"), width=6), cells)
        yield Panel(rows, title="probability of a synthetic voice, last minute", title_align="left")


def _neighbours(seen: Seen) -> RenderableType:
    rows = Table.grid(padding=(0, 1), expand=True)
    rows.add_column(justify="right", no_wrap=True)
    rows.add_column(no_wrap=True)
    rows.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for neighbour in (seen.score.neighbours if seen.score else ())[:4]:
        name = neighbour.id if neighbour.system == "-" else f"{neighbour.system} {neighbour.id}"
        name = printable(name)
        label = Text(neighbour.label, LABEL_STYLES.get(neighbour.label, ""))
        rows.add_row(f"{neighbour.similarity:.2f}", label, Text(name))
    return Panel(
        rows if rows.row_count else NONE, title="nearest references", title_align="left", height=6
    )


def _in_brief(seen: Seen) -> tuple[Text, Text, Text]:
    """Latest probability, voice in words, and what was lost or shed."""
    score = seen.score
    words, style = (
        ("ended", "dim") if seen.stopped else WORDS[score.verdict if score else Verdict.WARMING_UP]
    )
    found = f"{score.p_spoof:4.0%}" if score and score.p_spoof is not None else "   ·"
    counts = (
        (f"lost {seconds(seen.totals.losses.lost_samples):.1f} s", seen.totals.losses.lost_samples),
        (f"shed {seen.totals.shed}", seen.totals.shed),
        (f"alerts {seen.totals.alerts}", seen.totals.alerts),
    )
    return (
        Text(found),
        Text(words, style),
        Text(" ".join(text for text, count in counts if count), "dim"),
    )


def _meter(level_dbfs: float, width: int = 48) -> Text:
    share = min(max(1 - level_dbfs / FLOOR_DBFS, 0.0), 1.0)
    lit = round(share * width)
    style = "red" if level_dbfs > -1 else "yellow" if level_dbfs > -6 else "green"
    return Text.assemble(
        ("█" * lit, style), ("░" * (width - lit), "bright_black"), f" {level_dbfs:4.0f} dBFS"
    )


def _cell(p_spoof: float | None, row: int) -> tuple[str, str]:
    """One character of the chart; a grey dot if nothing was measured, never an empty bar."""
    if p_spoof is None:
        return ("·" if row == 0 else " ", "bright_black")
    eighths = max(math.ceil(p_spoof * CHART_ROWS * 8), 1) - row * 8
    style = "red" if p_spoof >= 0.5 else "yellow" if p_spoof >= 0.2 else "green"
    return (BLOCKS[min(max(eighths, 0), 8)], style)
