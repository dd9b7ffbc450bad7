"""How a voice reaches a listener: telephone lines, packet networks, files, rooms and noise.

A presentation takes samples float32 (n,) at 16 kHz and a Generator and returns float32 (n,). It is
drawn independently of the label, so that no codec, line or room tells which is which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from generative.channel import (
    Channel,
    Effect,
    colored_noise,
    drawn,
    equaliser,
    fit_length,
    mix_noise,
    packet_loss,
    telephone_band,
    through_codec,
)
from radd.containers import transcode
from radd.resampling import resample
from radd.types import SAMPLE_RATE_HZ
from training.config import TrainingConfig

NARROW, WIDE, ROOM = 0.5, 0.25, 0.12  # shares of presentations; the others add noise
LOST = 0.1  # share of presentations with lost packets
TANDEM = 0.2  # share of narrow-band calls that pass a second codec
LEVEL_DBFS = -30.0, -14.0
AMR_BIT_RATES = 4_750, 5_900, 7_400, 7_950, 10_200, 12_200  # 3GPP TS 26.071


def _coded(codec: str, rate_hz: int, bit_rates: Sequence[int] = (), **options: str) -> Effect:
    """An effect that encodes and decodes with one of FFmpeg's codecs; no bit rate, its own."""

    def effect(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        bit_rate = int(rng.choice(bit_rates)) if bit_rates else None
        there = resample(samples, SAMPLE_RATE_HZ, rate_hz)
        received, received_hz = transcode(there, rate_hz, codec, bit_rate, options)
        return fit_length(resample(received, received_hz, SAMPLE_RATE_HZ), len(samples))

    return effect


def _companded(code: str) -> Effect:
    """An effect of libsndfile's 8 kHz codes of telephone lines (ITU-T G.711, GSM 06.10)."""

    def effect(samples: np.ndarray, _: np.random.Generator) -> np.ndarray:
        narrow = np.clip(resample(samples, SAMPLE_RATE_HZ, 8000), -1, 1)
        received = through_codec(narrow, 8000, "WAV", code).astype(np.float32)
        return fit_length(resample(received, 8000, SAMPLE_RATE_HZ), len(samples))

    return effect


NARROW_CODECS: list[tuple[float, Effect]] = [
    (0.22, _companded("ULAW")),
    (0.22, _companded("ALAW")),
    (0.16, _companded("GSM610")),
    (0.20, _coded("libopencore_amrnb", 8000, AMR_BIT_RATES)),
    (0.10, _coded("libopus", 8000, range(8_000, 16_000, 1_000), application="voip")),
    (0.05, _coded("g723_1", 8000, (6_300,))),
]
WIDE_CODECS: list[tuple[float, Effect]] = [
    (0.25, _coded("libopus", 16_000, range(9_000, 25_000, 1_000), application="voip")),
    (0.20, _coded("libopus", 48_000, range(12_000, 40_000, 2_000))),
    (0.15, _coded("g722", 16_000)),
    (0.25, _coded("libmp3lame", 16_000, (24_000, 32_000, 40_000, 64_000))),
    (0.15, _coded("aac", 16_000, (24_000, 32_000, 48_000))),
]


def channel_of(recipe: TrainingConfig, noise: Path | None) -> Callable:
    """What clips meet in training: presentations for a head on a backbone, else random chains.

    Raises ConfigError as Channel.read.
    """
    channel = Channel.read(noise, recipe.rawboost)
    return Presentation(channel) if recipe.backbone else channel


class Presentation:
    """Random presentations; measured rooms and noises join where a directory of them is given."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __call__(self, samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """`samples` as they arrive; the same Generator state gives the same presentation."""
        level = 10 ** (rng.uniform(*LEVEL_DBFS) / 20)
        sound = samples * np.float32(level / np.sqrt(np.mean(samples**2) + 1e-9))
        way = rng.random()
        if way < NARROW:
            sound = self._call(sound, rng)
        elif way < NARROW + WIDE:
            sound = drawn(WIDE_CODECS, rng)(sound, rng)
        elif way < NARROW + WIDE + ROOM:
            sound = mix_noise(
                self._channel.room(sound, rng),
                colored_noise(len(sound), rng),
                rng.uniform(20, 45),
            )
        else:
            sound = _sometimes(0.5, equaliser, sound, rng)
            sound = self._channel.background(sound, rng)
        return _sometimes(LOST, packet_loss, sound, rng).astype(np.float32)

    def _call(self, sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A narrow-band call: perhaps noise or a room before it, one codec or two in a row."""
        sound = _sometimes(0.25, equaliser, sound, rng)
        sound = _sometimes(0.25, _background_hiss, sound, rng)
        sound = _sometimes(0.1, self._channel.room, sound, rng)
        sound = _sometimes(0.8, telephone_band, sound, rng)
        sound = drawn(NARROW_CODECS, rng)(sound, rng)
        return drawn(NARROW_CODECS, rng)(sound, rng) if rng.random() < TANDEM else sound


def _background_hiss(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return mix_noise(sound, colored_noise(len(sound), rng), rng.uniform(15, 40))


def _sometimes(
    probability: float, effect: Callable, sound: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    return effect(sound, rng) if rng.random() < probability else sound
