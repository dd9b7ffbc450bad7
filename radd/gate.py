"""The speech gate: does a window contain enough speech that is clean enough to score?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radd.ranges import check
from radd.types import SAMPLE_RATE_HZ, Verdict
from radd.vad import BLOCK_SAMPLES

QUIETEST_DBFS = -120.0  # digital silence has no finite level
_CLIPPED = 0.985  # of full scale
_FLAT = 0.03  # clipped samples are all alike to this share: loud sound that is not clipped is not
_QUIETEST_PERCENT = 10  # of the blocks: they are the noise where there are no pauses
_PAUSE_BLOCKS = 6  # fewer pauses say too little about the noise


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Section [gate] of config.toml."""

    speech_threshold: float
    min_speech_s: float
    min_level_dbfs: float
    min_snr_db: float
    max_clipped_percent: float

    def __post_init__(self) -> None:
        check(
            self,
            speech_threshold=(0.05, 0.95),
            min_speech_s=(0.25, 4.0),
            min_level_dbfs=(-100, 0),
            min_snr_db=(-20, 60),
            max_clipped_percent=(0, 100),
        )


@dataclass(frozen=True, slots=True)
class SpeechLevels:
    """What the gate knows about consecutive 32 ms blocks; arrays (n,), or (streams, n) for several
    streams.
    """

    speech: np.ndarray
    """speech probability, 0 to 1"""
    power: np.ndarray
    """mean square about the mean, so that a constant offset does not count as sound"""
    clipped: np.ndarray
    """share of samples at one and the same extreme, at full scale or beyond, 0 to 1"""

    @classmethod
    def measure(cls, samples: np.ndarray, speech: np.ndarray) -> SpeechLevels:
        """Measure samples (..., n * BLOCK_SAMPLES) with speech probabilities (..., n)."""
        blocks = samples.reshape(*speech.shape, BLOCK_SAMPLES)
        return cls(speech, blocks.var(axis=-1), _clipped_share(blocks))

    def join(self, later: SpeechLevels) -> SpeechLevels:
        """These blocks followed by later ones."""
        return SpeechLevels(
            *(
                np.concatenate([getattr(self, name), getattr(later, name)])
                for name in self.__slots__
            )
        )

    def part(self, window: slice) -> SpeechLevels:
        """A range of the blocks."""
        return SpeechLevels(self.speech[window], self.power[window], self.clipped[window])

    def row(self, k: int) -> SpeechLevels:
        """The levels of stream `k` of several."""
        return SpeechLevels(self.speech[k], self.power[k], self.clipped[k])

    def level_dbfs(self) -> float:
        """RMS level of the blocks, dB re full scale."""
        return max(QUIETEST_DBFS, 10 * float(np.log10(self.power.mean() + 1e-12)))


NO_SOUND = SpeechLevels(np.zeros(0, np.float32), np.zeros(0, np.float32), np.zeros(0, np.float32))


def speech_seconds(window: SpeechLevels, threshold: float) -> float:
    """Seconds of speech in a window."""
    return float((window.speech >= threshold).sum()) * BLOCK_SAMPLES / SAMPLE_RATE_HZ


def refuse(window: SpeechLevels, settings: GateSettings) -> tuple[Verdict, str] | None:
    """Why a window cannot be scored, as a verdict and in words; None if it can."""
    spoken = window.speech >= settings.speech_threshold
    speech_s = speech_seconds(window, settings.speech_threshold)
    if speech_s == 0:
        return Verdict.NO_SPEECH, "no speech in the window"
    if speech_s < settings.min_speech_s:
        coming = bool(spoken[-4:].any())  # in the latest hop
        words = f"{speech_s:.1f} s of speech in the window, {settings.min_speech_s:.1f} s needed"
        return (Verdict.WARMING_UP if coming else Verdict.NO_SPEECH), words
    level = 10 * np.log10(window.power[spoken].mean() + 1e-12)
    if level < settings.min_level_dbfs:
        return (
            Verdict.TOO_NOISY,
            f"speech at {level:.0f} dBFS is too faint, {settings.min_level_dbfs:.0f} dBFS needed",
        )
    clipped = 100 * float(window.clipped[spoken].mean())
    if clipped > settings.max_clipped_percent:
        return (
            Verdict.TOO_NOISY,
            f"{clipped:.0f} % of samples clipped, at most {settings.max_clipped_percent:.0f} % "
            "allowed",
        )
    snr = _snr_db(window, spoken, settings.speech_threshold)
    if snr < settings.min_snr_db:
        return (
            Verdict.TOO_NOISY,
            f"speech only {snr:.0f} dB above the noise, {settings.min_snr_db:.0f} dB needed",
        )
    return None


def _snr_db(window: SpeechLevels, spoken: np.ndarray, threshold: float) -> float:
    """How far speech is above the noise of the pauses or, where there are too few of them, above
    the quietest blocks: even dense speech falls silent for a tenth of the time.
    """
    pauses = window.power[window.speech < threshold / 2]
    if len(pauses) >= _PAUSE_BLOCKS:
        noise = float(pauses.mean())
    else:
        noise = float(np.percentile(window.power, _QUIETEST_PERCENT))
    both = float(window.power[spoken].mean())
    return 10 * float(np.log10(max(both - noise, 1e-3 * both) + 1e-12) - np.log10(noise + 1e-12))


def _clipped_share(blocks: np.ndarray) -> np.ndarray:
    """Share of samples (..., n) of each block that are clipped, (...): at full scale or beyond, and
    near the median of all that are.
    """
    size = np.abs(blocks)
    loud = size >= _CLIPPED
    share = np.zeros(blocks.shape[:-1])
    rows = loud.any(axis=-1)
    if rows.any():
        extreme = np.nanmedian(np.where(loud[rows], size[rows], np.nan), axis=-1, keepdims=True)
        share[rows] = (loud[rows] & (np.abs(size[rows] - extreme) <= _FLAT * extreme)).mean(axis=-1)
    return share
