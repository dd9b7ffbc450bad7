"""A track of a call that FFmpeg decodes: packets or bytes go in, audio comes out of a thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

import numpy as np

from radd.containers import ContainerFile, NotSound
from radd.errors import AudioError
from radd.ogg import Readable
from radd.resampling import Piece, PieceConverter
from radd.types import SAMPLE_RATE_HZ, Call
from stream.calls.settings import CallSettings
from stream.calls.source import CallSource, Wire

FILLED_S = 0.06  # a shorter loss is filled with silence: a window survives a few lost packets
QUEUED = 1_000  # packets that wait for the decoder; when full, new ones are dropped
DECODED = Wire("f32le", SAMPLE_RATE_HZ)

log = logging.getLogger(__name__)

Opener = Callable[[Readable], ContainerFile]
"""opens what comes through a Pipe. Raises AudioError"""


class Pipe:
    """Packets from the thread of the network to that of a decoder, bounded."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[bytes] = SimpleQueue()
        self._rest = b""
        self.is_closed = False
        self.drops = 0

    def __len__(self) -> int:
        return self._queue.qsize()

    def put(self, packet: bytes) -> None:
        """Add a packet, or drop it if too many wait."""
        if len(self) >= QUEUED:
            self.drops += 1
        elif packet and not self.is_closed:
            self._queue.put(packet)

    def close(self) -> None:
        """Nothing more comes."""
        self.is_closed = True
        self._queue.put(b"")

    def read(self, size: int, /) -> bytes:
        """The next packet, or the next `size` bytes of it; nothing at the end."""
        if not self._rest and not (self.is_closed and not len(self)):
            self._rest = self._queue.get()
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


class DecodedSource(CallSource):
    """A CallSource whose audio a thread of its own decodes. The network's thread calls receive(),
    rejoin() and finish().
    """

    def __init__(
        self,
        call: Call,
        scheme: str,
        wire: Wire,
        settings: CallSettings,
        leave: Callable[[CallSource], None],
        opener: Opener,
    ):
        """`wire` is how the track is encoded, for display."""
        super().__init__(call, scheme, DECODED, settings, leave)
        self.native_rate_hz, self.wire, self._opener = wire.rate_hz, wire, opener
        self.pipe = Pipe()
        self._heard = 0
        threading.Thread(target=self._decode, name=f"decoder of {scheme}", daemon=True).start()

    @property
    def is_full(self) -> bool:
        return super().is_full or len(self.pipe) >= QUEUED // 2

    def receive(self, packet: bytes) -> None:
        """The next packet of the track."""
        if not self.is_over:
            self.pipe.put(packet)

    def rejoin(self) -> None:
        pass  # the time stamps of the packets, or the stall, report the loss

    def finish(self) -> None:
        self.pipe.close()  # the decoder finishes once it has read what waits

    def stop(self) -> None:
        super().stop()
        self.pipe.close()

    def stats(self) -> dict[str, int]:
        counts = super().stats()
        return counts | {"drops": counts["drops"] + self.pipe.drops}

    def _decode(self) -> None:
        """The decoder's thread."""
        converter = PieceConverter()
        try:
            with self._opener(self.pipe) as file:
                for piece in file.pieces():
                    self._pass_on(converter, filled(piece))
                    if self.is_over:
                        break
        except NotSound:
            if not self.pipe.is_closed:
                log.warning("%s: what it sends cannot be decoded", self.name)
        except AudioError as error:
            log.warning("%s: %s", self.name, error)
        for chunk in converter.flush():
            self.push(chunk.samples.tobytes())
        super().finish()

    def _pass_on(self, converter: PieceConverter, piece: Piece) -> None:
        for chunk in converter.push(piece):
            if chunk.cause and chunk.start > self._heard:
                self.skip(chunk.start - self._heard, chunk.cause)
            self.push(chunk.samples.tobytes())
            self._heard = chunk.end


def filled(piece: Piece) -> Piece:
    """The piece with silence for a short loss before it."""
    if not 0 < piece.lost_s <= FILLED_S:
        return piece
    silence = np.zeros((round(piece.lost_s * piece.rate_hz), piece.frames.shape[1]), np.float32)
    return Piece(np.concatenate([silence, piece.frames]), piece.rate_hz)
