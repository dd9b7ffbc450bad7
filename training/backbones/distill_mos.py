"""The convolutions of Distill-MOS (Stahl and Gamper 2025), on the compressed complex spectrum.

Distill-MOS learned from XLS-R, a Wav2Vec2 model, how good speech sounds. Its convolutions see
130 ms at a time; the transformer above them adds little here and is left out. MIT licence.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from radd.errors import ModelError
from training.backbones.spectrum import Fourier

WINDOW_SAMPLES, STEP_SAMPLES = 320, 160
COMPRESSION = 0.3  # exponent of the magnitudes
FLOOR = 1e-12


class DistillMosCnn(nn.Module):
    """Sound -> frames of 1024 numbers, 20 ms apart."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        """Of the state of the published network; raises ModelError where it is another one's."""
        super().__init__()
        names = [name.removesuffix(".weight") for name in weights if name.endswith(".weight")]
        names = sorted(
            (name for name in names if name.startswith("cnn.")),
            key=lambda name: int(name.rpartition(".")[2]),
        )
        if not names:
            raise ModelError(
                "the weights have no convolutions cnn.*; expected those of Distill-MOS"
            )
        self.fourier = Fourier(WINDOW_SAMPLES, STEP_SAMPLES, (WINDOW_SAMPLES - STEP_SAMPLES) // 2)
        layers: list[nn.Module] = []
        for k, name in enumerate(names):
            weight = weights[f"{name}.weight"]
            strides = 2 if k else 1, 2 if k == len(names) - 1 else 1
            layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, strides, (0, 1))
            layer.weight.data.copy_(weight)
            layer.get_parameter("bias").data.copy_(weights[f"{name}.bias"])
            layers += [layer, nn.LeakyReLU(0.1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, samples: Tensor) -> Tensor:
        """Frames (batch, time, width) of samples (batch, n), full scale +-1."""
        real, imaginary = self.fourier(samples)
        magnitude = (real.square() + imaginary.square()).sqrt().clamp(min=FLOOR)
        gain = magnitude**COMPRESSION / magnitude
        out = self.layers(torch.stack([real * gain, imaginary * gain], 1))
        return out.flatten(1, 2).transpose(1, 2)


def load(path: Path) -> DistillMosCnn:
    """The convolutions of the package's weights file; raises ModelError where it is not one."""
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)["model"]
    except (OSError, KeyError, TypeError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ModelError(
            f"{path} holds no weights of Distill-MOS ({type(error).__name__}); expected "
            "distill_mos_v7.pt of the package distillmos"
        ) from None
    return DistillMosCnn(weights).eval()
