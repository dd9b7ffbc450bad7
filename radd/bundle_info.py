"""Description of a bundle: its directory, manifest and card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """The description of a bundle at the time its detector was loaded."""

    directory: Path
    manifest: dict[str, Any]
    card: str
    """Markdown"""
    usual_distance: float | None = None
    """of its own clips from its references, 1 - cosine, 0 to 2; None if unknown"""


UNSEALED = BundleInfo(Path(), {}, "")
"""for a detector without a bundle, such as one that is still being fitted"""
