"""audiosocket://: Asterisk AudioSocket, one TCP connection for each call."""

from __future__ import annotations

import asyncio
import logging
import uuid

from radd.errors import DeviceError
from stream.calls.address import Address
from stream.calls.admission import Admission, CallRefused, Line, no_connection
from stream.calls.idle import IdleWatch
from stream.calls.source import CallSource, Wire

HANG_UP, UUID, DTMF, ERROR = 0x00, 0x01, 0x03, 0xFF
RATES_HZ = {
    0x10: 8_000,
    0x11: 12_000,
    0x12: 16_000,
    0x13: 24_000,
    0x14: 32_000,
    0x15: 44_100,
    0x16: 48_000,
    0x17: 96_000,
    0x18: 192_000,
}
"""of signed linear audio, by type"""
HEADER_BYTES, UUID_BYTES = 3, 16
FIRST_S = 5.0  # for the id of the call
NO_MORE = bytes((HANG_UP, 0, 0))

log = logging.getLogger(__name__)


class AudioSocketListener:
    """AudioSocket connections; the sender's id is that of the call, whose only track is `1`."""

    def __init__(self, address: Address, admission: Admission):
        """Raises ConfigError if all other machines could call."""
        address.need_networks()
        self.address, self.admission, self.name = address, admission, address.name
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        try:
            self._server = await asyncio.start_server(
                self._accept, self.address.host, self.address.port
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
        return self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = (writer.get_extra_info("peername") or ("unknown",))[0]
        call = AudioSocketCall(self.admission, writer)
        try:
            if not self.address.allows(peer):
                raise CallRefused("?from= does not name it")
            await call.serve(reader)
        except CallRefused as refused:
            log.warning("%s: a call from %s was refused: %s", self.name, peer, refused)
            call.end(Line.hang_up)
        except (OSError, asyncio.CancelledError):
            call.end(Line.lost)
        finally:
            self._tasks.discard(task)
            if not writer.is_closing():
                writer.write(NO_MORE)
            writer.close()


class AudioSocketCall:
    """One connection."""

    def __init__(self, admission: Admission, writer: asyncio.StreamWriter):
        self._admission, self._writer = admission, writer
        self._line: Line | None = None
        self._source: CallSource | None = None
        self._type: int | None = None

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Read the connection to its end. Raises CallRefused and OSError."""
        try:
            async with asyncio.timeout(FIRST_S):
                kind, data = await _packet(reader)
        except (TimeoutError, EOFError):
            raise CallRefused(f"no id of a call came within {FIRST_S:g} s") from None
        if kind != UUID or len(data) != UUID_BYTES:
            raise CallRefused(f"its first packet has type {kind:#04x}; expected 0x01, a UUID")
        self._line = self._admission.open("audiosocket", str(uuid.UUID(bytes=data)), {})
        self._line.drop = self._drop
        watch = IdleWatch(self._admission.settings.idle_s, self._drop)
        try:
            while self._take(*await _packet(reader)):
                watch.touch()
        except EOFError:
            pass  # closing the connection is a hang-up too
        finally:
            watch.cancel()
        self.end(Line.hang_up)

    def end(self, how) -> None:
        """End the line, if there is one, by Line.hang_up or Line.lost."""
        if self._line is not None:
            how(self._line)

    def _take(self, kind: int, data: bytes) -> bool:
        """Take one packet; False if it was the last."""
        if kind == HANG_UP:
            return False
        if kind in RATES_HZ:
            self._hear(kind, data)
        elif kind == ERROR:
            code = data[:1].hex() or "none"
            log.warning("audiosocket: the sender reports an error, code %s", code)
        elif kind != DTMF:
            raise CallRefused(f"a packet has the unknown type {kind:#04x}")
        return True

    def _hear(self, kind: int, data: bytes) -> None:
        assert self._line is not None
        if self._source is None:
            self._source = self._line.begin("1", Wire("s16le", RATES_HZ[kind]))
            self._type = kind
        if kind != self._type:
            raise CallRefused(f"its audio changes from type {self._type:#04x} to {kind:#04x}")
        self._source.push(data)

    def _drop(self, reason: str) -> None:
        if self._line is not None:
            self._line.drop = no_connection
        if not self._writer.is_closing():
            self._writer.write(NO_MORE)
            self._writer.close()


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Type and payload of the next packet. Raises EOFError at the end."""
    head = await reader.readexactly(HEADER_BYTES)
    return head[0], await reader.readexactly(int.from_bytes(head[1:], "big"))
