"""What all WebSocket listeners share: the server, access, and one task for each connection. The
only module that imports websockets.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from radd.errors import ConfigError, DeviceError
from stream.calls.address import Address
from stream.calls.admission import Admission, CallRefused, Line, no_connection
from stream.calls.idle import IdleWatch

try:
    from websockets.asyncio.server import Server, ServerConnection, serve
    from websockets.exceptions import ConnectionClosed
    from websockets.http11 import Request, Response
except ImportError:
    raise ConfigError(
        "--listen ws:// and twilio:// need the package websockets: pip install 'radd[calls]'"
    ) from None

MAX_MESSAGE = 1 << 18  # bytes; a message of real calls has 20 to 200 ms
OPEN_S, CLOSE_S = 5.0, 1.0  # for the handshakes at the beginning and at the end
NORMAL, GOING_AWAY = 1000, 1001  # close codes (RFC 6455 and its registry)
REFUSED, TRY_LATER = 1008, 1013
REASON_BYTES = 120  # of a close frame
WAIT_S = 0.02  # until the queue of a call is looked at again

log = logging.getLogger(__name__)
QUIET = logging.getLogger("radd.websockets")  # of every handshake that fails: not for the log
QUIET.setLevel(logging.CRITICAL)


class Handshake(NamedTuple):
    """The request that opens a WebSocket."""

    path: str
    """with its query"""
    headers: Mapping[str, str]
    """by their names in lower case; of one that is repeated, the last value"""

    @property
    def token(self) -> str:
        """Of `Authorization: Bearer`; empty without one."""
        return self.headers.get("authorization", "").removeprefix("Bearer ").strip()


class MessageReader(Protocol):
    """Reads the messages of one connection."""

    line: Line | None
    """of its call, once that has begun"""

    def read(self, message: str | bytes) -> bool:
        """Take one message; False if it was the last. Raises CallRefused for one that cannot be
        used.
        """
        ...


class WebSocketListener(ABC):
    """A listener whose calls are WebSockets; subclasses read their messages."""

    waits = False
    """whether a sender that is too fast is made to wait; else the oldest audio is dropped"""

    def __init__(self, address: Address, admission: Admission):
        self.address, self.admission, self.name = address, admission, address.name
        self.settings = admission.settings
        self._tls = address.tls()
        self._server: Server | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @abstractmethod
    def reader(self, handshake: Handshake) -> MessageReader:
        """The reader of a new connection. Raises CallRefused."""

    @abstractmethod
    def has_access(self, handshake: Handshake) -> bool:
        """Whether the handshake shows that the sender may call."""

    async def open(self) -> None:
        try:
            self._server = await serve(
                self._handle,
                self.address.host,
                self.address.port,
                ssl=self._tls,
                process_request=self._check,
                open_timeout=OPEN_S,
                close_timeout=CLOSE_S,
                max_size=MAX_MESSAGE,
                max_queue=8,
                compression=None,
                server_header=None,
                logger=QUIET,
            )
        except OSError as error:
            raise DeviceError(
                f"--listen {self.name}: {error.strerror or error}; expected an address of this "
                "machine and a port that is free"
            ) from None

    @property
    def port(self) -> int:
        """The port in use, also where the address says 0: any."""
        assert self._server is not None
        return next(iter(self._server.sockets)).getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close(code=GOING_AWAY, reason="this program is shutting down")
            await self._server.wait_closed()

    def has_token(self, handshake: Handshake) -> bool:
        """Whether the handshake bears [calls] token."""
        return is_equal(handshake.token, self.settings.token)

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse a handshake, or None."""
        if not self.address.allows(_peer(connection)):
            return self._refuse(connection, HTTPStatus.FORBIDDEN, "?from= does not name it")
        if urlsplit(request.path).path != self.address.path:
            return self._refuse(connection, HTTPStatus.NOT_FOUND, "no calls at its path")
        if not self.has_access(_handshake(request)):
            return self._refuse(
                connection, HTTPStatus.UNAUTHORIZED, "it has no valid token or signature"
            )
        try:
            self.admission.check_room()
        except CallRefused as refused:
            return self._refuse(connection, HTTPStatus.SERVICE_UNAVAILABLE, str(refused))
        return None

    def _refuse(self, connection: ServerConnection, status: HTTPStatus, why: str) -> Response:
        log.warning("%s: a call from %s was refused: %s", self.name, _peer(connection), why)
        return connection.respond(status, f"this call was refused: {why}\n")

    async def _handle(self, connection: ServerConnection) -> None:
        """One connection, from its handshake to its end."""
        request = connection.request
        reader: MessageReader | None = None
        assert request is not None
        watch = IdleWatch(self.settings.idle_s, self._dropper(connection))
        try:
            reader = self.reader(_handshake(request))
            async for message in connection:
                watch.touch()
                if not reader.read(message):
                    break
                await self._serve_line(reader.line, connection)
            _end(reader.line, Line.hang_up)
        except CallRefused as refused:
            log.warning("%s: a call from %s: %s", self.name, _peer(connection), refused)
            await connection.close(REFUSED, _reason(str(refused)))
            _end(reader.line if reader else None, Line.hang_up)
        except ConnectionClosed:
            _end(reader.line if reader else None, Line.lost)
        finally:
            watch.cancel()

    async def _serve_line(self, line: Line | None, connection: ServerConnection) -> None:
        """After each message: know how to end the connection, and do not let it run ahead."""
        if line is None:
            return
        if line.drop is no_connection:
            line.drop = self._dropper(connection)
        while self.waits and line.is_full:
            await asyncio.sleep(WAIT_S)

    def _dropper(self, connection: ServerConnection) -> Callable[[str], None]:
        def drop(reason: str) -> None:
            task = asyncio.ensure_future(connection.close(TRY_LATER, _reason(reason)))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

        return drop


def is_equal(given: str, secret: str) -> bool:
    """Compare with a secret in constant time; an empty secret equals nothing."""
    return bool(secret) and hmac.compare_digest(given.encode(), secret.encode())


def _handshake(request: Request) -> Handshake:
    headers = {name.lower(): value for name, value in request.headers.raw_items()}
    return Handshake(request.path, headers)


def _end(line: Line | None, how: Callable[[Line], None]) -> None:
    if line is not None:
        how(line)


def _peer(connection: ServerConnection) -> str:
    return (connection.remote_address or ("unknown",))[0]


def _reason(text: str) -> str:
    return text.encode()[:REASON_BYTES].decode(errors="ignore")
