"""Channel conditions: effects of rooms, devices, lines and codecs on a voice, real or synthetic.

Each effect takes samples float32 (n,) at 16 kHz and a Generator, and returns float32 (n,), aligned
with its input. Both labels pass the same conditions, so that no condition reveals the label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from generative.rawboost import convolutive, impulsive, series, stationary
from radd.errors import ConfigError
from radd.files import decoded, encoded, load_speech
from radd.resampling import resample
from radd.types import SAMPLE_RATE_HZ

Effect = Callable[[np.ndarray, np.random.Generator], np.ndarray]
Step = tuple[
    float, list[tuple[float, Effect]]
]  # probability of a step, and its alternatives with their weights
PLAIN = 0.2  # of all clips get only another level and a noise floor
CODECS = 0.45  # of the others pass a telephone line or another codec


def _power(samples: np.ndarray) -> float:
    return float(np.mean(samples**2)) + 1e-12


def _filter(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    """`samples` filtered by real gains `response` over the bins of their own spectrum."""
    return np.fft.irfft(np.fft.rfft(samples) * response, len(samples)).astype(np.float32)


def _frequencies(samples: np.ndarray) -> np.ndarray:
    return np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ)


def mix_noise(samples: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Samples and noise, float32 (n,), added at a signal-to-noise ratio in dB."""
    return samples + noise * np.float32(
        np.sqrt(_power(samples) / _power(noise) / 10 ** (snr_db / 10))
    )


def colored_noise(n: int, rng: np.random.Generator) -> np.ndarray:
    """Stationary noise whose power falls as 1/f^a, a from 0 (white) to 2 (brown)."""
    white = rng.standard_normal(n).astype(np.float32)
    slope = np.maximum(_frequencies(white), 40.0) ** (-rng.uniform(0, 2) / 2)
    return _filter(white, slope)


def made_music(n: int, rng: np.random.Generator) -> np.ndarray:
    """Struck chords of a few harmonics each, with 60 to 160 beats per minute."""
    out, beat = np.zeros(n, np.float32), int(SAMPLE_RATE_HZ * 60 / rng.uniform(60, 160))
    root, brightness = rng.uniform(80, 330), rng.uniform(0.5, 2.0)
    for begin in range(-int(rng.integers(beat)), n, beat):
        t = np.arange(2 * beat, dtype=np.float32) / SAMPLE_RATE_HZ
        chord = np.zeros_like(t)
        for semitones in rng.choice([0, 3, 4, 5, 7, 9, 12, 16], 3, replace=False):
            pitch = root * 2 ** (semitones / 12)
            for k in range(1, min(9, int(7500 / pitch) + 1)):
                chord += k**-brightness * np.sin(
                    np.float32(2 * np.pi * k * pitch) * t + np.float32(rng.uniform(0, 2 * np.pi))
                )
        chord *= np.minimum(1, t / 0.01) * np.exp(-t * np.float32(rng.uniform(0.5, 8)))
        out[max(begin, 0) : begin + len(chord)] += chord[max(-begin, 0) :][: n - max(begin, 0)]
    return out


