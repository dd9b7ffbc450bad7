"""The index of a daemon follows what people confirm: asked for beside the audio path, changed between two chunks."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Protocol

from radd.errors import RaddError, StorageAway
from radd.index import ReferenceIndex
from radd.overlay import Overlay

log = logging.getLogger(__name__)


class Overlays(Protocol):
    """Where an overlay comes from; storage/overlay.py has the one that ships."""

    def changed(self, version: int) -> Overlay | None:
        """The overlay as it is now, None where it still has this version; raises StorageAway where nobody can say."""
        ...

    def close(self) -> None: ...


class Learner(Protocol):
    """A detector whose index can be changed while it listens; radd/detector.py has the one that ships."""

    def prepare(self, overlay: Overlay) -> ReferenceIndex: ...
    def adopt(self, index: ReferenceIndex) -> None: ...


class BundledIndex:
    """Follows nothing."""

    def __enter__(self) -> BundledIndex:
        return self

    def __exit__(self, *exc) -> None:
        pass

    def take(self) -> None:
        return None


class LivingIndex:
    """Asks for the overlay's version when entered and every `every_s` seconds in a thread of its own.

    The thread makes the new index; `take`, called between two chunks, only puts it in place. Overlays that are away
    change nothing. An overlay that is refused is told in the log once, and the index stays what it was.
    """

    def __init__(self, overlays: Overlays, detector: Learner, every_s: float):
        self._overlays, self._detector, self._every_s = overlays, detector, every_s
        self._version = 0
        self._ready: deque[tuple[Overlay, ReferenceIndex]] = deque(maxlen=1)  # popping and appending need no lock
        self._adopted: Overlay | None = None
        self._problem: str | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="living index", daemon=True)

    def __enter__(self) -> LivingIndex:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *exc) -> None:
        self._ending.set()
        self._thread.join()
        self._overlays.close()

    def take(self) -> tuple[int, int, int] | None:
        """Use what is ready: the version and how many references came and went; None where nothing has changed."""
        if not self._ready:
            return None
        overlay, index = self._ready.pop()
        self._detector.adopt(index)
        before, self._adopted = self._adopted, overlay
        return overlay.version, *overlay.since(before)

    def _follow(self) -> None:
        while not self._ending.wait(self._every_s):
            self._look()

    def _look(self) -> None:
        problem = None
        try:
            overlay = self._overlays.changed(self._version)
            if overlay is not None:
                self._version = overlay.version
                self._ready.append((overlay, self._detector.prepare(overlay)))
        except StorageAway:
            return
        except RaddError as error:
            problem = str(error)
        if problem not in (None, self._problem):
            log.warning("the index stays as it is: %s", problem)
        self._problem = problem
