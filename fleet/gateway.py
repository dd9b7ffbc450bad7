"""A gateway: takes audio from sources and publishes it, without judging it."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fleet.broker import Load, Publisher
from fleet.call_chunks import CallChunk, Track, encode, partition_of
from fleet.settings import FleetSettings
from radd.errors import BrokerUnreachable
from radd.types import SAMPLE_RATE_HZ, AudioChunk, Call, Source, seconds

BUSY = 0.9  # of a detector's time; above it, it gets no new calls
FINISH_S = 10.0  # for the broker to confirm the rest of a track that has ended
MESSAGE_SAMPLES = 16_000  # longer chunks are published in parts

log = logging.getLogger(__name__)


class OutgoingTrack:
    """One source on its way to the broker. Audio that the broker has not confirmed is kept, up to
    buffer_s; later audio with a clock is dropped, counted and marked as a gap, later audio of a
    recording waits.
    """

    def __init__(self, track: Track, publisher: Publisher, settings: FleetSettings):
        self.track = track
        self._publisher, self._settings = publisher, settings
        self._limit = round(settings.buffer_s * SAMPLE_RATE_HZ)
        self._room = threading.Condition()
        self._kept = self._sequence = 0
        self._cause: str | None = None
        self.end = 0
        self.published = self.dropped_samples = self.refused_samples = 0
        self._stopped = False

    def offer(self, chunk: AudioChunk) -> None:
        """Publish a chunk, in parts if it is long."""
        for at in range(0, max(1, len(chunk.samples)), MESSAGE_SAMPLES):
            samples = chunk.samples[at : at + MESSAGE_SAMPLES]
            cause = chunk.cause if at == 0 else None
            part = replace(chunk, samples=samples, start=chunk.start + at, cause=cause)
            self._offer(part)

    def finish(self, timeout_s: float) -> bool:
        """Publish the end of the track; whether the broker has confirmed everything in time."""
        nothing = np.zeros(0, np.float32)
        self._publish(AudioChunk(nothing, self.end, self._cause), ended=True)
        with self._room:
            return self._room.wait_for(lambda: not self._kept, timeout_s)

    def stop(self) -> None:
        """Wait for room no longer."""
        with self._room:
            self._stopped = True
            self._room.notify_all()

    def _offer(self, chunk: AudioChunk) -> None:
        self.end = chunk.end
        with self._room:
            if chunk.arrived is None:
                self._room.wait_for(lambda: self._has_room(chunk) or self._stopped)
            if not self._has_room(chunk):
                if self._cause is None:
                    log.warning("%s: %s", self.track.source, self._why())
                self._cause = self._cause or chunk.cause or self._why()
                self.dropped_samples += len(chunk.samples)
                return
        cause, self._cause = chunk.cause or self._cause, None
        self._publish(replace(chunk, cause=cause), ended=False)

    def _publish(self, chunk: AudioChunk, ended: bool) -> None:
        size = len(chunk.samples) + 1
        late_s = 0.0 if chunk.arrived is None else time.monotonic() - chunk.arrived
        message = CallChunk(
            self.track, self._sequence, replace(chunk, arrived=None), time.time() - late_s, ended
        )
        self._sequence += 1
        with self._room:
            self._kept += size
        encoded = encode(message, self._settings.samples)
        self._publisher.publish(
            self.track.partition, encoded, lambda kept: self._settled(size, kept)
        )

    def _settled(self, size: int, kept: bool) -> None:
        with self._room:
            self._kept -= size
            self.published += kept
            self.refused_samples += 0 if kept else size - 1
            self._room.notify_all()

    def _has_room(self, chunk: AudioChunk) -> bool:
        return self._kept + len(chunk.samples) <= self._limit

    def _why(self) -> str:
        problem = self._publisher.problem or "the broker is too slow"
        return (
            f"the gateway's buffer of {self._settings.buffer_s:g} s is full, audio is dropped "
            f"({problem})"
        )

    @property
    def lost_s(self) -> float:
        """Seconds that were dropped here or refused by a full queue."""
        return seconds(self.dropped_samples + self.refused_samples)


class Gateway:
    """Publishes sources, each in a thread of its own, as tracks of calls."""

    def __init__(self, publisher: Publisher, settings: FleetSettings):
        self._publisher, self._settings = publisher, settings
        self._lock = threading.Lock()
        self._running: dict[str, OutgoingTrack] = {}
        self.refused = 0
        """new calls that were refused"""

    def refusal(self, call: str) -> str | None:
        """Why a new call cannot be taken; None if it can. Calls that are here are not affected."""
        reason = self._refusal(partition_of(call, self._settings.partitions))
        self.refused += reason is not None
        return reason

    def refusal_of_all(self) -> str | None:
        """Why no call at all can be taken now; returns at once."""
        if self._publisher.problem is not None:
            return f"the broker cannot be reached: {self._publisher.problem}"
        if len(self._running) >= self._settings.calls:
            return f"this gateway carries {len(self._running)} tracks, [fleet] calls allows no more"
        loads = self._publisher.loads()
        if loads and all(self._is_full(load) for load in loads):
            return f"all {len(loads)} detectors are at their limit; add one"
        return None

    def _refusal(self, partition: int) -> str | None:
        if (reason := self.refusal_of_all()) is not None:
            return reason
        try:
            if not self._publisher.consumers(partition):
                return (
                    f"no detector consumes {self._settings.queue(partition)}; start detect.py "
                    "--consume with the same [fleet] prefix and partitions"
                )
        except BrokerUnreachable as error:
            return str(error)
        for load in self._publisher.loads():
            if partition in load.partitions and self._is_full(load):
                return (
                    f"detector {load.detector} is at its limit: {load.lag_s:.1f} s late, busy "
                    f"{100 * load.busy:.0f} % of the time; add a detector"
                )
        return None

    def _is_full(self, load: Load) -> bool:
        return load.lag_s > self._settings.late_s or load.busy > BUSY

    def carry(self, source: Source, say: Callable[[str], None]) -> OutgoingTrack:
        """Publish an open source until it ends; `say` is told when it begins and ends."""
        outgoing = OutgoingTrack(self._track(source), self._publisher, self._settings)
        track = outgoing.track
        with self._lock:
            self._running[track.id] = outgoing
        say(f"{track.source}: call {track.call}, track {track.track}, partition {track.partition}")
        try:
            for chunk in source:
                outgoing.offer(chunk)
        finally:
            is_whole = outgoing.finish(FINISH_S)
            with self._lock:
                del self._running[track.id]
            rest = "" if is_whole else "; the broker has not confirmed all of it"
            say(
                f"{track.source}: {seconds(outgoing.end):.1f} s published, {outgoing.lost_s:.1f} s "
                f"lost{rest}"
            )
        return outgoing

    def stop(self) -> None:
        """Let tracks that wait for room drop what they wait with."""
        with self._lock:
            for outgoing in self._running.values():
                outgoing.stop()

    def _track(self, source: Source) -> Track:
        named = getattr(source, "call", None)
        call = named or Call(uuid.uuid4().hex, "1")
        return Track(
            call.id,
            call.track,
            time.time(),
            source.name,
            source.native_rate_hz,
            partition_of(call.id, self._settings.partitions),
            dict(call.details),
        )
