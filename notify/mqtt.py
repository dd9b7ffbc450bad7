"""MQTT, through paho-mqtt; the only module that imports it."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from notify.messages import Message
from radd.errors import ConfigError, NotifyError

log = logging.getLogger(__name__)

AT_LEAST_ONCE = 1
KEEP_ALIVE_S = 15
"""the broker publishes the last will at most one and a half times as long after a crash"""
LONGEST_RECONNECT_S = 60
PORTS = {"mqtt": 1883, "mqtts": 8883}


class Broker:
    """A connection to an MQTT broker that is kept and made again in the background, a Destination.

    Messages are published as JSON to PREFIX/NODE/events. PREFIX/NODE/status says online, and
    offline where this process ends or dies.
    """

    kind, group_s = "mqtt", 0.0

    def __init__(
        self, address: str, prefix: str, node: str, timeout_s: float, has_status: bool = True
    ):
        """Without `has_status` it says neither online nor offline, as a test beside a daemon.

        Raises ConfigError if paho-mqtt is not installed.
        """
        parts = urlsplit(address)
        self._host, self._port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        self.name = f"{parts.scheme}://{self._host}:{self._port}"
        self.key = f"mqtt-{hashlib.sha256(f'{address} {prefix}'.encode()).hexdigest()[:12]}"
        self.topic, self._timeout_s = f"{prefix}/{node}", timeout_s
        self.connected: Callable[[], None] = lambda: None
        """called in another thread after each connect"""
        self._answered = threading.Event()
        self._said = "it has not answered yet"
        self._has_status = has_status
        self._client = self._made(parts.scheme == "mqtts")
        if parts.username:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))

    def open(self) -> None:
        """Connect in the background, and again whenever the connection is lost."""
        self._client.connect_async(self._host, self._port, KEEP_ALIVE_S)
        self._client.loop_start()

    def wants(self, message: Message) -> bool:
        """All of them."""
        return True

    def send(self, messages: Sequence[Message]) -> str:
        """Publish one message; returns once the broker has acknowledged it."""
        (message,) = messages
        if not self._answered.wait(self._timeout_s) or not self._client.is_connected():
            raise NotifyError(f"the broker {self.name} is not connected: {self._said}")
        text = json.dumps(message, allow_nan=False)
        info = self._client.publish(f"{self.topic}/events", text, AT_LEAST_ONCE)
        try:
            info.wait_for_publish(self._timeout_s)
        except (RuntimeError, ValueError) as error:
            raise NotifyError(f"the broker {self.name} did not take a message: {error}") from None
        if not info.is_published():
            raise NotifyError(f"the broker {self.name} did not acknowledge a message")
        return "acknowledged"

    def state(self, topic: str, text: str) -> None:
        """Publish a retained value; lost if there is no connection."""
        if self._client.is_connected():
            self._client.publish(topic, text, AT_LEAST_ONCE, retain=True)

    def close(self) -> None:
        """Say offline, and disconnect."""
        if self._has_status and self._client.is_connected():
            said = self._client.publish(f"{self.topic}/status", "offline", AT_LEAST_ONCE, True)
            said.wait_for_publish(self._timeout_s)
        self._client.disconnect()
        self._client.loop_stop()

    def _made(self, encrypted: bool) -> Any:
        mqtt = _paho()
        id = f"radd-{uuid.uuid4().hex[:12]}"  # a second client of one id would end the first
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=id)
        client.reconnect_delay_set(1, LONGEST_RECONNECT_S)
        if self._has_status:
            client.will_set(f"{self.topic}/status", "offline", AT_LEAST_ONCE, retain=True)
        if encrypted:
            client.tls_set()
        client.on_connect = self._on_connect
        client.on_connect_fail = lambda *_: self._tell("it cannot be reached")
        client.on_disconnect = self._on_disconnect
        return client

    def _on_connect(self, client: Any, data: Any, flags: Any, code: Any, properties: Any) -> None:
        if code.is_failure:
            self._tell(str(code))
            return
        self._tell("")
        if self._has_status:
            client.publish(f"{self.topic}/status", "online", AT_LEAST_ONCE, retain=True)
        self.connected()

    def _on_disconnect(
        self, client: Any, data: Any, flags: Any, code: Any, properties: Any
    ) -> None:
        if code.is_failure:
            self._tell(self._said or str(code))

    def _tell(self, said: str) -> None:
        if said and said != self._said:
            log.warning("the broker %s: %s", self.name, said)
        self._said = said
        self._answered.set()


def _paho() -> Any:
    try:
        from paho.mqtt import client
    except ModuleNotFoundError:
        raise ConfigError(
            "[notify] mqtt needs paho-mqtt, which is not installed: pip install -e '.[notify]'"
        ) from None
    return client
