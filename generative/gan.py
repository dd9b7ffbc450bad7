"""A HiFi-GAN vocoder (Kong et al. 2020, arXiv:2010.05646): its output for a recording's mel
spectrum is a fake of it.

The generator and its discriminators are trained in the project's one training loop. The
discriminators' loss uses the generator's output detached, and the generator's loss uses fixed
discriminators, so one step serves both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from generative.copy_synthesis import like, mel_bands
from generative.corpus import ClipPlan
from generative.sources import LEVEL, Crops, drawn, read_source, rms
from radd.dataset import Clip, DecodedClips
from radd.errors import AudioError, ConfigError
from training import learn

FFT_SAMPLES = 1024
STEP_SAMPLES = 256  # 16 ms between mel spectra; the product of every size's `rates`
BANDS = 80
FLOOR = 1e-5  # of a band's magnitude
SLOPE = 0.1  # of the leaky rectifiers
MEL_WEIGHT, MATCH_WEIGHT = 45.0, 2.0  # from the paper
BATCH, CROP_SAMPLES, RATE = 8, 8192, 1e-3
# share of the training without discriminators, which costs a fifth of a step with them
ALONE = 0.75
MEASURED = 16  # clips that measure the distance of copies
# shares of the training after which generators make copies
STAGES = (0.1, 0.25, 0.5, 0.75, 0.85, 1)


@dataclass(frozen=True, slots=True)
class Size:
    """Size of a generator and its discriminators."""

    channels: int
    """of the generator's first layer, halved by each upsampling"""
    rates: tuple[int, ...]
    """of the upsamplings, even"""
    kernels: tuple[int, ...]
    """of the parallel residual blocks after each upsampling"""
    dilations: tuple[int, ...]
    judge_channels: int
    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    scales: tuple[int, ...] = (1, 2, 4)


SIZES = {
    "tiny": Size(48, (8, 8, 4), (3, 7), (1, 3), 4, (2, 3, 5), (1, 2)),
    "small": Size(96, (8, 8, 2, 2), (3, 7), (1, 3, 5), 4),
    "paper": Size(512, (8, 8, 2, 2), (3, 7, 11), (1, 3, 5), 32),
}


@cache
def _bands(device: torch.device) -> Tensor:
    return torch.from_numpy(mel_bands(BANDS, FFT_SAMPLES)).to(device)


