"""Gives each call that comes its place, its sources, and its streams back when it comes again."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from queue import SimpleQueue

from radd.types import Call
from stream.calls.settings import CallSettings
from stream.calls.source import CallSource, Wire

log = logging.getLogger(__name__)

MOST_TRACKS = 16  # of one call
NAME_CHARACTERS = 128  # of a call's id, a track, and a detail's name
VALUE_CHARACTERS = 1_000
STOPPED = 1_000  # ids of calls that an operator stopped, which are not taken again


Leave = Callable[[CallSource], None]
Maker = Callable[[Call, str, Wire, CallSettings, Leave], CallSource]
"""CallSource, or a class with more to do"""


def no_connection(reason: str) -> None:
    """`drop` of a Line without a connection."""


class CallRefused(Exception):
    """A call, or a track of it, that is not taken; the text says why, also to the sender."""


class Line:
    """The connection of one call, for the thread of the network. Its tracks begin with their first
    audio.
    """

    def __init__(self, admission: Admission, scheme: str, id: str, details: Mapping[str, str]):
        self.admission, self.scheme, self.id, self.details = admission, scheme, id, details
        self.tracks: dict[str, CallSource] = {}
        self.drop: Callable[[str], None] = no_connection
        """ends the connection, for a reason in words"""
        self.waiting: asyncio.TimerHandle | None = None
        """ends the call if its sender does not come back"""
        self.may_return = True
        """whether the sender names the call, and could come back to it"""

    @property
    def name(self) -> str:
        return f"{self.scheme} {self.id}"

    @property
    def is_full(self) -> bool:
        """Whether a sender that can wait should."""
        return any(source.is_full for source in self.tracks.values())

    def begin(self, track: str, wire: Wire, make: Maker = CallSource) -> CallSource:
        """The source of a track, made by `make`. Raises CallRefused if there is no place left."""
        track = track[:NAME_CHARACTERS] or "1"
        source = self.tracks.get(track)
        if source is None:
            source = self.tracks[track] = self.admission.begin(self, track, wire, make)
        if source.wire != wire:
            raise CallRefused(
                f"{source.name} comes back as {wire.format} at {wire.rate_hz} Hz; it was "
                f"{source.wire.format} at {source.wire.rate_hz} Hz"
            )
        return source

    def lost(self) -> None:
        """The connection is gone, and the sender may come back with the same id."""
        self.admission.hold(self)

    def hang_up(self) -> None:
        """The call is over."""
        self.admission.end(self)


class Admission:
    """Which calls are here: at most `streams` tracks at once, each call once.

    All methods but leave() and take() are for the thread of the network. A call whose id is here
    already replaces the connection that it had, which is dead or a mistake.
    """

    def __init__(self, settings: CallSettings):
        self.settings = settings
        self._lines: dict[tuple[str, str], Line] = {}
        self._lock = threading.Lock()
        self._places: set[CallSource] = set()
        self._come: SimpleQueue[CallSource] = SimpleQueue()
        self._stopped: deque[tuple[str, str]] = deque(maxlen=STOPPED)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.wake: Callable[[], None] = lambda: None
        """called whenever a source has come"""
        self.refusal: Callable[[], str | None] = lambda: None
        """says why no call can be taken now, None if one can; must return at once"""
        self.is_closed = False

    def check_room(self) -> None:
        """Raise CallRefused if no call can be taken now."""
        if self.is_closed:
            raise CallRefused("this program is shutting down; call again later")
        if (reason := self.refusal()) is not None:
            raise CallRefused(reason)
        with self._lock:
            taken = len(self._places)
        if taken >= self.settings.streams:
            raise CallRefused(
                f"{taken} streams of calls already, as many as [calls] streams allows; call again "
                "later"
            )

    def open(self, scheme: str, id: str, details: Mapping[str, str]) -> Line:
        """The line of a call that has come, or come back. Raises CallRefused."""
        key = scheme, id[:NAME_CHARACTERS]
        if key in self._stopped:
            raise CallRefused(f"{scheme} {key[1]} was stopped here")
        before = self._lines.get(key)
        if before is None:
            self.check_room()
        self._loop = asyncio.get_running_loop()
        kept = {
            name[:NAME_CHARACTERS]: str(value)[:VALUE_CHARACTERS]
            for name, value in details.items()
            if name.lower() in self.settings.kept
        }
        line = self._lines[key] = Line(self, scheme, key[1], kept)
        if before is not None:
            line.tracks = self._taken_over(before)
        return line

    def begin(self, line: Line, track: str, wire: Wire, make: Maker) -> CallSource:
        """A source for one more track of a call. Raises CallRefused."""
        if len(line.tracks) >= MOST_TRACKS:
            raise CallRefused(f"{line.name} has more than {MOST_TRACKS} tracks")
        self.check_room()
        call = Call(line.id, track, line.details)
        source = make(call, line.scheme, wire, self.settings, self.leave)
        with self._lock:
            self._places.add(source)
        self._come.put(source)
        self.wake()
        return source

    def hold(self, line: Line) -> None:
        """Wait for a call whose connection is gone."""
        if not self._is_current(line):
            return
        line.drop = no_connection
        waits = line.may_return and line.tracks and self.settings.reconnect_s
        if not waits or self.is_closed:
            self.end(line)
            return
        log.warning(
            "%s: the connection was lost; waiting %g s for it", line.name, self.settings.reconnect_s
        )
        loop = asyncio.get_running_loop()
        line.waiting = loop.call_later(self.settings.reconnect_s, self.end, line)

    def end(self, line: Line) -> None:
        """A call is over; its tracks are read to their end."""
        if not self._is_current(line):
            return
        del self._lines[line.scheme, line.id]
        if line.waiting is not None:
            line.waiting.cancel()
        for source in line.tracks.values():
            source.finish()

    def leave(self, source: CallSource) -> None:
        """Nobody reads a source any more; may be called from any thread, more than once."""
        with self._lock:
            is_new = source in self._places
            self._places.discard(source)
        loop = self._loop
        if is_new and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._left, source)

    def take(self) -> list[CallSource]:
        """The sources that have come since the last call."""
        return [self._come.get_nowait() for _ in range(self._come.qsize())]

    def close(self) -> None:
        """End all calls and take none."""
        self.is_closed = True
        for line in list(self._lines.values()):
            line.drop("this program is shutting down")
            self.end(line)

    def _left(self, source: CallSource) -> None:
        """Once no track of a call is read any more, end its connection."""
        scheme = source.name.partition(" ")[0]
        line = self._lines.get((scheme, source.call.id))
        if line is None or source not in line.tracks.values():
            return
        if all(each.is_over for each in line.tracks.values()):
            self._stopped.append((line.scheme, line.id))
            line.drop("the call was stopped here")
            self.end(line)

    def _taken_over(self, before: Line) -> dict[str, CallSource]:
        """The tracks of a call that has connected again."""
        if before.waiting is not None:
            before.waiting.cancel()
        before.drop("the call has connected again")
        log.warning("%s is back", before.name)
        for source in before.tracks.values():
            source.rejoin()
        return before.tracks

    def _is_current(self, line: Line) -> bool:
        """Whether it is the latest connection of a call that is not over."""
        return self._lines.get((line.scheme, line.id)) is line
