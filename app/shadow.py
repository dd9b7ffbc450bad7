"""Shadow mode: a candidate scores beside the bundle in use."""

from __future__ import annotations

from pathlib import Path

from app.installation import Installation
from radd.bundle import BundledDetector
from radd.errors import StorageUnreachable
from radd.registry import candidate_in_use
from stream.hot_reload import Overlays
from stream.shadow import Shadow


def shadow_of(here: Installation) -> Shadow | None:
    """What scores with a candidate; None if shadow mode is off or a bundle was named."""
    if not here.settings.retrain.shadow_hours or not here.follows:
        return None
    return Shadow(Candidate(here).newest, here.settings.decision)


class Candidate:
    """The detector of the candidate bundle, if any, with its confirmed references."""

    def __init__(self, here: Installation):
        self._here = here
        self._bundle: Path | None = None
        self._loaded: tuple[BundledDetector, Overlays] | None = None
        self._version = 0

    def newest(self) -> BundledDetector | None:
        """The current detector; None if there is no candidate."""
        bundle = candidate_in_use(self._here.configured)
        if bundle != self._bundle or self._loaded is None:
            self._change(bundle)
        if self._loaded is None:
            return None
        detector, overlays = self._loaded
        try:
            if (overlay := overlays.changed(self._version)) is not None:
                detector = detector.with_overlay(overlay)
                self._loaded, self._version = (detector, overlays), overlay.version
        except StorageUnreachable:
            pass  # keep the confirmed references of the last segment
        return detector

    def _change(self, bundle: Path | None) -> None:
        if self._loaded is not None:
            self._loaded[1].close()
        self._loaded, self._bundle, self._version = None, None, 0
        if bundle is None:
            return
        detector = self._here.load(bundle)
        self._loaded, self._bundle = (detector, self._here.overlays(detector)), bundle
