"""The installation: settings, bundle in use, detectors and overlays, database."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from app.settings import Settings, load
from radd.bundle import BundledDetector, load_detector
from radd.errors import StorageUnreachable
from radd.hub import bundle_directory
from radd.overlay import Overlay
from radd.registry import in_use
from radd.resources import resource
from storage.database import Database
from storage.overlay import OverlayStore
from stream.hot_reload import NoOverlays, Overlays


@dataclass(frozen=True, slots=True)
class Installation:
    """Settings and the location of their bundle."""

    settings: Settings
    follows: bool
    """whether promotions change the bundle; False if --bundle named one"""

    @property
    def configured(self) -> Path:
        """The bundle of [model] bundle, or of --bundle."""
        return bundle_directory(resource(), self.settings.model.bundle)

    def bundle(self) -> Path:
        """The bundle in use now. Raises ModelError if the file that names it is broken."""
        return in_use(self.configured) if self.follows else self.configured

    def load(self, bundle: Path, overlay: Overlay | None = None) -> BundledDetector:
        """Load the detector of a bundle with these settings. Raises like load_detector."""
        return load_detector(bundle, self.settings.model, self.settings.gate, overlay)

    def overlays(self, detector: BundledDetector) -> Overlays:
        """The overlay of confirmed references for a detector's index."""
        if not detector.encoder_id:
            return NoOverlays()
        return OverlayStore(self.settings.storage.url, detector.encoder_id)


def installation(
    config: Path | None = None,
    bundle: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    options: Mapping[tuple[str, str], Any] = MappingProxyType({}),
) -> Installation:
    """The installation for --config, --bundle and other options, by section and key. Raises
    ConfigError for an invalid setting.
    """
    settings = load(config, environ, options)
    if bundle is None:
        return Installation(settings, follows=True)
    named = str(bundle_directory(Path.cwd(), bundle))
    return Installation(
        replace(settings, model=replace(settings.model, bundle=named)), follows=False
    )


def make_tables(url: str) -> None:
    """Create missing tables; an unreachable database is tolerated."""
    database = Database(url)
    with suppress(StorageUnreachable):
        database.prepare()
    database.close()
