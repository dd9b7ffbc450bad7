"""A daemon follows what people confirm, and which bundle is in use: asked for beside the audio
path, changed between two chunks.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from radd.errors import ModelError, RaddError, StorageUnreachable
from radd.index import ReferenceIndex
from radd.overlay import Overlay

log = logging.getLogger(__name__)


class Overlays(Protocol):
    """Where an overlay comes from; storage/overlay.py has the one that ships."""

    def changed(self, version: int) -> Overlay | None:
        """The overlay as it is now, None where it still has this version; raises StorageUnreachable
        where nobody can say.
        """
        ...

    def turn_to(self, encoder_id: str) -> None:
        """From now on the overlay of this encoder."""
        ...

    def close(self) -> None: ...


class ReloadTarget(Protocol):
    """A detector that can be changed while it listens; radd/bundle.py loads such ones."""

    name: str
    encoder_id: str | None

    def become(self, other: ReloadTarget) -> None: ...
    def prepare(self, overlay: Overlay) -> ReferenceIndex: ...
    def adopt(self, index: ReferenceIndex) -> None: ...


class HasKind(Protocol):
    """What is loaded from a bundle, and of which kind that is."""

    kind: str


Loaded = TypeVar("Loaded", bound=HasKind)


def follow(
    in_use: Callable[[], Path], load: Callable[[Path], Loaded], known: Path, kind: str
) -> Callable[[], Loaded | None]:
    """`newest` of a HotReload: what `load` makes of the bundle in use, once that is another than
    `known`.

    One that does not load is tried again at the next look; one of another kind than `kind` raises
    ModelError, once.
    """
    latest = known

    def newest() -> Loaded | None:
        nonlocal latest
        now = in_use()
        if now == latest:
            return None
        fresh = load(now)
        latest = now
        if fresh.kind != kind:
            raise ModelError(
                f"{now} is a bundle of kind {fresh.kind}, the one in use is of kind {kind}; a "
                "restart takes it over"
            )
        return fresh

    return newest


class NoOverlays:
    """Overlays for a detector without an index: nothing can be confirmed for it."""

    def changed(self, version: int) -> None:
        return None

    def turn_to(self, encoder_id: None) -> None:
        pass

    def close(self) -> None:
        pass


class NoReload:
    """Follows nothing."""

    def __enter__(self) -> NoReload:
        return self

    def __exit__(self, *exc) -> None:
        pass

    def take(self) -> None:
        return None

    def take_model(self) -> None:
        return None


class HotReload:
    """Asks for the overlay's version when entered and every `every_s` seconds in a thread of its
    own.

    The thread makes the new index; `take`, called between two chunks, only puts it in place.
    `newest` gives a detector where another bundle is in use now; `take_model` puts that in place.
    Overlays that are away change nothing. An overlay or bundle that is refused is told in the log
    once, and all stays what it was.
    """

    def __init__(
        self,
        overlays: Overlays,
        detector: ReloadTarget,
        every_s: float,
        newest: Callable[[], ReloadTarget | None] = lambda: None,
    ):
        self._overlays, self._detector, self._every_s, self._newest = (
            overlays,
            detector,
            every_s,
            newest,
        )
        self._latest = detector
        self._coming: ReloadTarget | None = None
        self._models: deque[ReloadTarget] = deque(maxlen=1)
        self._version = 0
        self._ready: deque[tuple[Overlay, ReferenceIndex]] = deque(
            maxlen=1
        )  # popping and appending need no lock
        self._adopted: Overlay | None = None
        self._problem: str | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="living index", daemon=True)

    def __enter__(self) -> HotReload:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *exc) -> None:
        self._ending.set()
        self._thread.join()
        self._overlays.close()

    def take(self) -> tuple[int, int, int] | None:
        """Use what is ready: the version and how many references came and went; None where nothing
        has changed.
        """
        try:
            overlay, index = self._ready.pop()
        except (
            IndexError
        ):  # nothing, or what was ready was made for a model that has just been replaced
            return None
        self._detector.adopt(index)
        before, self._adopted = self._adopted, overlay
        return overlay.version, *overlay.since(before)

    def take_model(self) -> str | None:
        """Judge with the bundle that is in use now: its name; None where that has not changed. To
        be called before take.
        """
        if not self._models:
            return None
        self._detector.become(self._models.pop())
        return self._detector.name

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
                self._ready.append((overlay, self._latest.prepare(overlay)))
        except StorageUnreachable:
            return
        except RaddError as error:
            problem = str(error)
        if problem not in (None, self._problem):
            log.warning("the index stays as it is, and so does the model: %s", problem)
        self._problem = problem

    def _change_model(self, fresh: ReloadTarget) -> None:
        """Have `fresh` ready with its own encoder's overlay; an index that waits was made for the
        one before.
        """
        self._overlays.turn_to(fresh.encoder_id)
        overlay = self._overlays.changed(-1)
        if overlay is not None:
            fresh.adopt(fresh.prepare(overlay))
            self._version = overlay.version
        self._ready.clear()
        self._latest = fresh
        self._models.append(fresh)
