"""The index embedding: the frames of both networks, pooled over a block and projected to a unit
vector.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from radd.encoder import block_spectra
from training.batches import Batch, Batches
from training.joint import Pair, smoothed
from training.learn import TrainingPlan, learn
from training.networks.encoder import EMBEDDING_WIDTH, pooled, supervised_contrast
from training.networks.spectral import FRAME_WIDTH

WHITENED = 40  # batches whose embeddings determine the whitening
SHRINKAGE = 0.1  # of their covariance towards a round one (Ledoit and Wolf 2004)


class Embedder(nn.Module):
    """A block of audio and its spectra -> a unit vector and a logit of bona fide; the pair of
    networks is not changed.
    """

    middle: Tensor
    whitening: Tensor

    def __init__(self, pair: Pair) -> None:
        super().__init__()
        self.pair = pair.requires_grad_(False)
        self.norm = nn.LayerNorm(width := 2 * (pair.encoder.width + FRAME_WIDTH))
        self.project = nn.Linear(width, EMBEDDING_WIDTH)
        self.head = nn.Linear(EMBEDDING_WIDTH, 1)
        self.register_buffer("middle", torch.zeros(EMBEDDING_WIDTH))
        self.register_buffer("whitening", torch.eye(EMBEDDING_WIDTH))

    def train(self, mode: bool = True) -> Embedder:
        super().train(mode)
        self.pair.eval()
        return self

    def forward(self, samples: Tensor, spectra: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding (batch, EMBEDDING_WIDTH) and logit (batch,) of samples (batch, n) and spectra
        (batch, time, BINS).
        """
        hidden, frames = self.pair.encoder.hidden(samples), self.pair.spectral.frames(spectra)[0]
        z = self.project(self.norm(torch.cat([pooled(hidden), pooled(frames)], 1)))
        embedding = normalize((normalize(z, dim=1) - self.middle) @ self.whitening, dim=1)
        return embedding, self.head(nn.functional.silu(z)).squeeze(1)

    @torch.no_grad()
    def whiten(self, embeddings: Tensor) -> None:
        """Whiten embeddings (n, EMBEDDING_WIDTH) by their covariance, so that they spread over the
        sphere.

        Training puts nearly all speech into one narrow cone, in which a recording through another
        channel is no closer than unrelated speech.
        """
        covariance = torch.cov(embeddings.T)
        covariance += SHRINKAGE * covariance.trace() / EMBEDDING_WIDTH * torch.eye(EMBEDDING_WIDTH)
        values, vectors = torch.linalg.eigh(covariance)
        self.middle.copy_(embeddings.mean(0))
        self.whitening.copy_(vectors @ torch.diag(values**-0.5) @ vectors.T)


def train(pair: Pair, batches: Batches, plan: TrainingPlan, folder: Path, workers: int) -> Embedder:
    """An Embedder trained on labels and on which clips share a system; see training.learn for
    `folder`.
    """
    torch.manual_seed(plan.seed)
    embedder = learn(Embedder(pair), _loss, batches, plan, folder, workers)
    with torch.no_grad():
        embeddings = [
            embedder(*_inputs(batches[plan.steps + k], embedder))[0] for k in range(WHITENED)
        ]
    embedder.whiten(torch.cat(embeddings).cpu())
    return embedder


def _inputs(batch: Batch, embedder: Embedder) -> tuple[Tensor, Tensor]:
    spectra = np.stack([block_spectra(block) for block in batch.samples])
    device = embedder.project.weight.device
    return torch.from_numpy(batch.samples).to(device), torch.from_numpy(spectra).to(device)


def _loss(embedder: Embedder, batch: Batch, _: torch.Generator) -> Tensor:
    embeddings, logits = embedder(*_inputs(batch, embedder))
    target = smoothed(batch).to(logits.device)
    groups = torch.from_numpy(batch.group).to(logits.device)
    return binary_cross_entropy_with_logits(logits, target) + supervised_contrast(
        embeddings.float(), groups
    )
