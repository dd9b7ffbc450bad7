"""What follows the streams of a run beside its journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from radd.types import Event
from storage.records import StreamInfo

Counts = Callable[[], Mapping[str, int]]
"""the counts of a source so far, as Source.stats() has them"""


class StreamWatcher(Protocol):
    """Follows all streams of a run. No method waits for anything but a write to the local disk."""

    def __enter__(self) -> StreamWatcher: ...
    def __exit__(self, *exc) -> None: ...

    def begin(self, stream: StreamInfo, counts: Counts) -> None:
        """A stream begins."""
        ...

    def write(self, event: Event, stream: str | None = None) -> None:
        """An event of the stream with this id; None: of an earlier run, which was interrupted."""
        ...

    def end(self, stream: str) -> None:
        """The stream with this id has ended; no effect the second time."""
        ...
