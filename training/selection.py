"""Selects and decodes the clips that are trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from radd.dataset import Clip, DecodedClips, read_corpus
from radd.errors import ConfigError
from radd.licences import is_permissive

LICENCES = ("all", "permissive")  # values of --licences


@dataclass(frozen=True, slots=True)
class Selection:
    """What a user excludes from both sets."""

    licences: str = "all"
    """one of LICENCES; permissive: only what radd.licences accepts"""
    exclude: frozenset[str] = frozenset()
    """speakers reserved for measuring"""

    @classmethod
    def read(cls, licences: str, exclude: Path | None) -> Selection:
        """`exclude` names one speaker per line. Raises ConfigError if it cannot be read."""
        if exclude is None:
            return cls(licences)
        try:
            return cls(licences, frozenset(exclude.read_text(encoding="utf-8").splitlines()))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"cannot read the speakers to leave out, {exclude}: {error}"
            ) from None

    def of(self, clips: list[Clip]) -> list[Clip]:
        """The clips that are trained on."""
        return [
            clip
            for clip in clips
            if clip.speaker not in self.exclude
            and (self.licences == "all" or is_permissive(clip.licence))
        ]


def decoded(
    data: list[Path],
    side: str,
    selection: Selection,
    work: Path,
    jobs: int,
    emphasis: Mapping[str, float],
    listened: bool = True,
) -> DecodedClips:
    """The selected clips of one set of the corpora, cached in decoded form in `work`; `listened` as
    in DecodedClips.

    Raises ConfigError if no corpus has that set, or if it has clips of one label only.
    """
    clips = [clip for directory in data for clip in read_corpus(directory, side)]
    if not clips:
        raise ConfigError(f"no corpus has a {side} set: at least one needs protocol.{side}.txt")
    decoded = DecodedClips(selection.of(clips), work / "decoded", jobs, emphasis, listened)
    decoded.sampling_weights()  # rejects clips of one label before hours of training, not after
    print(f"{side}: {len(decoded)} of {len(clips)} clips, {decoded.hours:.1f} h", flush=True)
    return decoded
