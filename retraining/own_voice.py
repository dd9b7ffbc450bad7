"""Own voices: how close a block must come to be the site's own voice.

The threshold lies where a site's own recordings come to each other, each compared with the others
only, and above everything that people and other synthesisers of the bundle's index come to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from radd.enrolled import OwnVoice, closeness
from radd.errors import ConfigError
from radd.independence import likeness_to_itself
from radd.index import BundleIndex
from radd.references import Reference, References
from radd.types import seconds
from retraining.line_recordings import LineRecording

LEAST_BLOCKS = 20  # a quarter of a second apart: some six seconds of speech
OWN_SHARE = 0.02  # of an own voice's blocks that may fall below its threshold
APART = 0.05  # cosine between people and a threshold, at least
COHORT_SHARE = 0.99  # of the fakes of the index that must lie below the threshold
TOLD_SYSTEMS = 8


def threshold_of(
    recordings: Sequence[LineRecording], index: BundleIndex
) -> tuple[OwnVoice, dict[str, object]]:
    """The own voice of these recordings, and a report. Where its words cannot be told from those of
    others, only the very recordings are recognised.

    Raises ConfigError for too little speech, and for recordings that are not even like themselves.
    """
    blocks = np.concatenate([one.vectors for one in recordings])
    if len(blocks) < LEAST_BLOCKS:
        raise ConfigError(
            f"the own voice has {len(blocks)} blocks of speech; expected at least {LEAST_BLOCKS}, "
            "some six seconds: add recordings of it"
        )
    people, fakes = (closeness(side, blocks) for side in index.sample(1_000_000))
    floor = max(float(people.max()) + APART, float(np.quantile(fakes, COHORT_SHARE)))
    own = _without_itself(recordings)
    begin = float(np.quantile(own, OWN_SHARE)) if len(own) else -1.0
    is_voice = begin > floor
    if not is_voice:
        begin = _very_recordings(recordings)
        if begin <= floor:
            raise ConfigError(
                f"the recordings of the own voice come only {begin:.2f} close to themselves, while "
                f"other voices come up to {floor:.2f} close: they are too noisy to be told apart"
            )
    near = fakes >= begin
    return OwnVoice(blocks, begin, (begin + floor) / 2), {
        "recognises": "the voice" if is_voice else "the very recordings",
        "begin": begin,
        "closest_person": float(people.max()),
        "own_median": float(np.median(own)) if len(own) else None,
        "recordings": len(recordings),
        "blocks": len(blocks),
        "systems_as_close": _systems(index, near),
    }


def _without_itself(recordings: Sequence[LineRecording]) -> np.ndarray:
    """Closeness of every fourth block to the other recordings (n,); of a single recording to its
    other half.
    """
    parts = [one.vectors for one in recordings if len(one.vectors)]
    if len(parts) == 1:
        half = len(parts[0]) // 2
        parts = [parts[0][:half], parts[0][half:]]
    found = [
        closeness(part[::4], np.concatenate([p for i, p in enumerate(parts) if i != k]))
        for k, part in enumerate(parts)
    ]
    return np.concatenate(found)


def _very_recordings(recordings: Sequence[LineRecording]) -> float:
    """The cosine from which a block is one of these recordings: that of neighbouring blocks."""
    rows = [
        Reference(f"{k:06d}", "spoof", "-", "-", "-", seconds(at))
        for k, one in enumerate(recordings)
        for at in one.starts
    ]
    alike = likeness_to_itself(
        References(rows), np.concatenate([one.vectors for one in recordings])
    )
    return float(np.mean(list(alike.values()))) if alike else -1.0


def _systems(index: BundleIndex, near: np.ndarray) -> list[str]:
    """The systems of the index with a reference among those that would be taken for this voice."""
    references = index.sides[1].references
    found = Counter(references[int(row)].system for row in np.flatnonzero(near))
    return [system for system, _ in found.most_common(TOLD_SYSTEMS)]
