"""Connection limits that uvicorn lacks: the number of connections, and how long one may be idle."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections import Counter
from contextlib import suppress

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from console.clients import client_key, is_within
from console.settings import ServeSettings

# bytes of a refused body that are read so that its sender, who sends first, sees the answer
MOST_SURPLUS = 1_000_000
REFUSED_TOGETHER = 64  # connections that are closed before other work goes on
OTHER_FILES = 256  # needed besides the connections: database, uploads, decoders


class Guest(socket.socket):
    """A connection that notifies its door when it is closed."""

    door: Door | None = None
    client = ""

    def close(self) -> None:
        """Close the connection and free its place."""
        door, self.door = self.door, None
        super().close()
        if door is not None:
            door.leave(self.client)


class Door(socket.socket):
    """A listening socket that closes excess connections immediately, before TLS or HTTP cost
    anything.
    """

    def bound(self, settings: ServeSettings, files: int) -> Door:
        """Accept as many connections as the settings and `files` allow."""
        self._most = max(1, min(settings.connections, files - OTHER_FILES))
        self._most_of_client, self._proxies = settings.connections_of_client, settings.proxies
        self._held: Counter[str] = Counter()
        return self

    def accept(self) -> tuple[socket.socket, tuple]:
        """The next connection. Raises ConnectionAbortedError, as for one that broke off, after
        REFUSED_TOGETHER that were closed again, so that other work gets its turn.
        """
        for _ in range(REFUSED_TOGETHER):
            # as the standard library's accept() does; its stub leaves this method out
            fd, address = self._accept()  # type: ignore[attr-defined]
            guest = Guest(self.family, self.type, self.proto, fileno=fd)
            client = client_key(address[0])
            if self._has_room(address[0], client):
                self._held[client] += 1
                guest.door, guest.client = self, client
                return guest, address
            guest.close()
        raise ConnectionAbortedError("too many connections")

    def leave(self, client: str) -> None:
        """Free the place of a closed connection."""
        self._held[client] -= 1
        self._held += Counter()  # drops clients without a connection

    def _has_room(self, host: str, client: str) -> bool:
        if self._held.total() >= self._most:
            return False
        return self._held[client] < self._most_of_client or is_within(host, self._proxies)


class TimedProtocol(H11Protocol):
    """uvicorn's HTTP protocol with timeouts: a request head that does not arrive, a body after its
    answer, an answer that nobody reads.
    """

    head_s = 10.0

    # uvicorn narrows the transport in the same way
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._unread = self._surplus = 0
        self._since = self.loop.time()
        self._timer = self.loop.call_later(self.head_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Drop what still comes of a body that was answered already, unparsed, and not for long."""
        is_answered = self.cycle is not None and self.cycle.response_complete
        if not (is_answered and self.conn.their_state is h11.SEND_BODY):
            super().data_received(data)
            return
        self._surplus += len(data)
        if self._surplus > MOST_SURPLUS:
            self.transport.abort()

    def handle_websocket_upgrade(self, event) -> None:
        self._timer.cancel()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._since = self.loop.time()

    def _look(self) -> None:
        """Close the connection if it has waited for head_s."""
        is_working = self.cycle is not None and not self.cycle.response_complete
        unread, before = self.transport.get_write_buffer_size(), self._unread
        if unread and unread == before:
            self.transport.abort()
        elif not (is_working or unread) and self.loop.time() - self._since >= self.head_s:
            self.transport.close()
        self._unread = unread
        self._timer = self.loop.call_later(self.head_s / 2, self._look)


def raise_open_files(wanted: int) -> int:
    """Raise the limit of open files to `wanted`, or as far as the system allows, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            return most
    return wanted if soft == resource.RLIM_INFINITY else soft
