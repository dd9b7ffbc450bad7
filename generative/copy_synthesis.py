"""Resynthesis of recorded speech: words, voice, length and level are kept, the waveform is
synthetic.

Each method takes samples float32 (n,) at 16 kHz and a Generator that sets its parameters, and
returns float32 (n,). The result is spoof by definition. A codec is not one of them, whatever its
bit rate: a person's voice remains a person's after it, so codecs are channel conditions
(generative/channel.py) for both labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from generative.corpus import ClipPlan
from generative.sources import read_source
from radd.dataset import Clip, group_weights
from radd.errors import ConfigError
from radd.types import SAMPLE_RATE_HZ

LOWEST_HZ, HIGHEST_HZ = 60.0, 400.0  # of a voice's pitch, for LPC


class ShortTime:
    """Short-time Fourier transform with a Hann window, and back by least squares (Griffin and Lim
    1984).
    """

    def __init__(self, n: int, size: int, hop: int) -> None:
        """For n samples; `hop` divides `size`."""
        self.n, self.size, self.hop = n, size, hop
        self.frames = -(-n // hop) + size // hop
        self.window = np.hanning(size + 1)[:-1].astype(np.float32)
        self._weight = np.maximum(self._add(np.tile(self.window**2, (self.frames, 1))), 1e-3)

    def cut(self, samples: np.ndarray) -> np.ndarray:
        """Windowed frames float32 (frames, size); frame i is centred on sample i * hop."""
        padded = np.zeros((self.frames - 1) * self.hop + self.size, np.float32)
        padded[self.size // 2 :][: self.n] = samples
        return (
            np.lib.stride_tricks.sliding_window_view(padded, self.size)[:: self.hop] * self.window
        )

    def spectra(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (frames, size / 2 + 1)"""
        return np.fft.rfft(self.cut(samples)).astype(np.complex64)

    def samples(self, spectra: np.ndarray) -> np.ndarray:
        """float32 (n,): the audio whose spectra are closest."""
        sound = (
            self._add(np.fft.irfft(spectra, self.size).astype(np.float32) * self.window)
            / self._weight
        )
        return sound[self.size // 2 :][: self.n]

    def _add(self, frames: np.ndarray) -> np.ndarray:
        overlap = self.size // self.hop
        parts = np.zeros((self.frames + overlap - 1, self.hop), np.float32)
        for k in range(overlap):
            parts[k : k + self.frames] += frames[:, k * self.hop : (k + 1) * self.hop]
        return parts.ravel()


def griffin_lim(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """From the magnitudes of the spectrum, with the phase found by iteration."""
    short_time = _short_time(samples, rng)
    return like(samples, invert(short_time, np.abs(short_time.spectra(samples)), rng))


def griffin_lim_mel(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """From 40 to 128 mel bands, like a text-to-speech system without a neural vocoder; linear
    between bands.
    """
    short_time = _short_time(samples, rng)
    bands = mel_bands(int(rng.choice([40, 64, 80, 128])), short_time.size)
    means = bands / np.maximum(bands.sum(axis=1, keepdims=True), 1e-9)
    # einsum instead of a matrix product: that rounds depending on the number of threads, and the
    # iteration amplifies it
    mel = np.einsum("fb,mb->fm", np.abs(short_time.spectra(samples)), means)
    return like(samples, invert(short_time, np.einsum("fm,mb->fb", mel, bands), rng))


def single_pass(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """From magnitudes as sinusoids: each spectral peak continues at its own frequency (Beauregard
    et al. 2015).
    """
    short_time = _short_time(samples, rng)
    magnitude = np.abs(short_time.spectra(samples)) + np.float32(1e-9)
    bins = np.arange(magnitude.shape[1])
    phase = np.zeros(magnitude.shape, np.float64)
    now = rng.uniform(0, 2 * np.pi, len(bins))
    for row, out in zip(magnitude, phase, strict=True):
        left, here, right = row[:-2], row[1:-1], row[2:]
        peaks = np.flatnonzero((here >= left) & (here > right)) + 1
        if len(peaks):
            left, here, right = row[peaks - 1], row[peaks], row[peaks + 1]
            exact = peaks + 0.5 * (left - right) / (left - 2 * here + right)
            ahead = now[peaks] + 2 * np.pi * exact * short_time.hop / short_time.size
            nearest = np.searchsorted((peaks[1:] + peaks[:-1]) / 2, bins)
            now = ahead[nearest] + np.pi * (
                bins - peaks[nearest]
            )  # the window's phase alternates beside a peak
        out[:] = now
    return like(samples, short_time.samples(magnitude * np.exp(1j * phase)))


def lpc(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Linear prediction of order 16, excited by pulses in voiced frames and by noise elsewhere."""
    short_time = ShortTime(len(samples), 512, int(rng.choice([64, 128, 256])))
    autocorrelation = np.fft.irfft(np.abs(np.fft.rfft(short_time.cut(samples), 1024)) ** 2)
    predictor, error = _levinson(autocorrelation[:, :17])
    envelope = np.sqrt(error / np.sum(short_time.window**2))[:, None] / np.fft.rfft(predictor, 512)
    pitch_hz = _pitch(autocorrelation, short_time.window).repeat(short_time.hop)[: len(samples)]
    breath = rng.uniform(0, 0.3)
    noise = rng.standard_normal(len(samples))
    turns = np.floor(np.cumsum(pitch_hz) / SAMPLE_RATE_HZ)
    pulses = np.diff(turns, prepend=0) * np.sqrt(SAMPLE_RATE_HZ / np.maximum(pitch_hz, LOWEST_HZ))
    excitation = np.where(pitch_hz > 0, (1 - breath) * pulses + breath * noise, noise)
    return like(samples, short_time.samples(short_time.spectra(excitation) * envelope))


def world(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """WORLD (Morise et al. 2016): pitch, spectral envelope and aperiodicity, complete or coded as
    in text-to-speech.

    Raises ConfigError if pyworld is not installed.
    """
    pyworld = _pyworld()
    rate, sound = SAMPLE_RATE_HZ, samples.astype(np.float64)
    period_ms = float(rng.choice([5.0, 10.0]))
    find = pyworld.harvest if rng.random() < 0.5 else pyworld.dio
    pitch_hz, times = find(sound, rate, frame_period=period_ms)
    pitch_hz = pyworld.stonemask(sound, pitch_hz, times, rate)
    envelope = pyworld.cheaptrick(sound, pitch_hz, times, rate)
    aperiodicity = pyworld.d4c(sound, pitch_hz, times, rate)
    size = (envelope.shape[1] - 1) * 2
    if rng.random() < 0.5:
        coded = pyworld.code_spectral_envelope(envelope, rate, int(rng.choice([24, 40, 60])))
        envelope = pyworld.decode_spectral_envelope(coded, rate, size)
        aperiodicity = pyworld.decode_aperiodicity(
            pyworld.code_aperiodicity(aperiodicity, rate), rate, size
        )
    return like(samples, pyworld.synthesize(pitch_hz, envelope, aperiodicity, rate, period_ms))


METHODS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "griffin-lim": griffin_lim,
    "griffin-lim-mel": griffin_lim_mel,
    "single-pass": single_pass,
    "lpc": lpc,
    "world": world,
}


def random_copy(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A copy by a random method that needs only numpy."""
    methods = [make for name, make in METHODS.items() if name != "world"]
    return methods[rng.integers(len(methods))](samples, rng)


def plan_copies(
    real: list[Clip], count: int, seed: int, methods: tuple[str, ...] = tuple(METHODS)
) -> list[ClipPlan]:
    """`count` copies of these clips, drawn by their training weights, methods in turn."""
    weights = group_weights(real)
    weights /= weights.sum()
    return [
        _plan(
            k,
            real[np.random.default_rng([seed, k]).choice(len(real), p=weights)],
            methods[k % len(methods)],
            seed,
        )
        for k in range(count)
    ]


def _plan(number: int, clip: Clip, method: str, seed: int) -> ClipPlan:
    return ClipPlan(
        f"copy_{number:06}",
        "copy-synthesis",
        method,
        clip.speaker,
        clip.licence,
        clip.language,
        {"seed": seed, "number": number},
        clip.utt,
    )


def copier(real: list[Clip]) -> Callable[[ClipPlan], np.ndarray]:
    """The function that makes the copies planned by `plan_copies` for these clips."""
    return partial(_copy, {clip.utt: clip.path for clip in real})


def _copy(paths: dict[str, Path], plan: ClipPlan) -> np.ndarray:
    samples = read_source(paths[plan.source_utt])
    return METHODS[plan.system](
        samples, np.random.default_rng([plan.recipe["seed"], plan.recipe["number"], 1])
    )


def mel_bands(count: int, size: int) -> np.ndarray:
    """Triangular bands on the mel scale from 0 to 8 kHz, float32 (count, size / 2 + 1)
    (O'Shaughnessy 1987).
    """
    top = 2595 * np.log10(1 + SAMPLE_RATE_HZ / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, count + 2) / 2595) - 1)
    f = np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)
    rise = (f - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - f) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rise, fall)).astype(np.float32)


