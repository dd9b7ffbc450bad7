"""Metrics for Prometheus; every name begins with radd_."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.job_queue import JobQueue
from console.schemas import Prediction
from radd.prometheus import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# from a page request to a long recording
FLEET = {
    "calls": ("calls", "tracks of calls that a detector of a fleet judges"),
    "lag_s": ("lag_seconds", "its greatest delay from capture to judgement in the last second"),
    "busy": ("busy", "share of the time in which it worked, 0 to 1"),
    "shed_hops": ("shed_hops", "hops that it has shed since its start"),
    "dead_letters": ("dead_letters", "messages that it has rejected since its start"),
}
"""columns of the table detectors, and the names and meanings of their metrics"""
BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The counters of one console."""

    def __init__(self):
        self.registry = CollectorRegistry()
        requests = ["method", "route", "status"]
        self.requests = Counter(
            "radd_requests", "answered requests", requests, registry=self.registry
        )
        self.seconds = Histogram(
            "radd_request_seconds",
            "until an answer was complete",
            ["method", "route"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.predictions = Counter(
            "radd_predictions", "judged recordings", ["verdict"], registry=self.registry
        )
        self.sound = Counter(
            "radd_sound_seconds", "audio that was scored", ["path"], registry=self.registry
        )
        self.labels = Counter(
            "radd_labels", "labels given in this console", ["label"], registry=self.registry
        )
        self.reviews = Gauge("radd_alerts", "stored alerts", ["review"], registry=self.registry)
        self.database = Gauge(
            "radd_database_up", "1: the database can be read", registry=self.registry
        )
        self.listening = Gauge(
            "radd_daemon_streams", "streams that daemons process", registry=self.registry
        )
        self.fleet = {
            column: Gauge(f"radd_detector_{name}", words, ["detector"], registry=self.registry)
            for column, (name, words) in FLEET.items()
        }

    def watch_fleet(self, detectors: Sequence[Mapping[str, Any]]) -> None:
        """Export what the detectors of a fleet last reported; those that are silent are gone."""
        for name, gauge in self.fleet.items():
            gauge.clear()
            for row in detectors:
                gauge.labels(row["name"]).set(row[name])

    def watch(self, desk: JobQueue) -> None:
        """Export the state of the job queue."""
        for name, words, count in (
            ("radd_recordings_waiting", "recordings waiting or being scored", lambda: desk.taken),
            ("radd_streams_open", "live streams over the network", lambda: desk.streams),
        ):
            Gauge(name, words, registry=self.registry).set_function(count)

    def judged(self, prediction: Prediction) -> None:
        """Count a scored recording."""
        self.predictions.labels(prediction.verdict.value).inc()
        self.sound.labels("recording").inc(prediction.duration_s)

    def text(self) -> bytes:
        """All metrics in Prometheus text format."""
        return generate_latest(self.registry)


class MetricsMiddleware:
    """ASGI middleware that counts and times requests by route, never by a path that a client
    chose.
    """

    def __init__(self, app: ASGIApp, meters: Metrics):
        self._app, self._meters = app, meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._meters.requests.labels(scope["method"], route, status).inc()
            self._meters.seconds.labels(scope["method"], route).observe(time.monotonic() - began)
