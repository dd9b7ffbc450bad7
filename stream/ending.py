"""Ends a run gracefully at SIGINT and SIGTERM."""

from __future__ import annotations

import signal

from radd.types import Source

BREAK_OFF = (signal.SIGINT, signal.SIGTERM)


class Ending:
    """Turns the first SIGINT, SIGTERM or SIGHUP into a graceful shutdown; a second one stops at
    once.

    Only SIGHUP may come again, because a closed terminal sends it twice; under nohup it is
    ignored.
    """

    def __init__(self):
        self.reason: str | None = None
        self.sources: list[Source] = []

    def __enter__(self) -> Ending:
        nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        numbers = BREAK_OFF if nohup else (*BREAK_OFF, signal.SIGHUP)
        self.before = {number: signal.signal(number, self._heard) for number in numbers}
        return self

    def __exit__(self, *exc) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def ask(self, reason: str) -> None:
        """End the run soon; the first reason counts. May be called from a signal handler."""
        self.reason = self.reason or reason
        for source in self.sources:
            source.stop()

    def _heard(self, number: int, frame) -> None:
        for each in BREAK_OFF:
            signal.signal(each, signal.SIG_DFL)
        self.ask(signal.Signals(number).name.lower())
