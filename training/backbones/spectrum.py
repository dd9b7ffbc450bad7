"""Short-time Fourier transforms as convolutions, so that an exported network takes samples."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad


class Fourier(nn.Module):
    """The transform of reflected sound under a Hann window of the transform's own length."""

    bank: Tensor

    def __init__(self, window_samples: int, step_samples: int, padding: int) -> None:
        """`padding` samples are reflected at both ends before the first window begins."""
        super().__init__()
        self.bins = window_samples // 2 + 1
        self.step_samples, self.padding = step_samples, padding
        window = np.hanning(window_samples + 1)[:-1, None]
        turned = np.fft.rfft(np.diag(window[:, 0]), axis=0)
        bank = np.concatenate([turned.real, turned.imag])[:, None]
        self.register_buffer("bank", torch.tensor(bank, dtype=torch.float32))

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Real and imaginary parts, each (batch, bins, time), of samples (batch, n)."""
        padded = pad(samples[:, None], (self.padding, self.padding), mode="reflect")
        both = conv1d(padded, self.bank, stride=self.step_samples)
        return both[:, : self.bins], both[:, self.bins :]
