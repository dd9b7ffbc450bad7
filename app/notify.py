"""Notifications and metrics of a run, and the test of all destinations."""

from __future__ import annotations

import argparse

from app.installation import installation
from app.settings import Settings
from app.streams import Streams
from notify.answers import Answers
from notify.destinations import broker_of, channels_of, sender_of, try_all
from notify.home_assistant import StreamStates
from notify.notifier import Notifier
from notify.watched_journal import WatchedJournal
from notify.watcher import StreamWatcher
from radd.errors import ConfigError, NotifyError
from storage.records import StreamInfo
from stream.event_journal import EventJournal


def watched(
    journal: EventJournal, infos: list[StreamInfo], streams: Streams, settings: Settings
) -> EventJournal:
    """The journal with the watchers that [notify] and [metrics] ask for; itself if with none.

    `infos` are the streams that it begins with.
    """
    watchers = watchers_of(settings, journal)
    return WatchedJournal(journal, watchers, infos, streams.counts) if watchers else journal


def watchers_of(settings: Settings, journal: EventJournal) -> list[StreamWatcher]:
    """What [notify] and [metrics] ask for."""
    notifier, watchers = None, list[StreamWatcher]()
    if settings.notify.sends:
        notifier, watchers = notifier_of(settings)
    if settings.metrics.listen:
        watchers.append(metrics_of(settings, journal, notifier))
    return watchers


def check_spool(settings: Settings, stored: bool) -> None:
    """Raises ConfigError for notifications of a run that is not `stored`: they have no spool."""
    if settings.notify.sends and not stored:
        raise ConfigError(
            "--no-store keeps no spool, from which [notify] delivers; leave out --no-store, or "
            "start without webhook, urls and mqtt"
        )


def notifier_of(settings: Settings) -> tuple[Notifier, list[StreamWatcher]]:
    """What notifies of alerts, alone and with what publishes the state of streams."""
    notify = settings.notify
    broker = broker_of(notify)
    after_s = notify.answer_after_s
    notifier = Notifier(
        notify,
        sender_of(notify),
        settings.storage.spool_directory / "notify",
        channels_of(notify, broker),
        Answers(after_s, settings.decision) if after_s else None,
    )
    states = [StreamStates(broker, notify.mqtt_discovery)] if broker else []
    return notifier, [notifier, *states]


def metrics_of(
    settings: Settings, journal: EventJournal, notifier: Notifier | None
) -> StreamWatcher:
    """What serves Prometheus. Raises ConfigError if its client library is missing."""
    try:
        from notify.metrics import DaemonMetrics
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"[metrics] listen needs {error.name}, which is not installed: "
            "pip install -e '.[notify]'"
        ) from None
    return DaemonMetrics(settings.metrics, journal.stats, notifier)


def test_notify(arguments: argparse.Namespace) -> None:
    """Send a test message to each destination and print what came back.

    Raises ConfigError if there is none, and NotifyError if one did not take it.
    """
    settings = installation(arguments.config, arguments.bundle).settings.notify
    if not settings.sends:
        raise ConfigError(
            "[notify] names no destination: set webhook, urls or mqtt, see docs/notify.md"
        )
    failed = 0
    for name, said, arrived in try_all(settings):
        print(f"{name}: {said}", flush=True)
        failed += not arrived
    if failed:
        raise NotifyError(f"{failed} destinations did not take the test message, see above")
