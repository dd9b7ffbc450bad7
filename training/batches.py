"""Batches of cropped, conditioned speech: what a network meets at a step is a function of the seed and the step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from radd.dataset import DecodedClips
from radd.features import STEP_SAMPLES, SpectrumState, log_spectra, remove_channel
from radd.speech import BLOCK_SAMPLES

PAD_LEVEL = 1e-4  # of the noise that stands where a clip is shorter than the crop
SPEECH_SHARE = 0.6  # of a crop, where the clip allows
SPECTRA_PER_BLOCK = BLOCK_SAMPLES // STEP_SAMPLES


@dataclass(frozen=True, slots=True)
class Batch:
    """What a network learns from at one step."""

    samples: np.ndarray
    """float32 (batch, n)"""
    speech: np.ndarray
    """probability of speech, float32 (batch, n / 512)"""
    bonafide: np.ndarray
    """float32 (batch,), 1 or 0"""
    group: np.ndarray
    """int64 (batch,): 0 = bona fide, else the number of the synthesis system"""


class Batches:
    """Draws clips by their sampling weights, crops them and sends them through channel conditions."""

    def __init__(
        self, clips: DecodedClips, channel: Callable, size: int, crop_samples: int, seed: int, paired: bool = False
    ) -> None:
        """With `paired`, every second clip is of the system of the one before it, or bona fide as that one is."""
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
            chosen[1::2] = [rng.choice(self._kin[self._group[i]]) for i in chosen[: self._size // 2 * 2 : 2]]
        crops = [self.crop(int(i), np.random.default_rng([self._seed, step, k])) for k, i in enumerate(chosen)]
        group = self._group[chosen]
        samples, speech = (np.stack(parts) for parts in zip(*crops, strict=True))
        return Batch(samples, speech, (group == 0).astype(np.float32), group)

    def crop(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A crop of clip `index` after a channel, float32 (crop_samples,), and its speech (crop_samples / 512,)."""
        samples, speech = self._clips.samples(index), self._clips.speech(index)
        room = (len(samples) - self.crop_samples) // BLOCK_SAMPLES
        if room >= 0:
            first = self._begin(speech, room, rng)
            samples = samples[first * BLOCK_SAMPLES :][: self.crop_samples]
            speech = speech[first:][: self.crop_samples // BLOCK_SAMPLES]
        else:
            before = int(rng.integers(1 - room))
            pad = (before, -room - before)
            samples = np.pad(samples, [p * BLOCK_SAMPLES for p in pad])
            samples = samples + rng.standard_normal(len(samples)).astype(np.float32) * np.float32(PAD_LEVEL)
            speech = np.pad(speech, pad)
        return self._channel(samples, rng), speech

    def _begin(self, speech: np.ndarray, room: int, rng: np.random.Generator) -> int:
        """A random first block from which the crop is mostly speech, as what is judged live is; any if none is."""
        heard = np.convolve(speech, np.ones(self.crop_samples // BLOCK_SAMPLES, np.float32), "valid")[: room + 1]
        spoken = np.flatnonzero(heard >= SPEECH_SHARE * self.crop_samples / BLOCK_SAMPLES)
        return int(rng.choice(spoken)) if len(spoken) else int(rng.integers(room + 1))


def spectra(batch: Batch) -> np.ndarray:
    """Spectra without their channel, float32 (batch, time, BINS), by the very code that listens."""
    out = []
    for samples, speech in zip(batch.samples, batch.speech, strict=True):
        state = SpectrumState()
        out.append(remove_channel(state, log_spectra(state, samples), speech.repeat(SPECTRA_PER_BLOCK)))
    return np.stack(out)
