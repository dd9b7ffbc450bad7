"""One stream of a run."""

from __future__ import annotations

from collections.abc import Sequence

from radd.types import Source
from stream.fanout import EventWriter
from stream.monitor import Monitor
from stream.pause import Pauses
from stream.tap import Tap
from stream.totals import Totals
from stream.whole import Whole


class Stream:
    """One source of a run, its monitor, its taps, and its counts."""

    def __init__(
        self,
        id: str,
        source: Source,
        monitor: Monitor,
        taps: Sequence[Tap] = (),
        whole: Whole | None = None,
    ):
        """`id` is a UUID, by which events, rows and alerts refer to their stream; without `whole`
        no result is told at its end.
        """
        self.id, self.source, self.monitor, self.taps = id, source, monitor, taps
        self.totals, self.whole = Totals(), whole
        self.reason: str | None = None
        """why it ended, None while it runs"""
        self.end = 0
        self.busy_s = 0.0
        self.brief_hops = 0
        self.stats_end, self.stats_busy_s = 0, 0.0
        self.came = False
        """whether its source came while the run went on"""
        self.pauses = Pauses()

    @property
    def counters(self) -> list[EventWriter]:
        """What counts the events of this stream."""
        return [self.totals] if self.whole is None else [self.totals, self.whole]
