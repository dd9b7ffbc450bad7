"""One live source whose channels are streams of their own: each party of a call, each microphone of
an array.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from queue import Empty, Full, Queue

from radd.types import AudioChunk, Source

AHEAD = 8  # chunks of each channel that wait; then the source keeps its own policy
LOOK_S = 0.2  # until it is looked at again whether somebody still reads


class SplitSource:
    """One channel of a shared source whose chunks hold all channels, (n, channels)."""

    def __init__(self, shared: SharedSource, channel: int):
        self._shared, self._channel = shared, channel
        self.name = f"{shared.source.name} ({shared.names[channel]})"
        self.native_rate_hz, self.native_channels = shared.source.native_rate_hz, 1
        self.waiting: Queue[AudioChunk | Exception | None] = Queue(AHEAD)
        self.is_over = False
        self._chunks = 0

    def __enter__(self) -> SplitSource:
        self._shared.open()
        source = self._shared.source
        self.name = f"{source.name} ({self._shared.names[self._channel]})"
        self.native_rate_hz = source.native_rate_hz
        return self

    def __exit__(self, *exc) -> None:
        self.is_over = True
        self._shared.close()

    def __iter__(self) -> Iterator[AudioChunk]:
        while not self.is_over:
            try:
                item = self.waiting.get(timeout=LOOK_S)
            except Empty:
                continue
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            self._chunks += 1
            yield replace(item, samples=item.samples[:, self._channel].copy())

    def stop(self) -> None:
        self.is_over = True
        self._shared.stop_if_unread()

    def stats(self) -> dict[str, int]:
        return self._shared.source.stats() | {"chunks": self._chunks}


class SharedSource:
    """A source that several SplitSources read: opened with the first, closed with the last."""

    def __init__(self, source: Source, names: list[str]):
        self.source, self.names = source, names
        self.parts = [SplitSource(self, channel) for channel in range(len(names))]
        self._lock = threading.Lock()
        self._opened = 0
        self._thread = threading.Thread(target=self._read, name="split", daemon=True)

    def open(self) -> None:
        """Open the source for one more part. Raises what entering it raises."""
        with self._lock:
            if not self._opened:
                self.source.__enter__()
                self._thread.start()
            self._opened += 1

    def close(self) -> None:
        """One part fewer is read."""
        with self._lock:
            self._opened -= 1
            is_last = not self._opened
        if is_last:
            self.source.stop()
            self._thread.join()
            self.source.__exit__(None, None, None)

    def stop_if_unread(self) -> None:
        """Stop the source once nobody reads it."""
        if all(part.is_over for part in self.parts):
            self.source.stop()

    def _read(self) -> None:
        last: Exception | None = None
        try:
            for chunk in self.source:
                for part in self.parts:
                    _give(part, chunk)
        except Exception as error:  # of any type: it is raised where the channels are read
            last = error
        for part in self.parts:
            _give(part, last)


def _give(part: SplitSource, item: AudioChunk | Exception | None) -> None:
    """Wait until the part has room; not if nobody reads it."""
    while not part.is_over:
        try:
            part.waiting.put(item, timeout=LOOK_S)
            return
        except Full:
            pass
