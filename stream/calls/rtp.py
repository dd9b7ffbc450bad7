"""rtp:// and sdp: - RTP as an SBC or media proxy forks it. FFmpeg puts the packets in order."""

from __future__ import annotations

import asyncio
import logging
import socket
import uuid
from dataclasses import replace
from functools import partial

from radd.containers import RtpFile
from radd.errors import DeviceError
from radd.ogg import Readable
from radd.types import Call
from stream.calls import sdp
from stream.calls.address import Address
from stream.calls.admission import Admission, CallRefused, Leave, Line
from stream.calls.decoded import DecodedSource
from stream.calls.sdp import RtpTrack
from stream.calls.settings import CallSettings
from stream.calls.source import CallSource, Wire

HEADER_BYTES, RTCP_BYTES = 12, 8
VERSION = 2
RTCP = range(192, 224)  # second byte of what is control, not media (RFC 5761)
BYE = 203
RECEIVE_BYTES = 1 << 20  # what the kernel keeps while this program is busy
PORTS = 2  # of a track: the second one is that of RTCP where it is not multiplexed (RFC 3550)
REFUSED_S = 10.0  # after which a call that was refused may be tried again

log = logging.getLogger(__name__)


class RtpListener:
    """One call at a time on the ports of a description: it begins with the first packet and ends
    with RTCP BYE, or when none of its tracks has sent for reconnect_s.
    """

    def __init__(self, address: Address, tracks: list[RtpTrack], admission: Admission):
        """`address` says who may send. Raises ConfigError if all other machines could."""
        address.need_networks()
        self.address, self.admission, self.name = address, admission, address.name
        self._tracks = tracks
        self._transports: list[asyncio.DatagramTransport] = []
        self._line: Line | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last = self._refused_until = 0.0
        self._is_stopped = False
        """whether the call that still sends was stopped by an operator"""
        self.strangers = 0
        """packets from senders that ?from= does not name"""

    @property
    def port(self) -> int:
        """The port of the first track, also where the address says 0: any."""
        return self._transports[0].get_extra_info("sockname")[1]

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        for number, track in enumerate(self._tracks, 1):
            try:
                transport, _ = await loop.create_datagram_endpoint(
                    partial(RtpPort, self, str(number), track),
                    local_addr=(self.address.host, track.port),
                )
            except OSError as error:
                raise DeviceError(
                    f"--listen {self.name}: port {track.port}: {error.strerror or error}; expected "
                    "an address of this machine and a port that is free"
                ) from None
            connected = transport.get_extra_info("socket")
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            self._transports.append(transport)

    async def close(self) -> None:
        self._end()
        for transport in self._transports:
            transport.close()

    def source(self, name: str, track: RtpTrack) -> DecodedSource | None:
        """The source of a track that sends; None if its call is refused."""
        loop = asyncio.get_running_loop()
        self._last = loop.time()
        if self._is_stopped or self._last < self._refused_until:
            return None
        try:
            if self._line is None:
                self._line = self.admission.open("rtp", str(uuid.uuid4()), {})
                self._line.drop = self._stop
                self._timer = loop.call_later(self._quiet_s, self._look)
            # _source, below, makes the sources of this line: each is a DecodedSource
            return self._line.begin(  # type: ignore[return-value]
                name, Wire(track.codec, track.rate_hz), partial(_source, track)
            )
        except CallRefused as refused:
            log.warning("%s: a call was refused: %s", self.name, refused)
            self._refused_until = self._last + REFUSED_S
            self._end()
            return None

    def hang_up(self) -> None:
        """A track has said that the call is over."""
        self._end()

    @property
    def _quiet_s(self) -> float:
        return max(self.admission.settings.reconnect_s, self.admission.settings.stall_s)

    def _look(self) -> None:
        """End a call that is quiet."""
        loop = asyncio.get_running_loop()
        left_s = self._last + self._quiet_s - loop.time()
        if left_s > 0:
            self._timer = loop.call_later(left_s, self._look)
        else:
            self._end()

    def _stop(self, reason: str) -> None:
        """Hear no more of this call, though its packets may still come: until they cease."""
        self._is_stopped, self._line = True, None

    def _end(self) -> None:
        line, self._line, self._is_stopped = self._line, None, False
        if self._timer is not None:
            self._timer.cancel()
        if line is not None:
            line.hang_up()


class RtpPort(asyncio.DatagramProtocol):
    """The port of one track."""

    def __init__(self, listener: RtpListener, name: str, track: RtpTrack):
        self._listener, self._name, self._track = listener, name, track

    def datagram_received(self, data: bytes, addr: tuple) -> None:
        listener = self._listener
        if not listener.address.allows(addr[0]):
            listener.strangers += 1
            if listener.strangers == 1:
                log.warning(
                    "%s: packets from %s are dropped: ?from= does not name it",
                    listener.name,
                    addr[0],
                )
            return
        if len(data) < RTCP_BYTES or data[0] >> 6 != VERSION:
            return
        if data[1] in RTCP:
            if says_bye(data):
                listener.hang_up()
        elif len(data) > HEADER_BYTES and data[1] & 0x7F == self._track.payload:
            source = listener.source(self._name, self._track)
            if source is not None:
                source.receive(data)


def says_bye(data: bytes) -> bool:
    """Whether one of the RTCP packets in a datagram is BYE."""
    at = 0
    while at + RTCP_BYTES <= len(data):
        if data[at + 1] == BYE:
            return True
        at += 4 * (1 + int.from_bytes(data[at + 2 : at + 4], "big"))
    return False


def _source(
    track: RtpTrack, call: Call, scheme: str, wire: Wire, settings: CallSettings, leave: Leave
) -> CallSource:
    def opener(packets: Readable) -> RtpFile:
        return RtpFile(track.description, packets, f"{scheme} {call.id} {call.track}")

    return DecodedSource(call, scheme, wire, settings, leave, opener)


def rtp_tracks(address: Address) -> list[RtpTrack]:
    """The tracks of rtp://HOST:PORT?sdp=FILE or ?format=NAME: the first at the port, the next two
    ports higher. Raises ConfigError.
    """
    if "sdp" not in address.options:
        return [sdp.named(address.options.get("format", "pcmu"), address.port)]
    found = sdp.read(address.options["sdp"])
    return [
        replace(track, port=address.port + PORTS * k if address.port else 0)
        for k, track in enumerate(found)
    ]
