"""A journal's record of one stream."""

from __future__ import annotations

from typing import Any

from storage.aggregates import Drifts, Shadows
from storage.records import StreamInfo
from storage.timeline import Timeline


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
