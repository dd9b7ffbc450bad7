"""Batches of cropped, conditioned speech. The batch at a step is a function of the seed and the
step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from radd.dataset import DecodedClips
from radd.features import STEP_SAMPLES, SpectrumState, log_spectra, remove_channel
from radd.vad import BLOCK_SAMPLES

PAD_LEVEL = 1e-4  # of the noise that pads a crop longer than its clip
SPEECH_SHARE = 0.6  # of a crop, if the clip has that much
EDGED = 0.5  # share of crops with silence added before and after, ...
# ... each at most this share of the crop: the edges of a clip must not reveal its label
EDGE_SHARE = 0.2
SPECTRA_PER_BLOCK = BLOCK_SAMPLES // STEP_SAMPLES


@dataclass(frozen=True, slots=True)
class Batch:
    """Input of one training step."""

    samples: np.ndarray
    """float32 (batch, n)"""
    speech: np.ndarray
    """probability of speech, float32 (batch, n / 512)"""
    bonafide: np.ndarray
    """float32 (batch,), 1 or 0"""
    group: np.ndarray
    """int64 (batch,): 0 = bona fide, else the number of the synthesis system"""


class Batches:
    """Draws clips by their sampling weights, crops them and passes them through channel
    conditions.
    """

    def __init__(
        self,
        clips: DecodedClips,
        channel: Callable,
        size: int,
        crop_samples: int,
        seed: int,
        paired: bool = False,
    ) -> None:
        """With `paired`, every second clip has the system of the one before it, or is bona fide if
        that one is.
        """
        self._clips, self._channel, self._size, self._seed = clips, channel, size, seed
        self.crop_samples = crop_samples // BLOCK_SAMPLES * BLOCK_SAMPLES
        self._weights = clips.sampling_weights()
        systems = {"-": 0}
        self._group = np.array([systems.setdefault(c.system, len(systems)) for c in clips.clips])
        self.groups = len(systems)
        self._kin = [np.flatnonzero(self._group == g) for g in range(self.groups)] if paired else []

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self._seed, step])
        chosen = rng.choice(len(self._clips), self._size, p=self._weights)
        if self._kin:
            chosen[1::2] = [
                rng.choice(self._kin[self._group[i]]) for i in chosen[: self._size // 2 * 2 : 2]
            ]
        crops = [
            self.crop(int(i), np.random.default_rng([self._seed, step, k]))
            for k, i in enumerate(chosen)
        ]
        group = self._group[chosen]
        samples, speech = (np.stack(parts) for parts in zip(*crops, strict=True))
        return Batch(samples, speech, (group == 0).astype(np.float32), group)

    def crop(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A crop of clip `index` after a channel, float32 (crop_samples,), and its speech
        (crop_samples / 512,).
        """
        samples, speech = self._clips.samples(index), self._clips.speech(index)
        blocks = self.crop_samples // BLOCK_SAMPLES
        longest = int(EDGE_SHARE * blocks) if rng.random() < EDGED else 0
        before, after = (int(n) for n in rng.integers(longest + 1, size=2))
        wanted = blocks - before - after
        room = len(speech) - wanted
        if room >= 0:
            first = self._begin(speech, room, wanted, rng)
            samples, speech = (
                samples[first * BLOCK_SAMPLES :][: wanted * BLOCK_SAMPLES],
                speech[first:][:wanted],
            )
        else:
            earlier = int(rng.integers(1 - room))
            before, after = before + earlier, after - room - earlier
        if before or after:
            samples = np.pad(samples, (before * BLOCK_SAMPLES, after * BLOCK_SAMPLES))
            samples = samples + rng.standard_normal(len(samples)).astype(np.float32) * np.float32(
                PAD_LEVEL
            )
            speech = np.pad(speech, (before, after))
        return self._channel(samples, rng), speech

    def _begin(self, speech: np.ndarray, room: int, wanted: int, rng: np.random.Generator) -> int:
        """A random first block of `wanted` blocks that are mostly speech, like live windows; any if
        there is none.
        """
        speech_sums = np.convolve(speech, np.ones(wanted, np.float32), "valid")[: room + 1]
        spoken = np.flatnonzero(speech_sums >= SPEECH_SHARE * wanted)
        return int(rng.choice(spoken)) if len(spoken) else int(rng.integers(room + 1))


def clip_spectra(samples: np.ndarray, speech: np.ndarray) -> np.ndarray:
    """Channel-normalised spectra, float32 (time, BINS), of audio from its beginning, by the code of
    the live path.

    `speech` is its probability in each BLOCK_SAMPLES of `samples`.
    """
    state = SpectrumState()
    return remove_channel(state, log_spectra(state, samples), speech.repeat(SPECTRA_PER_BLOCK))


def spectra(batch: Batch) -> np.ndarray:
    """`clip_spectra` of each crop, float32 (batch, time, BINS)."""
    return np.stack([clip_spectra(*one) for one in zip(batch.samples, batch.speech, strict=True)])
