"""Metrics of the daemon for Prometheus; every name begins with radd_detect_."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from collections.abc import Callable, Iterator

from notify.notifier import Notifier
from notify.settings import MetricsSettings
from notify.watcher import Counts
from radd.errors import ConfigError
from radd.prometheus import (
    Collector,
    CollectorRegistry,
    Counter,
    CounterMetricFamily,
    GaugeMetricFamily,
    Histogram,
    Metric,
    ProcessCollector,
    start_http_server,
)
from radd.types import Alert, AlertState, Event, Gap, Score, seconds
from storage.records import StreamInfo

P_SPOOF_BUCKETS = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
LATENCY_BUCKETS_S = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)
SENT_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 5.0, 60.0, 600.0, 3600.0)
OF_SOURCES = {"drops": "chunks dropped by full queues", "overruns": "overruns of sound devices"}
OF_JOURNAL = ("delivered", "delivery_failures", "alerts_lost", "clips_dropped", "timeline_dropped")


class DaemonMetrics:
    """A StreamWatcher that counts and serves GET /metrics in a thread of its own.

    No metric has a label for streams, of which a daemon may have thousands in a day.
    """

    def __init__(
        self,
        settings: MetricsSettings,
        journal: Callable[[], dict[str, int]],
        notifier: Notifier | None,
    ):
        """`journal` returns its counts, see Journal.stats."""
        self._settings = settings
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._state = _State(journal, notifier)
        self.registry.register(self._state)
        self._scores = self._counter("scores", "scores, one per 128 ms", "verdict")
        self._alerts = self._counter("alerts", "alerts that opened or closed", "state")
        self._gaps = self._counter("gaps", "losses of audio")
        self._lost = self._counter("lost_seconds", "audio that was lost")
        self._opened = self._counter("streams_opened", "streams that began")
        self._p_spoof = self._histogram(
            "p_spoof", "probability of a synthetic voice", P_SPOOF_BUCKETS
        )
        self._latency = self._histogram(
            "latency_seconds", "from the arrival of audio to its score", LATENCY_BUCKETS_S
        )
        self._sent = self._histogram(
            "alert_to_sent_seconds",
            "from an event to the receiver's answer",
            SENT_BUCKETS_S,
            "kind",
        )
        if notifier:
            notifier.delivered = lambda kind, took_s: self._sent.labels(kind).observe(took_s)
        for state in AlertState:
            self._alerts.labels(state.value)

    def __enter__(self) -> DaemonMetrics:
        """Raises ConfigError if the address cannot be listened on."""
        host, port = self._settings.address
        try:
            self._server, self._thread = start_http_server(port, host, self.registry)
        except OSError as error:
            raise ConfigError(
                f"[metrics] listen = {self._settings.listen!r}: {error.strerror or error}; choose "
                "an address of this machine and a free port"
            ) from None
        return self

    def __exit__(self, *exc) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        """The port that is listened on, once entered."""
        return self._server.server_port

    def begin(self, stream: StreamInfo, counts: Counts) -> None:
        """A stream begins."""
        self._opened.inc()
        self._state.begin(stream.id, counts)

    def write(self, event: Event, stream: str | None = None) -> None:
        """Count an event."""
        if isinstance(event, Score):
            self._scores.labels(event.verdict.value).inc()
            if event.p_spoof is not None:
                self._p_spoof.observe(event.p_spoof)
            if event.latency_ms is not None:
                self._latency.observe(event.latency_ms / 1_000)
                self._state.lag_s[stream or ""] = event.latency_ms / 1_000
        elif isinstance(event, Alert):
            self._alerts.labels(event.state.value).inc()
            self._state.note(event, stream or "")
        elif isinstance(event, Gap):
            self._gaps.inc()
            self._lost.inc(seconds(event.end - event.start))

    def end(self, stream: str) -> None:
        """A stream has ended."""
        self._state.end(stream)

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"radd_detect_{name}", words, labels, registry=self.registry)

    def _histogram(
        self, name: str, words: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        full = f"radd_detect_{name}"
        return Histogram(full, words, labels, buckets=buckets, registry=self.registry)


class _State(Collector):
    """What is read at the moment of a scrape: open streams, their sources, journal and outboxes."""

    def __init__(self, journal: Callable[[], dict[str, int]], notifier: Notifier | None):
        self._journal, self._notifier = journal, notifier
        self._lock = threading.Lock()
        self._open: dict[str, Counts] = {}
        self._alerts: dict[str, str] = {}
        self._ended: Tally[str] = Tally()
        self.lag_s: dict[str, float] = {}

    def begin(self, stream: str, counts: Counts) -> None:
        with self._lock:
            self._open[stream] = counts

    def note(self, alert: Alert, stream: str) -> None:
        with self._lock:
            if alert.state is AlertState.OPEN:
                self._alerts[stream] = alert.id
            else:
                self._alerts.pop(stream, None)

    def end(self, stream: str) -> None:
        with self._lock:
            if counts := self._open.pop(stream, None):
                self._ended.update(counts())
            self._alerts.pop(stream, None)
            self.lag_s.pop(stream, None)

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        with self._lock:
            opened = [dict(counts()) for counts in self._open.values()]
            total = Tally(self._ended)
            for counts in opened:
                total.update(counts)
            alerts, lag_s = len(self._alerts), max(self.lag_s.copy().values(), default=0.0)
        journal = self._journal()
        yield _gauge("streams", "streams that are being listened to", len(opened))
        yield _gauge("alerts_open", "streams with an open alert", alerts)
        yield _gauge("lag_seconds", "latency of the latest score, of the slowest stream", lag_s)
        for name, words in OF_SOURCES.items():
            yield _counted(name, words, total[name])
        for name in OF_JOURNAL:
            yield _counted(f"journal_{name}", f"of the journal: {name}", journal.get(name, 0))
        yield _gauge("spool_bytes", "size of the journal's spool", journal.get("spool_bytes", 0))
        depths = {
            "capture": sum(counts.get("queue_depth", 0) for counts in opened),
            "spool": journal.get("spool_entries", 0),
        }
        depths |= self._notifier.waiting() if self._notifier else {}
        yield _by("queue_depth", "waiting items", "queue", depths)
        yield self._notifications()

    def _notifications(self) -> Metric:
        family = CounterMetricFamily(
            "radd_detect_notifications", "notifications", labels=["kind", "result"]
        )
        for kind, counts in (self._notifier.counts() if self._notifier else {}).items():
            for result in ("sent", "failed", "refused", "given_up", "dropped"):
                family.add_metric([kind, result], counts[result])
        return family


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"radd_detect_{name}", words, value)


def _counted(name: str, words: str, value: float) -> Metric:
    return CounterMetricFamily(f"radd_detect_{name}", words, value)


def _by(name: str, words: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(f"radd_detect_{name}", words, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family
