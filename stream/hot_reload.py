"""Hot reload: a running detector follows the confirmed references and the bundle in use. Both are
looked up off the audio path and replaced between two chunks.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from radd.bundle import BundledDetector
from radd.errors import RaddError, StorageUnreachable
from radd.hot_swap import HotSwapDetector
from radd.overlay import Overlay

log = logging.getLogger(__name__)


class Overlays(Protocol):
    """A source of overlays; storage/overlay.py implements it."""

    def changed(self, version: int) -> Overlay | None:
        """The current overlay, None if it still has this version. Raises StorageUnreachable if the
        database cannot be reached.
        """
        ...

    def close(self) -> None: ...


def follow(
    in_use: Callable[[], Path], load: Callable[[Path], BundledDetector], known: Path
) -> Callable[[], BundledDetector | None]:
    """`newest` of a HotReload: the detector of the bundle in use, once that differs from `known`.

    A bundle that does not load is tried again at the next look.
    """
    latest = known

    def newest() -> BundledDetector | None:
        nonlocal latest
        now = in_use()
        if now == latest:
            return None
        fresh = load(now)
        latest = now
        return fresh

    return newest


class NoOverlays:
    """Overlays for a detector without an index: nothing can be confirmed for it."""

    def changed(self, version: int) -> None:
        return None

    def close(self) -> None:
        pass


class NoReload:
    """Reloads nothing."""

    def __enter__(self) -> NoReload:
        return self

    def __exit__(self, *exc) -> None:
        pass

    def take(self) -> None:
        return None

    def take_model(self) -> None:
        return None


class _Fresh(NamedTuple):
    """A detector and the overlay that it has. They are replaced together."""

    detector: BundledDetector
    overlay: Overlay | None


class HotReload:
    """Checks for a new overlay and another bundle when entered and every `every_s` seconds, in its
    own thread.

    The thread builds the detector; `take_model` and `take`, called between two chunks, only install
    it. An unreachable database leaves the index unchanged. A rejected overlay or bundle is logged
    once, and the detector does not change.
    """

    def __init__(
        self,
        detector: HotSwapDetector,
        overlays_of: Callable[[BundledDetector], Overlays],
        every_s: float,
        newest: Callable[[], BundledDetector | None] = lambda: None,
    ):
        """`overlays_of` gives the overlays of a detector; `newest` a detector once another bundle
        is in use, else None.
        """
        self._detector, self._overlays_of = detector, overlays_of
        self._every_s, self._newest = every_s, newest
        self._overlays = overlays_of(detector.now)
        self._fresh = self._taken = _Fresh(detector.now, None)
        self._coming: BundledDetector | None = None
        self._version = 0
        self._problem: str | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="hot reload", daemon=True)

    def __enter__(self) -> HotReload:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *exc) -> None:
        self._ending.set()
        self._thread.join()
        self._overlays.close()

    def take_model(self) -> str | None:
        """Score with the bundle in use: its name; None if that has not changed. Call it before
        `take`.
        """
        fresh = self._fresh
        if fresh.detector.bundle is self._taken.detector.bundle:
            return None
        self._put_to_use(fresh)
        return fresh.detector.name

    def take(self) -> tuple[int, int, int] | None:
        """Use the latest overlay: its version and how many references were added and removed; None
        if that has not changed.
        """
        fresh, before = self._fresh, self._taken
        if fresh is before or fresh.detector.bundle is not before.detector.bundle:
            return None
        self._put_to_use(fresh)
        assert fresh.overlay is not None  # the same bundle is fresh only with another overlay
        return fresh.overlay.version, *fresh.overlay.since(before.overlay)

    def _put_to_use(self, fresh: _Fresh) -> None:
        self._detector.swap(fresh.detector)
        self._taken = fresh

    def _follow(self) -> None:
        while not self._ending.wait(self._every_s):
            self._look()

    def _look(self) -> None:
        problem = None
        try:
            self._coming = self._newest() or self._coming
            if self._coming is not None:
                self._change_model(self._coming)
                self._coming = None
            overlay = self._overlays.changed(self._version)
            if overlay is not None:
                self._version = overlay.version
                self._fresh = _Fresh(self._fresh.detector.with_overlay(overlay), overlay)
        except StorageUnreachable:
            return
        except RaddError as error:
            problem = str(error)
        if problem not in (None, self._problem):
            log.warning("the index stays as it is, and so does the model: %s", problem)
        self._problem = problem

    def _change_model(self, detector: BundledDetector) -> None:
        """Prepare a detector of another bundle, with the overlay of its own encoder."""
        overlays = self._overlays_of(detector)
        try:
            overlay = overlays.changed(-1)
            made = detector if overlay is None else detector.with_overlay(overlay)
        except RaddError:
            overlays.close()
            raise
        self._overlays.close()
        self._overlays, self._version = overlays, 0 if overlay is None else overlay.version
        self._fresh = _Fresh(made, overlay)
