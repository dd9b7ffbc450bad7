"""A conditional variational autoencoder over log spectra (Kingma and Welling 2014; Sohn et al.
2015).

The condition is the channel: the encoder sees clean speech, and the decoder learns what the same
speech looks like after a telephone line or a codec. Decoded speech is no longer a person's,
whatever its phase: spoof. The ratio of two decoded envelopes, as a gain on a recording, changes the
sound of the voice or the line but keeps the recording's fine structure and phase: the label is
kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from generative.channel import Effect, mp3, opus, telephone, vorbis
from generative.copy_synthesis import ShortTime, invert, like
from generative.corpus import ClipPlan
from generative.sources import LEVEL, Crops, drawn, read_source, rms
from radd.dataset import Clip, DecodedClips
from training import learn

FFT_SAMPLES, STEP_SAMPLES = 512, 128  # 8 ms between spectra
BINS = FFT_SAMPLES // 2 + 1
FLOOR = 1e-3  # of a magnitude at LEVEL
WIDTH, LATENT = 128, 16
SPREAD = 0.5  # of log magnitudes around the decoded ones: the decoder's standard deviation
BATCH, CROP_SAMPLES, RATE = 8, 16_384, 2e-3
LINES: dict[str, Effect | None] = {
    "clean": None,
    "telephone": telephone,
    "mp3": mp3,
    "opus": opus,
    "vorbis": vorbis,
}
ENVELOPE_DB, LINE_DB = 9.0, 40.0  # largest change by a gain
SMOOTH_BINS, SMOOTH_FRAMES = 9, 51  # 280 Hz and 0.4 s: finer structure is the recording's own


class SpectralVae(nn.Module):
    """Log magnitudes (batch, BINS, frames) <-> latents (batch, LATENT, frames), decoded for one of
    LINES.
    """

    def __init__(self) -> None:
        super().__init__()
        deeper = [nn.SiLU(), _conv(WIDTH, WIDTH), nn.SiLU()]
        self.encoder = nn.Sequential(_conv(BINS, WIDTH), *deeper, _conv(WIDTH, 2 * LATENT))
        self.line = nn.Embedding(len(LINES), WIDTH)
        self.first = _conv(LATENT, WIDTH)
        self.decoder = nn.Sequential(nn.SiLU(), _conv(WIDTH, WIDTH), nn.SiLU(), _conv(WIDTH, BINS))

    def encode(self, logs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latents."""
        mean, log_variance = self.encoder(logs / 3 + 1).chunk(2, 1)
        return mean, log_variance.clamp(-10, 10)

    def decode(self, latents: Tensor, line: Tensor) -> Tensor:
        """Log magnitudes after the lines (batch,), numbered as in LINES."""
        return 3 * (self.decoder(self.first(latents) + self.line(line).unsqueeze(2)) - 1)


def _conv(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv1d(inputs, outputs, 5, padding="same")


class Pairs:
    """Crops as log magnitudes, clean and after a random line: (clean, degraded, line) of a step."""

    def __init__(self, crops: Crops, seed: int) -> None:
        self._crops, self._seed = crops, seed

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self._seed, step, 1])
        _, clean = self._crops[step]
        line = rng.integers(1, len(LINES), len(clean))
        effects = list(LINES.values())
        degraded = [effects[k](crop, rng) for k, crop in zip(line, clean, strict=True)]
        short_time = ShortTime(clean.shape[1], FFT_SAMPLES, STEP_SAMPLES)
        target, given = (
            np.stack([log_magnitudes(short_time.spectra(x)) for x in crops])
            for crops in (clean, degraded)
        )
        return target, given, line


def log_magnitudes(spectra: np.ndarray) -> np.ndarray:
    """Natural logarithms, float32 (BINS, frames), of spectra (frames, BINS)."""
    return np.log(np.abs(spectra.T) + np.float32(FLOOR))


def loss(
    vae: SpectralVae, batch: tuple[np.ndarray, np.ndarray, np.ndarray], chance: torch.Generator
) -> Tensor:
    """Negative evidence lower bound of the clean and of the degraded spectra, both from the clean
    latents.
    """
    clean, degraded, line = (
        torch.from_numpy(part).to(next(vae.parameters()).device) for part in batch
    )
    mean, log_variance = vae.encode(clean)
    noise = torch.randn(mean.shape, generator=chance).to(mean.device)
    latents = mean + (log_variance / 2).exp() * noise
    missed = (
        vae.decode(latents, torch.zeros_like(line)) - clean,
        vae.decode(latents, line) - degraded,
    )
    divergence = (mean.square() + log_variance.exp() - log_variance - 1) / 2
    return (
        sum(part.square().sum(1).mean() for part in missed) / (2 * SPREAD**2)
        + divergence.sum(1).mean()
    )


