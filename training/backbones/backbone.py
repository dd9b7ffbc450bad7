"""Both pretrained networks as one: a block of sound -> the features that heads learn on."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from radd.encoder import BLOCK_SAMPLES
from radd.vad import BLOCK_SAMPLES as PART_SAMPLES
from training.backbones.distill_mos import DistillMosCnn
from training.backbones.whisper import WhisperBlocks
from training.export import export_network, halve_weights

ORIGINS = {
    "DistillMosCnn": "convolutions of Distill-MOS 7 (Stahl and Gamper 2025, Microsoft, MIT "
    "licence)",
    "WhisperBlocks": "blocks 1 to 3 of Whisper's encoder (Radford et al. 2023, OpenAI, MIT "
    "licence)",
}  # stored in the file, for the card of every bundle that is made with it
LEVEL = 0.2  # RMS of the loud parts of a block after scaling, full scale being 1
LOUD_RANK = 5  # of the 32 parts of a block, the one whose level stands for the voice's
QUIETEST = 1e-4  # RMS below which a block is not scaled up further


class Backbone(nn.Module):
    """A block of sound, whatever its level -> mean and deviation over time of each channel."""

    def __init__(self, cnn: DistillMosCnn, whisper: WhisperBlocks) -> None:
        super().__init__()
        self.cnn, self.whisper = cnn, whisper

    def forward(self, samples: Tensor) -> Tensor:
        """Features (batch, width) of samples (batch, BLOCK_SAMPLES): of the convolutions first,
        then of each of Whisper's blocks.
        """
        samples = level(samples)
        parts = [pooled(self.cnn(samples)), pooled(self.whisper(samples)).flatten(1)]
        return torch.cat(parts, 1)


def level(samples: Tensor) -> Tensor:
    """Blocks (batch, n) scaled so that the voice's parts of 32 ms have the level LEVEL."""
    parts = samples.reshape(-1, samples.shape[1] // PART_SAMPLES, PART_SAMPLES)
    loud = parts.square().mean(2).topk(LOUD_RANK, 1).values[:, -1:].sqrt()
    return samples * (LEVEL / loud.clamp(min=QUIETEST))


def pooled(frames: Tensor) -> Tensor:
    """Mean and standard deviation over time, (..., 2 * width), of frames (..., time, width)."""
    mean = frames.mean(-2)
    variance = frames.square().mean(-2) - mean.square()
    return torch.cat([mean, variance.clamp(min=1e-8).sqrt()], -1)


def export_backbone(backbone: Backbone, path: Path) -> None:
    """Write the network `samples` -> `features` with weights of 16 bits, which it computes in 32.

    Raises RuntimeError where ONNX Runtime and torch differ.
    """
    for parameter in backbone.parameters():
        parameter.data = parameter.data.half().float()
    example = (0.1 * torch.randn(2, BLOCK_SAMPLES, generator=torch.Generator().manual_seed(1)),)
    export_network(backbone, example, ["samples"], ["features"], {"samples": {0: "batch"}}, path)
    halve_weights(path, ORIGINS)