def low_pass(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A band limit from 3.4 to 8 kHz, gentle or steep."""
    cutoff, width = rng.uniform(3400, 8000), rng.uniform(30, 600)
    return _filter(
        samples, 1 / (1 + np.exp(np.clip((_frequencies(samples) - cutoff) / width * 4, -60, 60)))
    )


def high_pass(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The lower band limit of a small microphone or a line, 40 to 320 Hz."""
    f = _frequencies(samples)
    return _filter(samples, f**2 / (f**2 + rng.uniform(40, 320) ** 2))


def equaliser(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A smooth random frequency response within about +-9 dB."""
    f = _frequencies(samples) / 8000
    gain_db = sum(
        (
            rng.uniform(-5, 5) * np.cos(np.pi * k * f + rng.uniform(0, 2 * np.pi))
            for k in range(1, 5)
        ),
        np.zeros_like(f),
    )
    return _filter(samples, 10 ** (gain_db / 20))


def resampled(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Resampled to another rate, 8 to 48 kHz, and back, with a good or a poor filter."""
    rate = int(rng.choice([8000, 11025, 12000, 22050, 24000, 44100, 48000]))
    quality = str(rng.choice(["LQ", "MQ", "HQ"]))
    there = resample(samples, SAMPLE_RATE_HZ, rate, quality)
    return fit_length(resample(there, rate, SAMPLE_RATE_HZ, quality), len(samples))


def telephone_band(samples: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """What a telephone line passes: about 200 to 3500 Hz."""
    f = _frequencies(samples)
    return _filter(
        samples, (f**2 / (f**2 + 200.0**2)) / (1 + np.exp(np.clip((f - 3500) / 60, -60, 60)))
    )


def telephone(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A telephone line: 300-3400 Hz at 8 kHz through mu-law or A-law (ITU-T G.711) or GSM full rate
    (06.10).
    """
    narrow = np.clip(resample(telephone_band(samples, rng), SAMPLE_RATE_HZ, 8000), -1, 1)
    coding = ("ULAW", "ALAW", "GSM610")[rng.integers(3)]
    return fit_length(
        resample(through_codec(narrow, 8000, "WAV", coding), 8000, SAMPLE_RATE_HZ), len(samples)
    )


def mp3(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """MP3 at low to medium bit rates."""
    return fit_length(
        through_codec(samples, SAMPLE_RATE_HZ, "MP3", "MPEG_LAYER_III", rng.uniform(0.4, 0.95)),
        len(samples),
    )


def opus(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Opus from about 10 to 60 kbit/s."""
    return fit_length(
        through_codec(samples, SAMPLE_RATE_HZ, "OGG", "OPUS", rng.uniform(0.8, 0.99)), len(samples)
    )


def vorbis(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ogg Vorbis at low to medium quality."""
    return fit_length(
        through_codec(samples, SAMPLE_RATE_HZ, "OGG", "VORBIS", rng.uniform(0.4, 1.0)), len(samples)
    )


def through_codec(
    samples: np.ndarray, rate_hz: int, form: str, subtype: str, level: float | None = None
) -> np.ndarray:
    """Audio after a codec such as ("MP3", "MPEG_LAYER_III"), a few samples longer or shorter."""
    return decoded(encoded(np.clip(samples, -1, 1), rate_hz, form, subtype, level), "float32")[0][
        :, 0
    ]


def fit_length(samples: np.ndarray, n: int) -> np.ndarray:
    """The first n samples, with silence behind them where there are fewer."""
    return samples[:n] if len(samples) >= n else np.pad(samples, (0, n - len(samples)))


def packet_loss(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Up to 8 % of 20 ms packets lost, silenced or repeated."""
    out, size = samples.copy(), SAMPLE_RATE_HZ // 50
    repeat = rng.random() < 0.5
    for k in np.flatnonzero(rng.random(len(out) // size) < rng.uniform(0.01, 0.08)):
        here = slice(k * size, (k + 1) * size)
        out[here] = out[(k - 1) * size : k * size] if repeat and k else 0
    return out


def clipping(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Overdriven by up to 12 dB."""
    peak = float(np.abs(samples).max()) + 1e-9
    limit = peak * 10 ** (-rng.uniform(0, 12) / 20)
    return np.clip(samples, -limit, limit)


def gain(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An RMS level from -48 to -14 dBFS."""
    return samples * np.float32(10 ** (rng.uniform(-48, -14) / 20) / np.sqrt(_power(samples)))


def noise_floor(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A recorder's own noise, 30 to 65 dB below the voice, so that digital silence carries no
    information.
    """
    return mix_noise(samples, colored_noise(len(samples), rng), rng.uniform(30, 65))


def quantised(samples: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Rounded to 16-bit samples."""
    return np.round(np.clip(samples, -1, 1) * 32767) / np.float32(32768)


def simulated_room(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exponentially decaying noise as the tail of a room, reverberation time 0.1 to 2 s (Moorer
    1979).
    """
    n = int(SAMPLE_RATE_HZ * (t60 := rng.uniform(0.1, 1.0) * rng.choice([1, 2], p=[0.8, 0.2])))
    tail = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / (t60 * SAMPLE_RATE_HZ))
    tail[: int(rng.uniform(0.001, 0.02) * SAMPLE_RATE_HZ)] = 0
    tail *= 10 ** (-rng.uniform(0, 15) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return _convolve(samples, tail)


def _convolve(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    size = 1 << (len(samples) + len(response) - 2).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    return wet[: len(samples)].astype(np.float32)


_CODING: list[tuple[float, Effect]] = [(0.5, telephone), (0.2, mp3), (0.2, opus), (0.1, vorbis)]
_DISTURBANCES: list[tuple[float, Effect]] = [
    (1, convolutive),
    (1, impulsive),
    (1, stationary),
    (1, series),
]


def drawn(choices: list[tuple[float, Effect]], rng: np.random.Generator) -> Effect:
    """One of the effects, each as likely as its weight before it says."""
    weights = np.array([weight for weight, _ in choices])
    return choices[rng.choice(len(choices), p=weights / weights.sum())][1]


class Channel:
    """Random chains of conditions; recorded rooms and noises are added if a directory of them is
    given.

    `rawboost` is the probability of a disturbance of generative.rawboost in a chain, `codecs` that
    of a codec.
    """

    def __init__(
        self,
        noise: Sequence[np.ndarray] = (),
        rooms: Sequence[np.ndarray] = (),
        rawboost: float = 0.0,
        codecs: float = CODECS,
    ) -> None:
        self._noise, self._rooms = list(noise), list(rooms)
        always: list[Step] = [
            (0.8, [(1, noise_floor)]),
            (1.0, [(1, gain)]),
            (1.0, [(1, quantised)]),
        ]
        self._plain = always
        self._chain: list[Step] = [
            (0.3, [(1, self.room)]),
            (0.4, [(1, equaliser)]),
            (0.3, [(1, self.background)]),
            always[0],
            (0.45, [(1, low_pass)]),
            (0.25, [(1, high_pass)]),
            (0.2, [(1, resampled)]),
            *([(rawboost, _DISTURBANCES)] if rawboost else []),
            always[1],
            (0.05, [(1, clipping)]),
            (codecs, _CODING),
            (0.04, [(1, packet_loss)]),
            always[2],
        ]

    @classmethod
    def read(cls, directory: Path | None, rawboost: float = 0.0, codecs: float = CODECS) -> Channel:
        """Noises from DIRECTORY/noise and impulse responses from DIRECTORY/rir, FLAC or WAV, any
        rate and depth; without a directory only synthetic ones.

        Raises ConfigError if there is neither.
        """
        if directory is None:
            return cls(rawboost=rawboost, codecs=codecs)

        def sounds(folder: str) -> list[np.ndarray]:
            files = sorted(
                p for p in (directory / folder).rglob("*") if p.suffix in (".flac", ".wav")
            )
            return [load_speech(p) for p in files]

        noise, rooms = sounds("noise"), [r[int(np.argmax(np.abs(r))) :] for r in sounds("rir")]
        if not noise and not rooms:
            raise ConfigError(
                f"{directory} has no FLAC or WAV in noise/ or rir/; name another directory with "
                "--noise, or omit it to train with synthetic noises and rooms only"
            )
        return cls(noise, [r / (np.abs(r).max() + 1e-9) for r in rooms], rawboost, codecs)

    def __call__(self, samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """`samples` after a random chain; the same Generator state gives the same chain."""
        out = samples
        for probability, choices in self._plain if rng.random() < PLAIN else self._chain:
            if rng.random() < probability:
                out = drawn(choices, rng)(out, rng)
        return out.astype(np.float32)

    def room(self, samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A recorded room if there is one, else a simulated one."""
        if self._rooms and rng.random() < 0.5:
            return _convolve(
                samples, self._rooms[rng.integers(len(self._rooms))][: 2 * SAMPLE_RATE_HZ]
            )
        return simulated_room(samples, rng)

    def background(self, samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Recorded or stationary noise or music at 3 to 40 dB SNR."""
        kind = rng.random()
        if self._noise and kind < 0.5:
            noise = self._noise[rng.integers(len(self._noise))]
            noise = np.resize(np.roll(noise, -rng.integers(len(noise))), len(samples))
        else:
            noise = (made_music if kind > 0.8 else colored_noise)(len(samples), rng)
        return mix_noise(samples, noise, rng.uniform(3, 40))
