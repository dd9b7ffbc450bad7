"""The scored development set inside a bundle, so that an installation without a corpus can be
retrained.

Half of the development set's systems and speakers may be trained on again, under the conditions of
training. The other half is held back, under named conditions: gates use it, and training never
does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from radd.bundle import REPLAY
from radd.dataset import Clip, DecodedClips
from radd.errors import ModelError, reason
from radd.types import SAMPLE_RATE_HZ
from training.windows import Windows

PER_CLIP = 4  # windows kept per clip and condition
PROVED_CLIPS = 400  # at most, under each named condition
CLEAN = "clean"


@dataclass(frozen=True, slots=True)
class Replay:
    """Windows of labelled clips; the first eight fields have a row per window, including
    `condition`, the others one per clip.
    """

    parts: np.ndarray
    """float32 (n, 3), as in Windows"""
    speech_s: np.ndarray
    clip: np.ndarray
    """index of the clip (n,)"""
    embedding: np.ndarray
    """float16 (n, width)"""
    distance: np.ndarray
    condition: np.ndarray
    """its name (n,)"""
    label: np.ndarray
    """bonafide or spoof (clips,)"""
    system: np.ndarray
    source: np.ndarray
    group: np.ndarray
    """must not be in both halves: a synthesis system, or a real speaker (clips,)"""
    length_s: np.ndarray
    held: np.ndarray
    """whether the clip is held back for gates (clips,)"""

    def chosen(self, held: bool) -> Replay:
        """The windows of held-back clips, or of the others; all clips stay."""
        return self.rows(self.held[self.clip] == held)

    def rows(self, which: np.ndarray) -> Replay:
        """Only these windows, by mask or by index; all clips stay."""
        return replace(self, **{name: getattr(self, name)[which] for name in OF_WINDOWS})

    def write(self, path: Path) -> None:
        """Write the arrays as a compressed .npz file."""
        np.savez_compressed(
            path, **{field.name: getattr(self, field.name) for field in fields(self)}
        )

    @classmethod
    def read(cls, path: Path) -> Replay:
        """Raises ModelError if the file is missing or not a replay."""
        try:
            with np.load(path, allow_pickle=False) as kept:
                return cls(**{field.name: kept[field.name] for field in fields(cls)})
        except FileNotFoundError:
            raise ModelError(
                f"{path.parent} cannot be retrained, because it "
                f"lacks {path.name}; make a bundle with train.py fit, with clips of two or more "
                "systems "
                "and speakers in the development set"
            ) from None
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"{path} cannot be read ({reason(error)}); restore the bundle"
            ) from None


OF_WINDOWS = (*Windows.__slots__, "condition")


def write_replay(
    directory: Path,
    dev: DecodedClips,
    score: Callable[[Callable, np.ndarray], Windows],
    known: list[Windows],
    conditions: Mapping[str, Callable],
    seed: int,
) -> bool:
    """Write REPLAY of the development set; False if it has too few systems or speakers to hold any
    back.

    `known` are the windows of the unchanged clips and after a training channel; `score` computes
    those of some clips under a condition.
    """
    groups = [group(clip) for clip in dev.clips]
    held = hold_back(groups, seed)
    bonafide = np.array([clip.label == "bonafide" for clip in dev.clips])
    if any(len(set(held[side])) < 2 for side in (bonafide, ~bonafide)):
        return False
    clean, channel = known
    heard = {CLEAN: (clean, None), "channel": (channel, False)}
    rng, kept = np.random.default_rng([seed, 79]), []
    proved = np.sort(rng.permutation(np.flatnonzero(held))[:PROVED_CLIPS])
    heard |= {name: (score(alter, proved), True) for name, alter in conditions.items()}
    for name, (windows, side) in heard.items():
        for i in _drawn(windows.clip, rng):
            if side is None or held[windows.clip[i]] == side:
                kept.append((name, windows, i))
    Replay(
        **_columns(kept),
        condition=np.array([name for name, _, _ in kept]),
        label=np.array([clip.label for clip in dev.clips]),
        system=np.array([clip.system for clip in dev.clips]),
        source=np.array([clip.source for clip in dev.clips]),
        group=np.array(groups),
        length_s=_lengths_s(dev),
        held=held,
    ).write(directory / REPLAY)
    return True


def _lengths_s(clips: DecodedClips) -> np.ndarray:
    return np.array([len(clips.samples(i)) / SAMPLE_RATE_HZ for i in range(len(clips))], np.float32)


def _columns(kept: list[tuple[str, Windows, int]]) -> dict[str, np.ndarray]:
    """The fields of Windows for the windows kept, in the precision of a replay."""
    columns = {
        name: np.array([getattr(windows, name)[i] for _, windows, i in kept])
        for name in Windows.__slots__
    }
    # bundles are downloaded: half precision is enough for a vector of unit length
    columns["embedding"] = columns["embedding"].astype(np.float16)
    return columns | {
        name: columns[name].astype(np.float32) for name in ("parts", "speech_s", "distance")
    }


def group(clip: Clip) -> str:
    """The property of a clip that must not be in both halves."""
    return (
        f"spoof {clip.system}"
        if clip.label == "spoof"
        else f"bonafide {clip.source} {clip.speaker}"
    )


def hold_back(groups: list[str], seed: int) -> np.ndarray:
    """Every second group of each label, in random order, bool (clips,)."""
    by_label = defaultdict(list)
    for name in sorted(set(groups)):
        by_label[name.partition(" ")[0]].append(name)
    rng = np.random.default_rng([seed, 80])
    back = {names[i] for names in by_label.values() for i in rng.permutation(len(names))[::2]}
    return np.array([name in back for name in groups])


def _drawn(clip: np.ndarray, rng: np.random.Generator) -> list[int]:
    """At most PER_CLIP windows of each clip, in order."""
    order = rng.permutation(len(clip))
    taken: defaultdict[int, int] = defaultdict(int)
    kept: list[int] = []
    for i in order:
        if taken[clip[i]] < PER_CLIP:
            taken[clip[i]] += 1
            kept.append(int(i))
    return sorted(kept)
