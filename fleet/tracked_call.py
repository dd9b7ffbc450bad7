"""One track of a call in a detector: its chunks in order, its monitor, and which messages are still
needed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from enum import Enum, auto
from typing import Any, NamedTuple

import numpy as np

from fleet.broker import Delivered
from fleet.call_chunks import CallChunk, Track
from fleet.state_store import Resumed
from radd.flac import flac_bytes, flac_samples
from radd.types import HOP_SAMPLES, AudioChunk, Shed, seconds
from storage.fleet_journal import Position
from stream.monitor import Monitor
from stream.pause import Pauses
from stream.run_events import RunTotals
from stream.tap import Tap
from stream.totals import Totals

WINDOWS = 2  # that are heard again: after one, the detector's longer memories still differ
AT_ONCE_SAMPLES = 8 * HOP_SAMPLES  # of one track in one step
MUCH = 2  # times the limit of lateness, from which even more work is shed
REPLAY_SAMPLES = 32 * HOP_SAMPLES  # heard again in one step, so that other calls are not late
PATIENCE_S = 1.0  # for a chunk that is missing between others
RETURN_S = 10.0  # for the first: the broker delivers new chunks before those it takes back
LOST = "lost between gateway and detector"


class Arrived(NamedTuple):
    """A message, and what it contains."""

    delivered: Delivered
    chunk: CallChunk


class TrackStage(Enum):
    """What a track waits for."""

    LOADING = auto()
    """for its saved state"""
    REPLAYING = auto()
    """for audio that its state already covers"""
    LIVE = auto()
    ENDED = auto()


class TrackedCall:
    """The state of one track, for one thread."""

    def __init__(self, track: Track, partition: int, loaded: Future):
        """`loaded` will have the saved call, or None if there is none."""
        self.track, self.partition, self.loaded = track, partition, loaded
        self.id = track.id
        self.stage = TrackStage.LOADING
        self.monitor: Monitor
        self.taps: Sequence[Tap] = ()
        self.totals = Totals()
        self.next = 0
        """number of the next chunk to process"""
        self.end = 0
        """samples received or lost so far"""
        self.chunks = self.brief_hops = 0
        self.heard = time.monotonic()
        """when its last message came"""
        self.saved = time.monotonic()
        """when its state was last put away"""
        self.is_changed = False
        """whether it was judged further since"""
        self.pauses = Pauses()
        self.is_stopped = False
        """whether an operator has ended it; what comes later is dropped"""
        self._waiting: dict[int, Arrived] = {}
        self._hole: float | None = None
        self._taken = False
        self._origin: float | None = None
        self._needed: deque[tuple[int, int, Delivered]] = deque()
        self._saves: deque[tuple[int, int]] = deque()
        self._number = 0
        self._state: dict[str, Any] = {}
        self._replay_end = self._encode_from = 0
        self._clip: tuple[int, bytes] = (0, b"")

    def receive(self, delivered: Delivered, chunk: CallChunk) -> bool:
        """Take a message; False if it was processed before and is not needed."""
        self.heard = time.monotonic()
        if (
            self.is_stopped
            or chunk.sequence in self._waiting
            or (self.stage is not TrackStage.LOADING and chunk.sequence < self.next)
        ):
            return False
        if not self._waiting:
            self._origin = self.heard - seconds(chunk.audio.end)
        self._waiting[chunk.sequence] = Arrived(delivered, chunk)
        return True

    @property
    def is_ready(self) -> bool:
        """Whether take() has something."""
        if self.stage in (TrackStage.LOADING, TrackStage.ENDED) or not self._waiting:
            return False
        if min(self._waiting) == self.next:
            self._hole = None
            return True
        self._hole = self._hole or time.monotonic()
        return time.monotonic() - self._hole > (PATIENCE_S if self._taken else RETURN_S)

    def take(self, late_s: float) -> tuple[AudioChunk, Shed, bool]:
        """The next audio, at most AT_ONCE_SAMPLES if it may be scored in full, or REPLAY_SAMPLES of
        what was judged before; what may be shed, and whether the track ends with it. A chunk that
        stays missing is a gap.
        """
        self.next, self._taken = min(self._waiting), True
        first = self._waiting[self.next].chunk
        shed = self._shed(first, late_s)
        taken: list[CallChunk] = []
        while (arrived := self._waiting.get(self.next)) is not None and (
            not taken or self._joins(taken, arrived.chunk, shed)
        ):
            del self._waiting[self.next]
            taken.append(arrived.chunk)
            self._needed.append((arrived.chunk.audio.end, self.next, arrived.delivered))
            self.next += 1
        last = taken[-1]
        audio = replace(
            first.audio,
            samples=np.concatenate([chunk.audio.samples for chunk in taken]),
            arrived=time.monotonic() - (time.time() - last.captured),
        )
        self.chunks += len(taken)
        return self._from_end(audio), shed, last.ended

    def resume(self, saved: Resumed, monitor: Monitor, window_samples: int) -> list[Delivered]:
        """Go on from the saved state of another process, or after the track's end; the messages
        that are not needed for that. The encoder hears the last `window_samples` again.
        """
        self.monitor, self._replay_end = monitor, saved.end
        self._encode_from = saved.end - window_samples
        state, begin = saved.state, saved.state["replay_from"]
        self.totals.restore(state["totals"])
        self.chunks, self.brief_hops = state["counts"]
        self.pauses.restore(state["pause"])
        if state["monitor"] is None:
            monitor.start_at(saved.end)
        else:
            monitor.restore(state["monitor"], flac_samples(saved.clip), begin)
        self.end, self.stage = begin, TrackStage.REPLAYING
        self.next = state["first"]
        unneeded = [number for number in self._waiting if number < self.next]
        return [self._waiting.pop(number).delivered for number in unneeded]

    def start(self, monitor: Monitor) -> None:
        """Begin; no process has judged this track before."""
        self.monitor, self.stage = monitor, TrackStage.LIVE

    def split(self, audio: AudioChunk) -> tuple[AudioChunk | None, AudioChunk | None]:
        """The part that was judged before, and the part that is new."""
        at = self._replay_end - audio.start
        if self.stage is not TrackStage.REPLAYING or at <= 0:
            self.stage = TrackStage.LIVE
            return None, audio
        if audio.end < self._replay_end:
            return audio, None
        self.stage = TrackStage.LIVE
        later = replace(audio, samples=audio.samples[at:], start=self._replay_end, cause=None)
        before = replace(audio, samples=audio.samples[:at])
        return before, later if len(later.samples) else None

    def refuse(self) -> list[Delivered]:
        """An operator has ended the track: the messages that wait, and none later, are needed."""
        self.is_stopped, self.stage = True, TrackStage.ENDED
        left = [arrived.delivered for arrived in self._waiting.values()]
        self._waiting.clear()
        return left

    def skips(self, before: AudioChunk) -> Shed:
        """What the detector may skip of audio that was judged before: its scores, and in what no
        later window reaches also its blocks.
        """
        return Shed.BLOCKS if before.start < self._encode_from else Shed.HOPS

    def state(self, window_hops: int, period_hops: int) -> tuple[Position, dict[str, Any], bytes]:
        """What another process needs to go on: the position up to which all is judged, the state,
        and the FLAC bytes of an open alert's clip. Messages before its `replay_from` are released
        by confirmed().
        """
        snapshot, clip = self.monitor.snapshot()
        if len(clip) != self._clip[0]:
            self._clip = (len(clip), flac_bytes(clip))
        needed = self.monitor.needed_from(WINDOWS * window_hops, period_hops)
        return self._put_away(self.monitor.end, needed, snapshot), self._state, self._clip[1]

    def ending(self) -> tuple[Position, dict[str, Any]]:
        """What is stored at the end of the track: where it goes on if more of it comes later."""
        position = self._put_away(self.end, self.end, None)
        self.stage = TrackStage.ENDED
        return position, self._state

    def _put_away(self, end: int, needed: int, snapshot: dict[str, Any] | None) -> Position:
        self._state = {
            "monitor": snapshot,
            "replay_from": needed,
            "first": next((n for end, n, _ in self._needed if end > needed), self.next),
            "totals": self.totals.snapshot(),
            "pause": self.pauses.snapshot(),
            "stopped": self.is_stopped,
            "counts": [self.chunks, self.brief_hops],
        }
        self._number += 1
        self._saves.append((self._number, needed))
        self.saved, self.is_changed = time.monotonic(), False
        return Position(self._number, end, self.next)

    def confirmed(self, number: int, release: Callable[[Delivered], None]) -> None:
        """The database has save `number`: release the messages that are not needed after it."""
        needed = -1
        while self._saves and self._saves[0][0] <= number:
            _, needed = self._saves.popleft()
        while self._needed and self._needed[0][0] <= needed:
            release(self._needed.popleft()[-1])

    def left(self) -> list[Arrived]:
        """The messages that have not been processed."""
        return list(self._waiting.values())

    @property
    def is_saved(self) -> bool:
        """Whether the database has everything that was put away."""
        return not self._saves

    def run_totals(self, storage: dict[str, int]) -> RunTotals:
        """Counts of the track so far, in all processes; `storage` are those of the journal."""
        totals = self.totals
        return {
            "sound_s": seconds(self.end),
            "chunks": self.chunks,
            "scores": totals.scores,
            "measured": totals.measured,
            "alerts": totals.alerts,
            "gaps": totals.losses.gaps,
            "lost_s": seconds(totals.losses.lost_samples),
            "drops": 0,
            "overruns": 0,
            "shed_hops": totals.shed,
            "brief_hops": self.brief_hops,
            "storage": storage,
        }

    def _shed(self, first: CallChunk, late_s: float) -> Shed:
        if self.stage is not TrackStage.LIVE or not late_s or self._origin is None:
            return Shed.NOTHING
        late = (time.monotonic() - self._origin - seconds(first.audio.end)) / late_s
        return Shed.NOTHING if late <= 1 else Shed.HOPS if late <= MUCH else Shed.BLOCKS

    def _joins(self, taken: list[CallChunk], chunk: CallChunk, shed: Shed) -> bool:
        """Whether a chunk can be judged in one step with those before it."""
        before = taken[-1]
        follows = chunk.audio.start == before.audio.end and not chunk.audio.cause
        is_sound = not (before.audio.damaged or chunk.audio.damaged)
        begin, end = taken[0].audio.start, chunk.audio.end
        if self.stage is TrackStage.REPLAYING:
            is_alike = not begin < self._encode_from < end
            return follows and is_sound and is_alike and end - begin <= REPLAY_SAMPLES
        return follows and is_sound and (shed > 0 or end - begin <= AT_ONCE_SAMPLES)

    def _from_end(self, audio: AudioChunk) -> AudioChunk:
        """Without what came before, and with a cause if something is missing."""
        if audio.start < self.end:
            skip = min(len(audio.samples), self.end - audio.start)
            audio = replace(audio, samples=audio.samples[skip:], start=self.end)
        elif audio.start > self.end and audio.cause is None:
            audio = replace(audio, cause=LOST)
        self.end = audio.end
        return audio
