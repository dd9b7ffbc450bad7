"""From [notify] to the channels that it names."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import closing

from notify.destination import Destination
from notify.home_assistant import slug
from notify.messages import Sender
from notify.mqtt import Broker
from notify.people import People
from notify.settings import NotifySettings
from notify.webhook import Webhook
from radd.errors import ConfigError, NotifyError


def sender_of(settings: NotifySettings) -> Sender:
    """The daemon as its messages name it."""
    return Sender(settings.name or platform.node() or "radd", settings.console)


def broker_of(settings: NotifySettings, has_status: bool = True) -> Broker | None:
    """The MQTT broker, not yet connected; None if none is configured."""
    if not settings.mqtt:
        return None
    node = slug(sender_of(settings).name)
    return Broker(settings.mqtt, settings.mqtt_prefix, node, settings.timeout_s, has_status)


def channels_of(settings: NotifySettings, broker: Broker | None) -> list[Destination]:
    """All destinations. Raises ConfigError for an address that is not understood or used twice."""
    channels: list[Destination] = [
        Webhook(address, settings.webhook_secret, settings.timeout_s)
        for address in settings.webhooks
    ]
    channels += [People(address, settings.group_s) for address in settings.people]
    channels += [broker] if broker else []
    if len({channel.key for channel in channels}) < len(channels):
        raise ConfigError("[notify] names one destination twice: expected each once")
    return channels


def try_all(settings: NotifySettings) -> Iterator[tuple[str, str, bool]]:
    """Send a test message to each destination, now and once: its name, what came back, and whether
    it arrived.
    """
    broker = broker_of(settings, has_status=False)
    channels = channels_of(settings, broker)
    if broker:
        broker.open()
    message = sender_of(settings).sample(time.time())
    for channel in channels:
        with closing(channel):
            try:
                yield f"{channel.kind} {channel.name}", channel.send([message]), True
            except NotifyError as error:
                yield f"{channel.kind} {channel.name}", str(error), False
