"""What the index is made of: the frames of both networks, pooled over a block and projected to a unit vector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from radd.encoder import block_spectra
from training.batches import Batch, Batches
from training.encoder import EMBEDDING_WIDTH, pooled, supervised_contrast
from training.learn import Plan, learn
from training.networks import FRAME_WIDTH
from training.together import SMOOTHING, Pair


class Embedder(nn.Module):
    """A block of sound and its spectra -> a unit vector and a logit of bona fide; the pair of networks stays as it is."""

    def __init__(self, pair: Pair) -> None:
        super().__init__()
        self.pair = pair.requires_grad_(False)
        self.norm = nn.LayerNorm(width := 2 * (pair.encoder.width + FRAME_WIDTH))
        self.project = nn.Linear(width, EMBEDDING_WIDTH)
        self.head = nn.Linear(EMBEDDING_WIDTH, 1)

    def train(self, mode: bool = True) -> Embedder:
        super().train(mode)
        self.pair.eval()
        return self

    def forward(self, samples: Tensor, spectra: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding (batch, EMBEDDING_WIDTH) and logit (batch,) of samples (batch, n) and spectra (batch, time, BINS)."""
        heard, frames = self.pair.encoder.hidden(samples), self.pair.spectral.frames(spectra)[0]
        z = self.project(self.norm(torch.cat([pooled(heard), pooled(frames)], 1)))
        return normalize(z, dim=1), self.head(nn.functional.silu(z)).squeeze(1)


def train(pair: Pair, batches: Batches, plan: Plan, folder: Path, workers: int) -> Embedder:
    """An Embedder that learned labels, and which clips are of one system; see training.learn for `folder`."""
    torch.manual_seed(plan.seed)
    return learn(Embedder(pair), _loss, batches, plan, folder, workers)


def _loss(embedder: Embedder, batch: Batch, _: torch.Generator) -> Tensor:
    device = embedder.project.weight.device
    spectra = torch.from_numpy(np.stack([block_spectra(block) for block in batch.samples])).to(device)
    embeddings, logits = embedder(torch.from_numpy(batch.samples).to(device), spectra)
    target = torch.from_numpy(batch.bonafide).to(device) * (1 - 2 * SMOOTHING) + SMOOTHING
    groups = torch.from_numpy(batch.group).to(device)
    return binary_cross_entropy_with_logits(logits, target) + supervised_contrast(embeddings.float(), groups)