def _short_time(samples: np.ndarray, rng: np.random.Generator) -> ShortTime:
    size = int(rng.choice([512, 1024]))
    return ShortTime(len(samples), size, size // int(rng.choice([4, 8])))


def invert(short_time: ShortTime, magnitude: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Audio with these magnitudes (frames, bins) by the fast Griffin-Lim algorithm (Perraudin et
    al. 2013).
    """
    momentum, iterations = rng.choice([0.0, 0.99]), rng.integers(8, 61)
    phase = np.exp(2j * np.pi * rng.random(magnitude.shape)).astype(np.complex64)
    before = np.zeros_like(phase)
    for _ in range(iterations):
        consistent = short_time.spectra(short_time.samples(magnitude * phase))
        ahead = consistent + np.float32(momentum) * (consistent - before)
        before, phase = consistent, ahead / np.maximum(np.abs(ahead), 1e-12)
    return short_time.samples(magnitude * phase)


def like(source: np.ndarray, copy: np.ndarray) -> np.ndarray:
    """`copy` with the length and the level (RMS) of its source."""
    copy = np.pad(copy[: len(source)], (0, max(0, len(source) - len(copy))))
    return (copy * np.sqrt(np.mean(source**2) / (np.mean(copy**2) + 1e-20))).astype(np.float32)


def _levinson(autocorrelation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predictors (frames, order + 1), 1 first, and the residual energies (frames,) (Durbin
    1960).
    """
    r = autocorrelation.copy()
    r[:, 0] = r[:, 0] * 1.0001 + 1e-9
    predictor = np.zeros_like(r)
    predictor[:, 0] = 1
    error = r[:, 0].copy()
    for i in range(1, r.shape[1]):
        reflection = -np.sum(predictor[:, :i] * r[:, i:0:-1], axis=1) / error
        predictor[:, : i + 1] += reflection[:, None] * predictor[:, i::-1]
        error *= 1 - reflection**2
    return predictor, error


def _pitch(autocorrelation: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Pitch in Hz (frames,) from the highest peak of the autocorrelation; 0 if there is none."""
    own = np.fft.irfft(np.abs(np.fft.rfft(window, 1024)) ** 2)
    lags = np.arange(int(SAMPLE_RATE_HZ / HIGHEST_HZ), int(SAMPLE_RATE_HZ / LOWEST_HZ))
    strength = autocorrelation[:, lags] / own[lags] / (autocorrelation[:, :1] / own[0] + 1e-12)
    best = strength.argmax(axis=1)
    return np.where(
        np.take_along_axis(strength, best[:, None], 1)[:, 0] > 0.5, SAMPLE_RATE_HZ / lags[best], 0.0
    )


def _pyworld():
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyworld looks up its version in a deprecated way
            import pyworld
    except ImportError as error:
        raise ConfigError(f"WORLD is not available ({error}); pip install -e '.[train]'") from None
    return pyworld
