"""What a detector of a fleet is given: how streams are judged, and who follows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from fleet.call_chunks import Track
from radd.hot_swap import HotSwapDetector
from storage.records import StreamInfo
from stream.engine import EngineSettings
from stream.fanout import EventWriter
from stream.hot_reload import HotReload, NoReload
from stream.monitor import Monitor
from stream.tap import Tap


class TrackFollower(EventWriter, Protocol):
    """Follows the tracks of a detector, for notifications and metrics."""

    def begin(self, stream: StreamInfo, counts: Callable[[], Mapping[str, int]]) -> None:
        """A stream begins, or goes on here."""
        ...

    def end(self, stream: str) -> None:
        """A stream has ended, or goes on elsewhere."""
        ...


class Notices(Protocol):
    """Notifications of calls that change their detector; notify/notifier.py has them."""

    def carried(self, stream: str) -> dict[str, Any]:
        """What the next detector of a stream needs, as JSON can hold it."""
        ...

    def carry_on(self, stream: str, carried: dict[str, Any]) -> None:
        """Go on from what the last detector of a stream had."""
        ...

    def leave(self, stream: str) -> None:
        """The stream goes on elsewhere."""
        ...


class NoNotices:
    """Nobody is notified."""

    def carried(self, stream: str) -> dict[str, Any]:
        return {}

    def carry_on(self, stream: str, carried: dict[str, Any]) -> None:
        pass

    def leave(self, stream: str) -> None:
        pass


NO_NOTICES = NoNotices()


class Judging:
    """What a detector of a fleet needs to judge streams."""

    def __init__(
        self,
        detector: HotSwapDetector,
        monitor: Callable[[str], Monitor],
        taps: Callable[[str], list[Tap]],
        info: Callable[[Track], StreamInfo],
        engine: EngineSettings,
        index: NoReload | HotReload,
        watchers: Sequence[TrackFollower] = (),
        notices: Notices = NO_NOTICES,
    ):
        """`monitor` and `taps` are made for the id of a stream, `info` for its track; `watchers`
        follow all streams.
        """
        self.detector, self.monitor, self.taps = detector, monitor, taps
        self.info, self.engine, self.index, self.watchers = info, engine, index, watchers
        self.notices = notices
