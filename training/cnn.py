"""Training of the network on the spectrum."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from training import warm_start
from training.batches import Batch, Batches, spectra
from training.learn import Plan, learn
from training.networks import SpectralNetwork

SMOOTHING = 0.03  # labels come from page names; a few are wrong
SHORTEST_FRAMES = 24  # of the random window that is scored beside the whole crop


def _loss(network: SpectralNetwork, batch: Batch, chance: torch.Generator) -> Tensor:
    """Cross-entropy of the whole crop and of a random window of it, as a stream meets both."""
    device = next(network.parameters()).device
    x = torch.from_numpy(spectra(batch)).to(device)
    speech = torch.from_numpy(batch.speech).to(device)
    target = torch.from_numpy(batch.bonafide).to(device) * (1 - 2 * SMOOTHING) + SMOOTHING
    frames, _ = network.frames(_masked(x, chance))
    n = frames.shape[1]
    length = int(torch.randint(SHORTEST_FRAMES, n + 1, (), generator=chance))
    begin = int(torch.randint(0, n - length + 1, (), generator=chance))
    window = slice(begin, begin + length)
    whole = nn.functional.binary_cross_entropy_with_logits(network.score(frames, speech), target)
    part = network.score(frames[:, window], speech[:, window])
    return (whole + nn.functional.binary_cross_entropy_with_logits(part, target)) / 2


def _masked(x: Tensor, chance: torch.Generator) -> Tensor:
    """Spectra with one random band of each set to the channel's mean (SpecAugment, Park et al. 2019)."""
    x = x.clone()
    bins = x.shape[2]
    for row in x:
        width = int(torch.randint(0, bins // 6, (), generator=chance))
        first = int(torch.randint(0, bins - width, (), generator=chance))
        row[:, first : first + width] = 0
    return x


def train(
    batches: Batches, plan: Plan, folder: Path, workers: int, start: Path | None = None, threads: int = 1
) -> SpectralNetwork:
    """A SpectralNetwork that learned to tell bona fide from spoof, anew or from the bundle `start` on.

    See training.learn for `folder`.
    """
    torch.manual_seed(plan.seed)
    network = warm_start.spectral_network(start, batches) if start else SpectralNetwork()
    network.to(memory_format=torch.channels_last)  # a tenth faster on a processor
    return learn(network, _loss, batches, plan, folder, workers, threads)
