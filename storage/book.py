"""A journal's record of one stream."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from storage.aggregates import Drifts, Shadows
from storage.records import StreamInfo
from storage.timeline import Timeline
from storage.wall_clock import Step


class Book:
    """What a journal has written about one stream, and what is pending."""

    def __init__(self, info: StreamInfo):
        self.info = self.judge = info
        self.timeline = Timeline()
        self.drifts, self.shadows = Drifts(info), Shadows(info)
        self.gaps: list[dict[str, Any]] = []
        self.open: dict[str, str] = {}
        self.entry = ""
        self.totals = {
            "length_samples": 0,
            "lost_samples": 0,
            "scores": 0,
            "judged": 0,
            "alerts": 0,
            "gaps": 0,
        }
        self.ended = False

    def snapshot(self) -> dict[str, Any]:
        """What goes on in another process, as JSON can hold it: counts, the current second, and
        sums. Finished rows must have been taken before.
        """
        return {
            "totals": self.totals,
            "timeline": self.timeline.snapshot(),
            "drifts": self.drifts.snapshot(),
            "shadows": self.shadows.snapshot(),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self.totals = dict(snapshot["totals"])
        self.timeline.restore(snapshot["timeline"])
        self.drifts.restore(snapshot["drifts"])
        self.shadows.restore(snapshot["shadows"])

    def reanchor(self, step: Step) -> None:
        """Times from now on, and those of the samples before if the clock was wrong for them."""
        info = self.info
        slept = ((self.totals["length_samples"], step.slept_s),) if step.slept_s else ()
        started = info.started + timedelta(seconds=step.set_by_s)
        self.info = replace(info, started=started, slept=info.slept + slept)
        self.judge = replace(self.info, bundle=self.judge.bundle)
        self.drifts.info = self.shadows.info = self.info
        if step.set_by_s:
            self.drifts.restart()
