"""The bundle that judges here. Another one takes its place without a restart, as in the daemons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from console.report_text import limits
from radd.bundle import CARD, REFERENCES, BundledDetector, read_manifest
from radd.index import ReferenceIndex
from radd.overlay import Overlay
from radd.types import Judgement


class Loaded:
    """A bundle and the detector made of it, which stays what it is but for its overlay."""

    def __init__(self, directory: Path, detector: BundledDetector):
        """Raises ModelError for a bundle that is not whole."""
        self.directory, self.detector = directory, detector
        self.kind, self.name, self.encoder_id = detector.kind, detector.name, detector.encoder_id
        self.manifest: dict[str, Any] = read_manifest(directory)
        self.limits = limits(self.card)
        self.encoder = detector.encoder
        """for clips that enter the index; None for a detector without an index"""

    @property
    def card(self) -> str:
        return (self.directory / CARD).read_text(encoding="utf-8")

    @property
    def references(self) -> int:
        """Known voices that its index came with."""
        return (
            len((self.directory / REFERENCES).read_text(encoding="utf-8").splitlines()) - 1
            if self.encoder
            else 0
        )

    def prepare(self, overlay: Overlay) -> ReferenceIndex:
        return self.detector.prepare(overlay)

    def adopt(self, index: ReferenceIndex) -> None:
        self.detector.adopt(index)


class Champion:
    """What judges now, a ReloadTarget for stream.hot_reload; may be changed while threads judge, as
    it
    is one attribute.
    """

    def __init__(self, loaded: Loaded):
        self.now = loaded

    @property
    def name(self) -> str:
        return self.now.name

    @property
    def encoder_id(self) -> str | None:
        return self.now.encoder_id

    def become(self, other: Loaded) -> None:
        self.now = other

    def prepare(self, overlay: Overlay) -> ReferenceIndex:
        return self.now.prepare(overlay)

    def adopt(self, index: ReferenceIndex) -> None:
        self.now.adopt(index)


class StreamState:
    """What a stream remembers, and the detector whose memory that is."""

    def __init__(self, detector: BundledDetector):
        self.detector, self.memory = detector, detector.start()


class Follower:
    """A Detector for one live stream: a champion that changes judges it from the next chunk on, and
    begins anew.
    """

    def __init__(self, champion: Champion):
        self._champion = champion
        self.name = champion.name
        """of what judged last"""

    def start(self) -> StreamState:
        return StreamState(self._champion.now.detector)

    def push(self, state: StreamState, samples: np.ndarray) -> list[Judgement]:
        now = self._champion.now.detector
        if state.detector is not now:
            state.detector, state.memory = now, now.start()
        self.name = now.name
        return now.push(state.memory, samples)
