"""One track of a call as a Source: filled from the network, read by the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from radd.resampling import Converter
from radd.types import SAMPLE_RATE_HZ, AudioChunk, Call
from stream.calls.settings import CallSettings
from stream.capture.capture_queue import CaptureQueue
from stream.capture.pcm import PcmFrames

BLOCK_S = 0.064  # packets are handed over in parts of this length: fewer wake-ups, little delay
WAITS = 8  # this many empty waits in a row are a stall
TOLERANCE_S = 0.06  # the sender's time stamps may differ from its audio by so much
LONGEST_JUMP_S = 3_600.0  # a longer step of the time stamps is another timeline
OVERLOADED = "the detector was too slow: the queue of the call was full"
SKIPPED = "the sender left audio out"
BROKEN = "the connection was lost"


class Wire(NamedTuple):
    """How a track is encoded."""

    format: str
    """one of PCM_FORMATS"""
    rate_hz: int


class Packet(NamedTuple):
    """Audio on its way from the network to the run."""

    data: bytes
    first: int
    """frames that the track had before it, received or lost"""
    frames: int
    arrived: float
    """time.monotonic() in seconds of its last byte"""
    cause: str
    """why frames are missing before it, if there are any"""
    rejoined: bool
    """whether the connection was lost before it"""


class CallSource:
    """A Source for one track of a call. The network's thread calls push(), rejoin() and finish().

    A queue holds queue_s of audio; when it is full, the oldest is dropped, counted and reported as
    a gap. A track that sends nothing for stall_s is reported as a loss, and continues at the
    position given by the clock. After finish() what waits is still read.
    """

    def __init__(
        self,
        call: Call,
        scheme: str,
        wire: Wire,
        settings: CallSettings,
        leave: Callable[[CallSource], None],
    ):
        """`leave` is called, from any thread, when nobody reads the source any more."""
        self.call, self.wire, self._leave = call, wire, leave
        self.name = f"{scheme} {call.id} {call.track}"
        self.native_rate_hz = self._rate_hz = wire.rate_hz
        self.native_channels = 1
        self._frames = PcmFrames(wire.format, 1)
        self._stall_s = settings.stall_s
        self._inbox: CaptureQueue[Packet] = CaptureQueue(round(settings.queue_s / BLOCK_S))
        self._block_bytes = round(BLOCK_S * wire.rate_hz) * self._frames.frame_bytes
        # of the network's thread
        self._pending, self._cause, self._rejoined = b"", "", False
        self._received = self._sent = 0
        self._zero: int | None = None
        # of the reading thread
        self._converter: Converter | None = Converter(wire.rate_hz, 1)
        self._expected = self._end = self._told = 0
        self._end_time = time.monotonic()
        self._stopped = self._finished = False
        self._chunks = self._reopened = 0

    def __enter__(self) -> CallSource:
        return self

    def __exit__(self, *exc) -> None:
        self._leave(self)

    @property
    def is_over(self) -> bool:
        """Whether it takes no more audio."""
        return self._stopped or self._finished

    @property
    def is_full(self) -> bool:
        """Whether the next packet may cost the oldest one; a sender that can wait should."""
        return len(self._inbox) >= self._inbox.length * 3 // 4

    def push(self, data: bytes, at_s: float | None = None) -> None:
        """The next bytes of the track; `at_s` is the sender's time stamp of their beginning."""
        if self.is_over:
            return
        lost = 0 if at_s is None else self._skipped(at_s)
        if lost:
            self.skip(lost, SKIPPED)
        self._pending += data
        self._received += len(data) // self._frames.frame_bytes
        if len(self._pending) >= self._block_bytes:
            self._send()

    def skip(self, frames: int, cause: str) -> None:
        """Frames are missing here."""
        self._send()
        self._received += frames
        self._sent, self._cause = self._received, cause

    def rejoin(self) -> None:
        """The sender has connected again: what comes is the same track, after a loss."""
        self._send()
        self._pending, self._rejoined, self._zero = b"", True, None
        self._reopened += 1

    def finish(self) -> None:
        """The call is over: what has come is still read."""
        if not self.is_over:
            self._send()
            self._finished = True
            self._inbox.wake()

    def stop(self) -> None:
        self._stopped = True
        self._inbox.wake()
        self._leave(self)

    def stats(self) -> dict[str, int]:
        return {
            "chunks": self._chunks,
            "drops": self._inbox.drops,
            "queue_depth": len(self._inbox),
            "queue_length": self._inbox.length,
            "reopened": self._reopened,
        }

    def __iter__(self) -> Iterator[AudioChunk]:
        for chunk in self._listen():
            if len(chunk.samples) or chunk.cause:
                self._chunks += 1
                yield chunk

    def _skipped(self, at_s: float) -> int:
        """Frames that are missing before a packet, by its time stamp."""
        at = round(at_s * self._rate_hz)
        if self._zero is None:
            self._zero = at - self._received
        lost = at - self._zero - self._received
        if not 0 <= lost <= LONGEST_JUMP_S * self._rate_hz:
            self._zero = at - self._received
            return 0
        return lost if lost > TOLERANCE_S * self._rate_hz else 0

    def _send(self) -> None:
        whole = len(self._pending) // self._frames.frame_bytes * self._frames.frame_bytes
        if whole:
            data, self._pending = self._pending[:whole], self._pending[whole:]
            frames = whole // self._frames.frame_bytes
            now = time.monotonic()
            self._inbox.put(Packet(data, self._sent, frames, now, self._cause, self._rejoined))
            self._sent += frames
            self._cause, self._rejoined = "", False

    def _listen(self) -> Iterator[AudioChunk]:
        # counted instead of timed, because the clock also runs while the whole process is paused
        empty_waits = 0
        while not self._stopped:
            packet = self._inbox.take(self._stall_s / WAITS)
            if packet is not None:
                empty_waits = 0
                yield from self._accept(packet)
            elif self._finished and not len(self._inbox):
                break
            else:
                empty_waits += 1
            if empty_waits >= WAITS:
                empty_waits = 0
                yield from self._lose(f"{self.name} sends no audio")
                self._told = self._now(time.monotonic())
                yield AudioChunk(np.zeros(0, np.float32), self._told, self._outage)
        yield from self._lose("")

    def _accept(self, packet: Packet) -> Iterator[AudioChunk]:
        lost, self._expected = packet.first - self._expected, packet.first + packet.frames
        if packet.rejoined:
            yield from self._lose(BROKEN)
        if self._converter is None:
            began = packet.arrived - packet.frames / self._rate_hz
            start = max(self._told, self._end, self._now(began))
            self._converter = Converter(self._rate_hz, 1, start, self._outage)
        elif lost > 0:
            yield self._converter.flush(self._end_time)
            start = self._converter.end + round(lost * SAMPLE_RATE_HZ / self._rate_hz)
            cause = packet.cause or OVERLOADED
            self._converter = Converter(self._rate_hz, 1, start, cause)
        self._end_time = packet.arrived
        yield self._converter.push(self._frames.push(packet.data), packet.arrived)

    def _lose(self, cause: str) -> Iterator[AudioChunk]:
        """All received audio, up to an outage or the end."""
        if self._converter is not None:
            self._outage = cause
            yield self._converter.flush(self._end_time)
            self._end, self._converter = self._converter.end, None

    def _now(self, time_s: float) -> int:
        """The sample position at a time after the audio stopped."""
        return self._end + max(0, round((time_s - self._end_time) * SAMPLE_RATE_HZ))
