"""The network on the spectrum, in torch.

Convolutions are causal, and their past is an argument, so that the exported network continues where
the last chunk ended. Training begins with a past of zeros, as a stream does.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from radd.features import BINS

WIDTHS = (16, 24, 32, 48, 64)  # channels after the stem and after each stage
FRAME_WIDTH = 128
SCALE = 1 / 3  # log spectra minus their mean have a deviation of about 3


class CausalConv(nn.Module):
    """Convolution over (frequency, time) whose output at a time does not depend on later inputs."""

    def __init__(
        self, inputs: int, outputs: int, strides: tuple[int, int] = (1, 1), bins: int = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, strides, padding=(1, 0), bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.past_shape = (inputs, bins, 3 - strides[1])

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([past, x], 3)  # (batch, channels, bins, past + time)
        return self.norm(self.conv(x)), x[..., -past.shape[3] :]


class Stage(nn.Module):
    """A strided convolution and a residual pair (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, strides: tuple[int, int], bins: int) -> None:
        super().__init__()
        self.down = CausalConv(inputs, outputs, strides, bins)
        self.first = CausalConv(outputs, outputs, bins=bins // strides[0])
        self.second = CausalConv(outputs, outputs, bins=bins // strides[0])

    def forward(self, x: Tensor, pasts: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        x, down = self.down(x, pasts[0])
        x = nn.functional.silu(x)
        y, first = self.first(x, pasts[1])
        y, second = self.second(nn.functional.silu(y), pasts[2])
        return nn.functional.silu(x + y), [down, first, second]


class SpectralNetwork(nn.Module):
    """Spectra -> one frame every 32 ms -> attentive statistics of a window -> logit of bona
    fide.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = CausalConv(1, WIDTHS[0], (2, 1), BINS)
        shapes = zip(WIDTHS, WIDTHS[1:], [(2, 2), (2, 1), (2, 1), (2, 1)], strict=False)
        self.stages = nn.ModuleList(
            Stage(i, o, s, BINS >> (k + 1)) for k, (i, o, s) in enumerate(shapes)
        )
        self.frame = nn.Sequential(
            nn.Linear(WIDTHS[-1] * (BINS >> 5), FRAME_WIDTH), nn.LayerNorm(FRAME_WIDTH), nn.SiLU()
        )
        self.attention = nn.Sequential(nn.Linear(FRAME_WIDTH, 32), nn.Tanh(), nn.Linear(32, 1))
        self.head = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(2 * FRAME_WIDTH, 64), nn.SiLU(), nn.Linear(64, 1)
        )

    @property
    def past_shapes(self) -> list[tuple[int, ...]]:
        """Shape of each layer's past, without the batch."""
        layers = [m for m in self.modules() if isinstance(m, CausalConv)]
        return [layer.past_shape for layer in layers]

    def frames(
        self, spectra: Tensor, pasts: list[Tensor] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Frames (batch, time / 2, FRAME_WIDTH) of spectra (batch, time, BINS), and the layers'
        pasts afterwards.
        """
        if (
            pasts is None
            # the same memory layout as the weights, so that concatenating past and present copies
            # nothing twice
        ):
            shapes = [(spectra.shape[0], *shape) for shape in self.past_shapes]
            pasts = [
                torch.zeros_like(spectra.new_empty(shape), memory_format=torch.channels_last)
                for shape in shapes
            ]
        x, past = self.stem(spectra.transpose(1, 2).unsqueeze(1) * SCALE, pasts[0])
        x, after = nn.functional.silu(x), [past]
        for k, stage in enumerate(self.stages):
            x, new = stage(x, pasts[1 + 3 * k : 4 + 3 * k])
            after += new
        return self.frame(x.flatten(1, 2).transpose(1, 2)), after

    def score(self, frames: Tensor, speech: Tensor) -> Tensor:
        """Logit of bona fide, (batch,), of windows of frames (batch, time, FRAME_WIDTH).

        `speech` (batch, time), 0 to 1, weights the attention: pauses hardly count where there is
        speech. Attentive statistics pooling: Okabe et al. 2018.
        """
        logits = self.attention(frames).squeeze(2) + torch.log(speech + 1e-3)
        weights = torch.softmax(logits, 1).unsqueeze(1)  # (batch, 1, time)
        mean = torch.bmm(weights, frames).squeeze(1)
        square = torch.bmm(weights, frames * frames).squeeze(1)
        deviation = torch.sqrt(torch.clamp(square - mean * mean, min=1e-4))
        return self.head(torch.cat([mean, deviation], 1)).squeeze(1)


def band_masked(x: Tensor, chance: torch.Generator) -> Tensor:
    """Spectra with one random band of each set to the channel's mean (SpecAugment, Park et al.
    2019).
    """
    x = x.clone()
    bins = x.shape[2]
    for row in x:
        width = int(torch.randint(0, bins // 6, (), generator=chance))
        first = int(torch.randint(0, bins - width, (), generator=chance))
        row[:, first : first + width] = 0
    return x
