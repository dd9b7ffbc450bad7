"""Which clips of the corpora are learned from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from radd.dataset import Clip
from radd.errors import ConfigError
from radd.licences import is_permissive

LICENCES = ("all", "permissive")


@dataclass(frozen=True, slots=True)
class Selection:
    """What a person leaves out of both sides."""

    licences: str = "all"
    """one of LICENCES; permissive: only what radd.licences takes for that"""
    exclude: frozenset[str] = frozenset()
    """speakers that are kept for measuring"""

    @classmethod
    def read(cls, licences: str, exclude: Path | None) -> Selection:
        """`exclude` names a speaker a line; raises ConfigError where it cannot be read."""
        if exclude is None:
            return cls(licences)
        try:
            return cls(licences, frozenset(exclude.read_text(encoding="utf-8").splitlines()))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the speakers to leave out, {exclude}: {error}") from None

    def of(self, clips: list[Clip]) -> list[Clip]:
        """The clips that are learned from."""
        return [
            clip for clip in clips
            if clip.speaker not in self.exclude and (self.licences == "all" or is_permissive(clip.licence))
        ]