class VaeVoice:
    """A recording and its latents; the results of its methods have the same length and RMS
    level.
    """

    def __init__(self, vae: SpectralVae, samples: np.ndarray) -> None:
        """`samples` float32 (n,)"""
        self._vae, self._samples = vae, samples
        self._short_time = ShortTime(len(samples), FFT_SAMPLES, STEP_SAMPLES)
        self.spectra = self._short_time.spectra(samples * np.float32(LEVEL / rms(samples)))
        with torch.no_grad():
            logs = torch.from_numpy(log_magnitudes(self.spectra))[None]
            self._mean, self._log_variance = vae.encode(logs)

    def reconstruction(self, rng: np.random.Generator, own_phase: bool) -> np.ndarray:
        """Decoded from random latents, with the recording's phase or with one found by Griffin and
        Lim's iteration.
        """
        magnitudes = np.exp(
            self._decoded(self._mean + (self._log_variance / 2).exp() * self._noise(rng))
        )
        if own_phase:
            made = self._short_time.samples(magnitudes * np.exp(1j * np.angle(self.spectra)))
        else:
            made = invert(self._short_time, magnitudes, rng)
        return like(self._samples, made)

    def envelope_gain(self, rng: np.random.Generator) -> np.ndarray:
        """Effect of a slow drift of the latents on the envelope: a factor for each of `spectra`,
        within ENVELOPE_DB.
        """
        drift = (
            nn.functional.avg_pool1d(self._noise(rng), SMOOTH_FRAMES, 1, SMOOTH_FRAMES // 2)
            * SMOOTH_FRAMES**0.5
        )
        moved = self._decoded(self._mean + float(rng.uniform(0.5, 1.5)) * drift)
        return bounded_gain(moved - self._decoded(self._mean), ENVELOPE_DB)

    def line_gain(self, line: str) -> np.ndarray:
        """Effect of a line on this recording: a factor for each of `spectra`, within LINE_DB."""
        number = list(LINES).index(line)
        return bounded_gain(self._decoded(self._mean, number) - self._decoded(self._mean), LINE_DB)

    def with_gain(self, gain: np.ndarray) -> np.ndarray:
        """The recording with its spectra multiplied by real positive factors: the phase is kept."""
        return like(self._samples, self._short_time.samples(self.spectra * gain))

    def _noise(self, rng: np.random.Generator) -> Tensor:
        return torch.from_numpy(rng.standard_normal(self._mean.shape, np.float32))

    @torch.no_grad()
    def _decoded(self, latents: Tensor, line: int = 0) -> np.ndarray:
        return self._vae.decode(latents, torch.tensor([line]))[0].T.numpy()


def bounded_gain(log_ratio: np.ndarray, limit_db: float) -> np.ndarray:
    """Factors float32 (frames, BINS), smooth over frequency, from a log ratio of magnitudes;
    between +-`limit_db`.
    """
    kernel = np.hanning(SMOOTH_BINS + 2)[1:-1]
    ends = np.pad(log_ratio, ((0, 0), (SMOOTH_BINS // 2, SMOOTH_BINS // 2)), mode="edge")
    smooth = np.apply_along_axis(np.convolve, 1, ends, kernel / kernel.sum(), "valid")
    limit = limit_db * np.log(10) / 20
    return np.exp(limit * np.tanh(smooth / limit)).astype(np.float32)


def train(real: list[Clip], work: Path, steps: int, seed: int, minutes: float) -> SpectralVae:
    """An autoencoder trained on these clips.

    `work` stores decoded audio and a checkpoint: a killed run resumes there.
    """
    torch.manual_seed(seed)
    plan = learn.TrainingPlan(steps, BATCH, CROP_SAMPLES, RATE, 0.01, seed)
    pairs = Pairs(Crops(DecodedClips(real, work / "decoded"), BATCH, CROP_SAMPLES, seed), seed)
    return learn.learn(
        SpectralVae(), loss, pairs, plan, work / "vae", milestones=learn.Milestones(minutes=minutes)
    ).cpu()


def plan_clips(real: list[Clip], fake: list[Clip], count: int, seed: int) -> list[ClipPlan]:
    """At most `count` clips: in turn two reconstructions, spoof, and the same gain on a clip of
    either label.
    """
    decoded, real, fake = (
        drawn(clips, np.random.default_rng([seed, k])) for k, clips in enumerate((real, real, fake))
    )
    plans: list[ClipPlan] = []
    for turn, (one, other, *altered) in enumerate(
        zip(decoded[::2], decoded[1::2], real, fake, strict=False)
    ):
        plans += [_spoof(len(plans) + k, clip, seed) for k, clip in enumerate((one, other))]
        plans += [_kept(len(plans) + k, clip, turn, seed) for k, clip in enumerate(altered)]
    return plans[:count]


def _spoof(number: int, clip: Clip, seed: int) -> ClipPlan:
    phase = ("own", "griffin-lim")[number % 2]
    return ClipPlan(
        f"vae_{number:06}",
        "vae",
        f"vae-{phase}-phase",
        clip.speaker,
        clip.licence,
        clip.language,
        {"seed": seed, "number": number, "phase": phase},
        clip.utt,
    )


def _kept(number: int, clip: Clip, turn: int, seed: int) -> ClipPlan:
    gain = "envelope" if turn % 2 else list(LINES)[1 + turn // 2 % (len(LINES) - 1)]
    return ClipPlan(
        f"vae_{number:06}",
        clip.source,
        clip.system,
        clip.speaker,
        clip.licence,
        clip.language,
        {"seed": seed, "number": number, "gain": gain},
        clip.utt,
        clip.label,
    )


def maker(vae: SpectralVae, clips: list[Clip]) -> Callable[[ClipPlan], np.ndarray]:
    """The function that makes the clips planned by `plan_clips`."""
    return partial(_make, vae, {clip.utt: clip.path for clip in clips})


def _make(vae: SpectralVae, paths: dict[str, Path], plan: ClipPlan) -> np.ndarray:
    voice = VaeVoice(vae, read_source(paths[plan.source_utt]))
    rng = np.random.default_rng([plan.recipe["seed"], plan.recipe["number"], 3])
    if "phase" in plan.recipe:
        return voice.reconstruction(rng, plan.recipe["phase"] == "own")
    if plan.recipe["gain"] == "envelope":
        return voice.with_gain(voice.envelope_gain(rng))
    return voice.with_gain(voice.line_gain(plan.recipe["gain"]))
