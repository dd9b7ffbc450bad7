"""The counts of one stream."""

from __future__ import annotations

from radd.types import Alert, AlertState, Event, Gap, Score, Verdict
from stream.gap_count import GapCount
from stream.run_events import Notice


class Totals:
    """A sink that counts."""

    def __init__(self):
        self.scores = self.measured = self.shed = self.alerts = 0
        self.losses = GapCount()

    def snapshot(self) -> list:
        """The counts, for restore() in another process."""
        return [self.scores, self.measured, self.shed, self.alerts, self.losses.snapshot()]

    def restore(self, snapshot: list) -> None:
        """Go on from a snapshot."""
        self.scores, self.measured, self.shed, self.alerts, losses = snapshot
        self.losses.restore(losses)

    def write(self, event: Event | Notice, stream: str | None = None) -> None:
        match event:
            case Score():
                self.scores += 1
                self.measured += event.llr is not None
                self.shed += event.verdict is Verdict.SHED
            case Alert():
                self.alerts += event.state is AlertState.OPEN
            case Gap():
                self.losses.add(event)
