"""The address of a listener: --listen SCHEME://HOST:PORT/PATH?OPTION=VALUE."""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

from radd.errors import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
SOCKETS = {"ws": ("from", "cert", "key"), "twilio": ("from", "cert", "key")}
OPTIONS: dict[str, tuple[str, ...]] = SOCKETS | {
    "audiosocket": ("from",),
    "rtp": ("from", "sdp", "format"),
}
"""what may follow the question mark, by scheme"""
RANGE = re.compile(r"(rtp://[^/?#]*:\d+)-(\d+)(.*)", re.IGNORECASE)
MOST_CALLS = 500  # of a range of ports: each has a socket


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener listens, and who may call."""

    scheme: str
    host: str
    port: int
    path: str
    options: Mapping[str, str]
    allowed: tuple[Network, ...]
    """of `?from=`; empty: everybody"""
    last_port: int | None = None
    """of a range of ports, one call on each; None: no range"""

    @property
    def name(self) -> str:
        """The address without its options."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    @property
    def is_loopback(self) -> bool:
        return ipaddress.ip_address(self.host).is_loopback

    def each(self, step: int) -> list[Address]:
        """The address of each call: one in every `step` ports of a range, itself without a range.
        Raises ConfigError for a range that cannot be used.
        """
        if self.last_port is None:
            return [self]
        ports = range(self.port, self.last_port - step + 2, step)
        if not 0 < self.port <= self.last_port - step + 1 <= 65_536 - step:
            raise ConfigError(
                f"--listen {self.name}-{self.last_port}: expected FIRST-LAST, from 1 to 65535 and "
                f"with room for one call, which takes {step} ports"
            )
        if len(ports) > MOST_CALLS:
            raise ConfigError(
                f"--listen {self.name}-{self.last_port}: room for {len(ports)} calls; expected at "
                f"most {MOST_CALLS}"
            )
        return [replace(self, port=port, last_port=None) for port in ports]

    def allows(self, host: str) -> bool:
        """Whether a sender with this address may call."""
        if not self.allowed:
            return True
        try:
            sender = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(sender, "ipv4_mapped", None)
        return any((mapped or sender) in network for network in self.allowed)

    def need_networks(self) -> None:
        """Raise ConfigError for an address other than loopback that names no senders."""
        if not self.is_loopback and not self.allowed:
            raise ConfigError(
                f"--listen {self.name} has no authentication: name the senders with ?from=CIDR, "
                "such as ?from=192.0.2.0/28, or listen on 127.0.0.1"
            )

    def tls(self) -> ssl.SSLContext | None:
        """TLS with the files of `?cert=&key=`; None without them. Raises ConfigError."""
        cert, key = self.options.get("cert"), self.options.get("key")
        if not cert and not key:
            return None
        if not cert or not key:
            raise ConfigError(f"--listen {self.name} needs both ?cert=FILE and &key=FILE for TLS")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(cert, key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"--listen {self.name}: {cert} and {key} cannot be used for TLS: {error}; expected "
                "a certificate and its private key in PEM format"
            ) from None
        return context


def parse(url: str) -> Address:
    """The parts of a listener's address. Raises ConfigError for one that cannot be used."""
    ranged = RANGE.fullmatch(url)
    last_port = int(ranged[2]) if ranged else None
    try:
        parts = urlsplit(ranged[1] + ranged[3] if ranged else url)
        port = parts.port
    except ValueError as error:
        raise _wrong(url, str(error)) from None
    scheme = parts.scheme.lower()
    if scheme not in OPTIONS:
        raise _wrong(url, f"unknown scheme {parts.scheme!r}")
    if port is None or parts.username is not None:
        raise _wrong(url, "expected HOST:PORT" if port is None else "it holds a user name")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := options.keys() - set(OPTIONS[scheme]):
        known = ", ".join(OPTIONS[scheme])
        raise _wrong(url, f"unknown option {sorted(unknown)[0]!r}; {scheme} has {known}")
    return Address(
        scheme,
        _host(url, parts.hostname or ""),
        port,
        (parts.path or "/") if scheme in SOCKETS else "",
        options,
        _networks(url, options.get("from", "")),
        last_port,
    )


def _host(url: str, host: str) -> str:
    try:
        return str(ipaddress.ip_address("127.0.0.1" if host == "localhost" else host))
    except ValueError:
        raise _wrong(url, f"{host!r} is neither an IP address nor localhost") from None


def _networks(url: str, text: str) -> tuple[Network, ...]:
    try:
        return tuple(
            ipaddress.ip_network(one.strip(), strict=False) for one in text.split(",") if one
        )
    except ValueError as error:
        raise _wrong(url, f"?from= {error}") from None


def _wrong(url: str, problem: str) -> ConfigError:
    scheme, _, rest = url.partition("?")[0].rpartition("://")
    plain = f"{scheme}://{rest.rpartition('@')[2]}" if scheme else rest
    return ConfigError(
        f"--listen {plain}: {problem}; expected twilio://HOST:PORT/PATH, ws://HOST:PORT/PATH, "
        "audiosocket://HOST:PORT, rtp://HOST:PORT or sdp:FILE"
    )