def mel_spectra(samples: Tensor) -> Tensor:
    """Natural-log mel magnitudes (batch, BANDS, t) of samples (batch, t * STEP_SAMPLES)."""
    with torch.autocast(samples.device.type, enabled=False):
        pad = (FFT_SAMPLES - STEP_SAMPLES) // 2
        padded = nn.functional.pad(samples.float(), (pad, pad), mode="reflect")
        window = torch.hann_window(FFT_SAMPLES, device=samples.device)
        spectrum = torch.stft(
            padded, FFT_SAMPLES, STEP_SAMPLES, window=window, center=False, return_complex=True
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return torch.log((_bands(samples.device) @ torch.sqrt(power + 1e-9)).clamp(min=FLOOR))


def _conv(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> nn.Module:
    return weight_norm(nn.Conv1d(inputs, outputs, kernel, dilation=dilation, padding="same"))


class ResidualBlock(nn.Module):
    """Dilated convolutions with residual connections: several receptive fields in one."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_conv(channels, channels, kernel, d) for d in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(nn.functional.leaky_relu(x, SLOPE))
        return x


class Mean(nn.ModuleList):
    """The mean of the outputs of blocks."""

    def forward(self, x: Tensor) -> Tensor:
        return sum(block(x) for block in self) / len(self)


class Generator(nn.Module):
    """Mel spectra (batch, BANDS, t) -> samples (batch, t * STEP_SAMPLES), full scale +-1."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        widths = [size.channels >> k for k in range(len(size.rates) + 1)]
        self.first = _conv(BANDS, widths[0], 7)
        self.ups = nn.ModuleList(
            weight_norm(nn.ConvTranspose1d(i, o, 2 * rate, rate, padding=rate // 2))
            for i, o, rate in zip(widths, widths[1:], size.rates, strict=False)
        )
        self.blocks = nn.ModuleList(
            Mean(ResidualBlock(width, kernel, size.dilations) for kernel in size.kernels)
            for width in widths[1:]
        )
        self.last = _conv(widths[-1], 1, 7)

    def forward(self, mel: Tensor) -> Tensor:
        x = self.first(mel)
        for up, mean in zip(self.ups, self.blocks, strict=True):
            x = mean(up(nn.functional.leaky_relu(x, SLOPE)))
        return torch.tanh(self.last(nn.functional.leaky_relu(x, SLOPE))).squeeze(1)


class PeriodJudge(nn.Module):
    """Sees every `period`-th sample beside the others: samples (batch, n) -> the output of each
    layer, scores last.
    """

    def __init__(self, period: int, channels: int) -> None:
        super().__init__()
        self.period = period
        widths = (1, channels, 4 * channels, 16 * channels, 32 * channels)
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(i, o, (5, 1), (3, 1), padding=(2, 0)))
            for i, o in zip(widths, widths[1:], strict=False)
        )
        self.last = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, samples: Tensor) -> list[Tensor]:
        whole = nn.functional.pad(samples, (0, -samples.shape[1] % self.period), mode="reflect")
        return _heard(whole.unflatten(1, (-1, self.period)).unsqueeze(1), self.layers, self.last)


class ScaleJudge(nn.Module):
    """Sees the audio averaged over `scale` samples; otherwise like PeriodJudge."""

    def __init__(self, scale: int, channels: int) -> None:
        super().__init__()
        self.scale = scale
        widths = (1, 4 * channels, 8 * channels, 16 * channels, 32 * channels)
        self.layers = nn.ModuleList(
            weight_norm(
                nn.Conv1d(
                    i,
                    o,
                    15 if i == 1 else 41,
                    1 if i == 1 else 4,
                    7 if i == 1 else 20,
                    groups=1 if i == 1 else 4,
                )
            )
            for i, o in zip(widths, widths[1:], strict=False)
        )
        self.last = weight_norm(nn.Conv1d(widths[-1], 1, 3, padding=1))

    def forward(self, samples: Tensor) -> list[Tensor]:
        return _heard(
            nn.functional.avg_pool1d(samples.unsqueeze(1), self.scale), self.layers, self.last
        )


def _heard(x: Tensor, layers: nn.ModuleList, last: nn.Module) -> list[Tensor]:
    outputs = []
    for layer in layers:
        x = nn.functional.leaky_relu(layer(x), SLOPE)
        outputs.append(x)
    return [*outputs, last(x)]


class Players(nn.Module):
    """The generator and its discriminators."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.generator = Generator(size)
        self.judges = nn.ModuleList(
            [PeriodJudge(p, size.judge_channels) for p in size.periods]
            + [ScaleJudge(s, size.judge_channels) for s in size.scales]
        )


def loss(
    players: Players, batch: tuple[int, np.ndarray], _: torch.Generator, alone: int = 0
) -> Tensor:
    """Mel distance, least-squares game and feature matching of crops (batch, n); only mel distance
    in the first `alone` steps.
    """
    step, crops = batch
    real = torch.from_numpy(crops).to(next(players.parameters()).device)
    wanted = mel_spectra(real)
    fake = players.generator(wanted)
    mel = MEL_WEIGHT * nn.functional.l1_loss(mel_spectra(fake), wanted)
    if step < alone:
        return mel
    return mel + sum(_game(judge, real, fake) for judge in players.judges)


def _game(judge: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Loss of one discriminator, and the generator's loss from it."""
    both = judge(torch.cat([real, fake.detach()]))
    truth, lie = both[-1].chunk(2)
    judge.requires_grad_(False)
    convinced = judge(fake)
    judge.requires_grad_(True)
    apart = sum(
        nn.functional.l1_loss(mine, theirs.chunk(2)[0].detach())
        for mine, theirs in zip(convinced[:-1], both[:-1], strict=True)
    )
    own = (truth - 1).square().mean() + lie.square().mean()
    return own + (convinced[-1] - 1).square().mean() + MATCH_WEIGHT * apart


def train(
    real: list[Clip], work: Path, sizes: list[str], steps: int, seed: int, minutes: float
) -> None:
    """Train a generator of each size on these clips.

    `work` stores decoded audio, checkpoints and the generators' stages: a killed run resumes there.
    The sizes share the minutes equally. Raises ConfigError for a size that is not in SIZES.
    """
    if unknown := set(sizes) - SIZES.keys():
        raise ConfigError(f"size {', '.join(sorted(unknown))}: expected one of {', '.join(SIZES)}")
    crops = Crops(DecodedClips(real, work / "decoded"), BATCH, CROP_SAMPLES, seed)
    for size in sizes:
        torch.manual_seed(seed)
        plan = learn.TrainingPlan(steps, BATCH, CROP_SAMPLES, RATE, 0.01, seed)
        learn.learn(
            Players(SIZES[size]),
            partial(loss, alone=int(ALONE * steps)),
            crops,
            plan,
            work / size,
            milestones=learn.Milestones(
                {max(1, int(part * steps)) for part in STAGES}, minutes / len(sizes)
            ),
        )


def plan_copies(
    real: list[Clip], work: Path, sizes: list[str], count: int, seed: int
) -> list[ClipPlan]:
    """One copy each of at most `count` clips, by every stage of every size in turn.

    Raises ConfigError if no stage was reached.
    """
    makers = [(size, step) for size in sizes for step in learn.kept_stages(work / size)]
    if not makers:
        raise ConfigError(
            f"no generator in {work} has completed a tenth of its steps; "
            "pass more --minutes or fewer --steps"
        )
    chosen = drawn(real, np.random.default_rng([seed, 1]))[:count]
    return [_plan(k, clip, *makers[k % len(makers)], seed) for k, clip in enumerate(chosen)]


def _plan(number: int, clip: Clip, size: str, step: int, seed: int) -> ClipPlan:
    return ClipPlan(
        f"gan_{number:06}",
        "gan",
        f"hifi-gan-{size}-{step}",
        clip.speaker,
        clip.licence,
        clip.language,
        {"seed": seed, "size": size, "step": step},
        clip.utt,
    )


def copier(real: list[Clip], work: Path) -> Callable[[ClipPlan], np.ndarray]:
    """The function that makes the copies planned by `plan_copies` for these clips."""
    return partial(_copy, {clip.utt: clip.path for clip in real}, work)


def _copy(paths: dict[str, Path], work: Path, plan: ClipPlan) -> np.ndarray:
    return copy(
        _generator(work, plan.recipe["size"], plan.recipe["step"]),
        read_source(paths[plan.source_utt]),
    )


@cache
def _generator(work: Path, size: str, step: int) -> Generator:
    players = Players(SIZES[size])
    players.load_state_dict(
        torch.load(learn.kept_stages(work / size)[step], map_location="cpu", weights_only=True)
    )
    return players.generator.eval()


@torch.no_grad()
def copy(generator: Generator, samples: np.ndarray) -> np.ndarray:
    """A generator's output for the mel spectra of samples float32 (n,), with the same length and
    RMS level.
    """
    whole = np.pad(samples * np.float32(LEVEL / rms(samples)), (0, -len(samples) % STEP_SAMPLES))
    return like(samples, generator(mel_spectra(torch.from_numpy(whole)[None]))[0].numpy())


def distances(plans: list[ClipPlan], real: list[Clip], work: Path) -> dict[str, float]:
    """Mean mel distance, in dB, between a few clips and their copies, for each planned
    generator.
    """
    sources = []
    for clip in drawn(real, np.random.default_rng(0))[:MEASURED]:
        with suppress(AudioError):
            sources.append(read_source(clip.path))
    makers = {
        plan.system: _generator(work, plan.recipe["size"], plan.recipe["step"]) for plan in plans
    }
    return {
        system: float(np.mean([mel_distance(source, copy(maker, source)) for source in sources]))
        for system, maker in makers.items()
    }


def mel_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference of two signals' log mel magnitudes except for their level, in dB;
    both float32 (n,).
    """
    n = len(one) // STEP_SAMPLES * STEP_SAMPLES
    a, b = (
        mel_spectra(torch.from_numpy(x[:n] * np.float32(LEVEL / rms(x)))[None])
        for x in (one, other)
    )
    apart = a - b
    return float((apart - apart.mean()).abs().mean()) * 20 / math.log(10)
