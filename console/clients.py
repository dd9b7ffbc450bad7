"""Identifies clients and limits the resources of each, so that nobody locks others out."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from limits import RateLimitItemPerHour
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.types import Scope

from console.http_errors import Refused
from radd.types import SAMPLE_RATE_HZ

IPV6_PREFIX = 64  # bits of an IPv6 address that its owner cannot change at will
RETRY_S = 10

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_of(scope: Scope) -> str:
    """The client of a request or a WebSocket, as returned by `client_key`."""
    return client_key(scope["client"][0]) if scope.get("client") else "unknown"


def client_key(host: str) -> str:
    """The part of an address that one client cannot change: all of IPv4, the 64-bit network of
    IPv6.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), IPV6_PREFIX), strict=False))


def is_within(host: str, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of the networks."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return any(address in network for network in networks)


class Shares:
    """Slots of which one client may hold at most half, but at least one."""

    def __init__(self, most: int, what: str, setting: str):
        """`what` names the slots in error messages, `setting` the setting that raises their
        number.
        """
        self._most, self._what, self._setting = most, what, setting
        self._held: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """Slots in use."""
        return sum(self._held.values())

    @contextmanager
    def place(self, client: str, retry_s: int = RETRY_S) -> Iterator[None]:
        """Hold a slot. Raises Refused if none is left, in total or for this client."""
        self.check(client, retry_s)
        with self.hold(client):
            yield

    def check(self, client: str, retry_s: int = RETRY_S) -> None:
        """Raise Refused if `place` would."""
        if self.taken >= self._most:
            held, of = self.taken, f"as many as {self._setting} allows"
        elif self._held[client] >= max(1, self._most // 2):
            held, of = self._held[client], "as many as one client may have"
        else:
            return
        raise Refused(503, f"{held} {self._what} already, {of}; try again later", retry_s)

    @contextmanager
    def hold(self, client: str) -> Iterator[None]:
        """Hold a slot that `check` has found free."""
        self._held[client] += 1
        try:
            yield
        finally:
            self._held[client] -= 1
            self._held += Counter()  # drops clients without a slot


class SoundQuota:
    """How much audio one client may have scored per hour. Safe across threads."""

    def __init__(self, hours: float):
        self._hours = hours
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._rate = RateLimitItemPerHour(max(1, round(hours * 3600)))

    def meter(self, client: str) -> SoundMeter:
        """A counter for one recording or stream of a client."""
        return SoundMeter(self, client)

    def take(self, client: str, whole_s: int) -> None:
        """Raises Refused if this client has less left."""
        if not self._limiter.hit(self._rate, client, cost=whole_s):
            raise Refused(
                429,
                f"this client has had {self._hours:g} hours of sound judged within an hour, as "
                "much as [serve] sound_h allows; try again later",
                600,
            )


class SoundMeter:
    """Counts the audio of one recording or stream against its client's quota."""

    def __init__(self, quota: SoundQuota, client: str):
        self._quota, self._client, self._samples = quota, client, 0

    def add(self, samples: int) -> None:
        """Add samples at 16 kHz. Raises Refused if the quota is used up."""
        self._samples += samples
        if whole_s := self._samples // SAMPLE_RATE_HZ:
            self._quota.take(self._client, whole_s)
            self._samples -= whole_s * SAMPLE_RATE_HZ
