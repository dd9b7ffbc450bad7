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
from radd.types import Alert, AlertState, Drift, Event, Score, seconds
from radd.wording import VERDICTS
from stream.event_text import Labels, clock_time, describe_drift, describe_end
from stream.lines import GONE
from stream.live_rows import (
    BLOCKS,
    CHART_COLUMNS,
    SHORTEST_NAME,
    STYLES,
    Seen,
    fitting,
    joined,
    others_width,
    row_of,
    shortened,
)
from stream.run_events import Notice, Result, Started, Stopped

REDRAWS_PER_S = 8  # once per hop; more would change nothing
CHART_ROWS = 4
CHART_MARGIN = 12  # columns for the scale and the frame
STREAM_ROWS = 12  # at least; a tall terminal has more
OTHER_ROWS = 11  # lines of the picture of many streams besides their rows
FLOOR_DBFS = -60.0  # lower end of the level meter
NARROW = 60  # columns; below, the view has one column and no labels
LABEL_STYLES = {"bonafide": "green", "spoof": "red"}
NONE = Text("none", "dim")


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
        self.live = self._picture()

    def _picture(self) -> Live:
        return Live(
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
            self._start(event, stream)
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
            case Result() if seen is not None:
                seen.result = event
            case Stopped():
                self._stop(event, stream)

    def _start(self, started: Started, stream: str | None) -> None:
        if self.seen and not self.live.is_started:  # the next recordings get a picture of their own
            self.seen.clear()
            self.live = self._picture()
        named = replace(started, source=printable(started.source), bundle=printable(started.bundle))
        self.labels.add(stream, named.source)
        self.seen[stream] = Seen(named)
        self.live.start()

    def _stop(self, stopped: Stopped, stream: str | None) -> None:
        if stream in self.seen:
            self.seen[stream].stopped = True
        if all(seen.stopped for seen in self.seen.values()):
            self.live.stop()
        named = f"{self.labels[stream]}: " if len(self.seen) > 1 else ""
        counts = stopped.totals
        if not named or stopped.reason != "end" or counts["lost_s"] or counts["shed_hops"]:
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
            return Group(self._many_header(), StreamRows(self), self._alerts(), self._footer())
        [seen] = self.seen.values()
        return Group(
            Header(seen), Voice(seen), Chart(seen), Below(seen, self._alerts()), self._footer()
        )

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
        parts = [
            f"lost {seconds(counts['lost']):.1f} s in {counts['gaps']} gaps",
            f"drops {counts['drops']}",
            f"overruns {counts['overruns']}",
            f"queue {counts['queue_depth']}",
        ]
        if latencies_ms:
            parts.insert(1, f"latency {latencies_ms[len(latencies_ms) // 2]:.0f} ms")
        if counts["shed"]:
            parts.insert(1, f"shed {counts['shed']}")
        return Footer(parts)


class Footer:
    """Counts in one line; a narrow terminal shows fewer of them."""

    def __init__(self, parts: list[str]):
        self.parts = parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = joined(self.parts, options.max_width - 1)
        yield Text(f" {line}", "dim", no_wrap=True, overflow="ellipsis")


class StreamRows:
    """Many streams, one line each: those with an open alert first, ended ones last. A narrow
    terminal shows fewer columns, a short one fewer streams.
    """

    def __init__(self, view: LiveView):
        seen = dict(view.seen)  # calls come and go meanwhile
        opened = {stream for stream, alert in view.alerts if alert.state is AlertState.OPEN}
        order = sorted(seen, key=lambda stream: (stream not in opened, seen[stream].stopped))
        self.rows = [row_of(view.labels[s], seen[s], s in opened) for s in order]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        most = max(STREAM_ROWS, console.height - OTHER_ROWS)
        shown = self.rows if len(self.rows) <= most else self.rows[: most - 1]
        width = options.max_width - 4  # the frame
        columns = fitting(shown, width)
        room = width - others_width(shown, columns)
        table = Table.grid(padding=(0, 1, 0, 0), expand=True)
        for column in columns:
            table.add_column(no_wrap=True, ratio=1 if column == "name" else None)
        for row in shown:
            styles = {"verdict": row.style, "name": "bold red" if row.is_alert else ""}
            cells = row.cells | {"name": shortened(row.cells["name"], max(SHORTEST_NAME, room))}
            table.add_row(*(Text(cells[c], styles.get(c, "dim")) for c in columns))
        if len(self.rows) > len(shown):
            table.add_row(Text(f"and {len(self.rows) - len(shown)} more", "dim"))
        yield Panel(table, title="streams", title_align="left")


class Header:
    """Source and progress of the only stream; a narrow terminal shows them below each other."""

    def __init__(self, seen: Seen):
        self.seen = seen

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        started, width = self.seen.started, options.max_width
        end = self.seen.score.end if self.seen.score else 0
        known_end = started.length_samples is not None
        pace = self.seen.pace.describe(end) if known_end else clock_time(seconds(end))
        room = width - len("RADD ") - (0 if width < NARROW else len(pace) + 1)
        name = shortened(started.source, max(SHORTEST_NAME, room))
        model = f"  {started.native_rate_hz} Hz · {started.bundle}"
        title = Text.assemble(("RADD ", "bold"), name)
        if width < NARROW:
            yield title
            yield Text(pace, "dim")
            return
        if len(name) + len(model) <= room:
            title.append(model, "dim")
        line = Table.grid(expand=True)
        line.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        line.add_column(justify="right", no_wrap=True)
        line.add_row(title, " " + pace)
        yield line


class Voice:
    """Level and verdict of the only stream; a narrow terminal shows them without labels."""

    def __init__(self, seen: Seen):
        self.seen = seen

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        score, verdict = self.seen.score, self.seen.verdict
        found = ""
        if score and score.llr is not None and score.p_spoof is not None:
            parts = [
                f"{score.p_spoof:.0%} synthetic",
                f"LLR {score.llr:+.1f}",
                f"{score.speech_s:.1f} s of speech",
            ]
            found = joined(parts, options.max_width - 14)
        elif score:
            found = score.reason or ""
        is_narrow = options.max_width < NARROW
        meter = _meter(score.level_dbfs if score else FLOOR_DBFS, min(48, options.max_width - 17))
        rows = Table.grid(padding=(0, 1), expand=True)
        if not is_narrow:
            rows.add_column(width=8)
        rows.add_column(ratio=1)
        words = Text(f" {VERDICTS[verdict]} ", STYLES[verdict])
        for label, shown in (("level", meter), ("voice", words), ("", Text(found, "dim"))):
            rows.add_row(*([shown] if is_narrow else [label, shown]))
        yield Panel(rows, title="now", title_align="left")


class Below:
    """Nearest references beside the alerts; a narrow terminal shows the alerts alone."""

    def __init__(self, seen: Seen, alerts: RenderableType):
        self.seen, self.alerts = seen, alerts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width < NARROW:
            yield self.alerts
            return
        below = Table.grid(expand=True)
        below.add_column(ratio=5)
        below.add_column(ratio=4)
        below.add_row(_neighbours(self.seen), self.alerts)
        yield below


class Chart:
    """The latest seconds of a stream; a narrow terminal shows fewer of them."""

    def __init__(self, seen: Seen):
        self.seen = seen

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = max(1, min(CHART_COLUMNS, options.max_width - CHART_MARGIN))
        shown = self.seen.last_seconds(room)
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


def _meter(level_dbfs: float, width: int) -> Text:
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
