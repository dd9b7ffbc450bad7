"""[notify] and [metrics] of config.toml: who is told of alerts, and where Prometheus reads."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from radd.errors import ConfigError
from radd.ranges import check

SHORTEST_SECRET = 24  # characters; Standard Webhooks asks for 24 bytes or more
BETWEEN_URLS = re.compile(r"[,\s]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """Section [notify] of config.toml."""

    webhook: str
    webhook_secret: str
    urls: str
    mqtt: str
    mqtt_prefix: str
    mqtt_discovery: str
    name: str
    console: str
    answer_after_s: float
    group_s: float
    timeout_s: float
    give_up_h: float
    spool_quota_mb: int

    def __post_init__(self) -> None:
        check(
            self,
            answer_after_s=(0.0, 3_600.0),
            group_s=(0.0, 86_400.0),
            timeout_s=(0.1, 300.0),
            give_up_h=(0.1, 8_760.0),
            spool_quota_mb=(1, 100_000),
        )
        for address in self.webhooks:
            _check_address("webhook", address, ("https", "http"))
        if self.webhooks and len(self.webhook_secret) < SHORTEST_SECRET:
            raise ConfigError(
                f"webhook_secret has {len(self.webhook_secret)} characters: expected at least "
                f"{SHORTEST_SECRET}, because every webhook is signed; set "
                "RADD_NOTIFY_WEBHOOK_SECRET to the output of `openssl rand -hex 32`"
            )
        if self.mqtt:
            _check_address("mqtt", self.mqtt, ("mqtts", "mqtt"))
        if self.console:
            _check_address("console", self.console, ("https", "http"))
        for name in ("mqtt_prefix", "mqtt_discovery"):
            if set(getattr(self, name)) & set("+#\0"):
                raise ConfigError(f"{name} = {getattr(self, name)!r}: a topic holds no + and no #")
        if self.mqtt and not self.mqtt_prefix:
            raise ConfigError('mqtt_prefix is empty: expected a topic such as "radd"')

    @property
    def webhooks(self) -> list[str]:
        """Addresses that alerts are posted to."""
        return _addresses(self.webhook)

    @property
    def people(self) -> list[str]:
        """Addresses of mail, chat and push services, as Apprise spells them."""
        return _addresses(self.urls)

    @property
    def sends(self) -> bool:
        """Whether anything is sent at all."""
        return bool(self.webhooks or self.people or self.mqtt)


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Section [metrics] of config.toml."""

    listen: str

    def __post_init__(self) -> None:
        if self.listen:
            _host_and_port(self.listen)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on. Raises ConfigError if `listen` is empty or neither."""
        return _host_and_port(self.listen)


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def _addresses(text: str) -> list[str]:
    return [one.strip(" ,\t\n") for one in BETWEEN_URLS.split(text) if one.strip(" ,\t\n")]


def _check_address(key: str, address: str, schemes: tuple[str, ...]) -> None:
    """Raises ConfigError without the address itself, which may hold a password."""
    try:
        parts = urlsplit(address)
        port, host = parts.port, parts.hostname
    except ValueError:
        port, host = -1, None
    if port == -1 or not host or parts.scheme not in schemes:
        spelt = " or ".join(f"{scheme}://HOST" for scheme in schemes)
        raise ConfigError(f"{key} holds an address that is not {spelt}[:PORT][/PATH]")


def _host_and_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ConfigError(
            f"listen = {text!r}: expected HOST:PORT, such as 127.0.0.1:9464, or nothing"
        )
    return host.strip("[]"), int(port)
