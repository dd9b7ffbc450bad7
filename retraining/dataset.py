"""Windows of recordings scored by the champion's networks, for fitting and measuring a
candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from radd.bundle import load_known_voices, read_manifest
from radd.dataset import DecodedClips, read_corpus
from radd.errors import ConfigError
from radd.private_files import make_directory
from radd.types import SAMPLE_RATE_HZ
from radd.vad import BLOCK_SAMPLES, SpeechNetwork, SpeechState
from retraining.context import RetrainContext
from training.bundle_maker import load_networks
from training.replay import CLEAN, Replay, group
from training.windows import Windows, score_windows

ScoredRecording = tuple[str, tuple[str, str, str, str, float], Windows]
"""condition, (label, system, source, group, seconds) and windows of a recording"""


class OneClip:
    """A recording for score_windows."""

    def __init__(self, samples: np.ndarray) -> None:
        """Mono 16 kHz float32 (n,)."""
        self._samples = samples[: len(samples) // BLOCK_SAMPLES * BLOCK_SAMPLES]

    def __len__(self) -> int:
        return 1

    def samples(self, index: int) -> np.ndarray:
        return self._samples

    def speech(self, index: int) -> np.ndarray:
        return SpeechNetwork().probability(SpeechState(), self._samples[None])[0]


class CachedWindows:
    """Windows of clips by the champion's networks, cached in `work` so that a killed round
    resumes.
    """

    def __init__(self, means: RetrainContext) -> None:
        self._networks = load_networks(means.champion)
        self.index = load_known_voices(means.champion)[1]
        self._kept = means.work / read_manifest(means.champion)["version"]
        make_directory(means.work)
        make_directory(self._kept)

    @property
    def width(self) -> int:
        """Width of the encoder's vectors."""
        return self._networks[1].width

    def windows(self, name: str, samples: Callable[[], np.ndarray]) -> Windows:
        """The windows of the recording `name`; `samples` is called if they are not cached."""
        file = self._kept / f"{name}.npz"
        if not file.is_file():
            found = score_windows(OneClip(samples()), *self._networks, self.index, None, 1)
            aside = file.with_name(f"{name}.new.npz")
            np.savez(aside, **{column: getattr(found, column) for column in Windows.__slots__})
            aside.replace(file)
        with np.load(file, allow_pickle=False) as kept:
            return Windows(**{column: kept[column] for column in Windows.__slots__})

    def corpus(self, directory: Path, conditions: Mapping[str, Callable], work: Path) -> Replay:
        """The development set of a corpus, under each condition and unchanged."""
        clips = read_corpus(directory, "dev")
        if len({clip.label for clip in clips}) < 2:
            raise ConfigError(
                f"[retrain] proof = {directory}: its development set needs clips of both labels"
            )
        decoded = DecodedClips(clips, work / "decoded", 1)
        parts = []
        for name, alter in ({CLEAN: None} | dict(conditions)).items():
            found = score_windows(decoded, *self._networks, self.index, alter, 1)
            for i, clip in enumerate(decoded.clips):
                told = (
                    clip.label,
                    clip.system,
                    clip.source,
                    group(clip),
                    len(decoded.samples(i)) / SAMPLE_RATE_HZ,
                )
                mine = found.clip == i
                of = Windows(*(getattr(found, column)[mine] for column in Windows.__slots__))
                parts.append((name, told, of))
        return replayed(parts, self.width)


def replayed(parts: list[ScoredRecording], width: int) -> Replay:
    """Condition, (label, system, source, group, seconds) and windows of recordings as one Replay,
    none held back.
    """
    columns = {
        name: np.concatenate([np.zeros((0, *tail)), *(getattr(of, name) for _, _, of in parts)])
        for name, tail in (
            ("parts", (3,)),
            ("speech_s", ()),
            ("embedding", (width,)),
            ("distance", ()),
        )
    }
    sizes = [len(of.clip) for _, _, of in parts]
    told = list(zip(*(said for _, said, _ in parts), strict=True)) or [()] * 5
    names = {
        name: np.array(column, str)
        for name, column in zip(("label", "system", "source", "group"), told, strict=False)
    }
    return Replay(
        **columns,
        **names,
        clip=np.repeat(np.arange(len(parts)), sizes),
        held=np.zeros(len(parts), bool),
        condition=np.repeat(np.array([name for name, _, _ in parts], str), sizes),
        length_s=np.array(told[4], np.float32),
    )
