"""The Wav2Vec2-family encoder: the compact one that the project trains, or any other, as one block-embedding network."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModel, Wav2Vec2Config, Wav2Vec2Model

from radd.errors import ModelError
from radd.types import SAMPLE_RATE_HZ
from training.batches import Batch, Batches
from training.learn import Plan, learn

EMBEDDING_WIDTH = 128
TEMPERATURE = 0.1
SMOOTHING = 0.03
FILTERS, FILTER_SAMPLES = 256, 400  # of the first convolution, 25 ms long
COMPACT = {  # a layer-norm feature extractor, so that it may one day run chunk by chunk; 20 ms frames
    "conv_dim": (FILTERS, 160),
    "conv_kernel": (FILTER_SAMPLES, 3),
    "conv_stride": (160, 2),
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "hidden_size": 160,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 480,
    "num_conv_pos_embeddings": 31,
    "num_conv_pos_embedding_groups": 10,
    "layerdrop": 0.0,
    "hidden_dropout": 0.05,
    "attention_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "apply_spec_augment": False,
}


class BlockEncoder(nn.Module):
    """A block of sound -> mean and deviation of one layer over time -> a unit vector, and a logit of bona fide."""

    def __init__(self, speech_model: nn.Module, layer: int = -1) -> None:
        super().__init__()
        self.speech_model, self.layer = speech_model, layer
        self.project = nn.Linear(2 * speech_model.config.hidden_size, EMBEDDING_WIDTH)
        self.head = nn.Linear(EMBEDDING_WIDTH, 1)

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding (batch, EMBEDDING_WIDTH) of unit length and logit (batch,) of samples (batch, n) at 16 kHz."""
        mean = samples.mean(1, keepdim=True)
        deviation = (samples - mean).square().mean(1, keepdim=True).sqrt()
        heard = self.speech_model((samples - mean) / (deviation + 1e-5), output_hidden_states=True)
        x = heard.hidden_states[self.layer]  # (batch, frames, hidden_size)
        middle = x.mean(1)
        spread = torch.sqrt((x - middle.unsqueeze(1)).square().mean(1) + 1e-5)
        z = self.project(torch.cat([middle, spread], 1))
        return nn.functional.normalize(z, dim=1), self.head(nn.functional.silu(z)).squeeze(1)


def compact() -> BlockEncoder:
    """The encoder that ships, untrained but for its first convolution, which begins as a bank of Gabor filters.

    Cosine and sine pairs, linearly spaced from 60 Hz to 7.9 kHz under a Hann window: from random filters the same
    training had learned nothing after 100 steps.
    """
    model = Wav2Vec2Model(Wav2Vec2Config(**COMPACT))
    time = torch.arange(FILTER_SAMPLES) / SAMPLE_RATE_HZ
    phase = 2 * torch.pi * torch.linspace(60, 7900, FILTERS // 2)[:, None] * time
    bank = torch.cat([phase.cos(), phase.sin()]) * torch.hann_window(FILTER_SAMPLES)
    model.feature_extractor.conv_layers[0].conv.weight.data = (bank / bank.norm(dim=1, keepdim=True)).unsqueeze(1)
    return BlockEncoder(model)


def pretrained(name: str, layer: int) -> BlockEncoder:
    """Any Wav2Vec2-family model by hub name or directory, its hidden layer `layer` pooled; projection and head are new.

    Raises ModelError where there is no such model.
    """
    try:
        return BlockEncoder(AutoModel.from_pretrained(name), layer)
    except (OSError, ValueError) as error:
        raise ModelError(f"encoder {name!r} cannot be had: {str(error).splitlines()[0]}; "
                         "give a directory saved by transformers or the name of a model on the hub") from None


def supervised_contrast(embeddings: Tensor, groups: Tensor) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020): the same system, or bona fide, attracts; all else repels."""
    n = len(groups)
    self_pair = torch.eye(n, dtype=torch.bool, device=groups.device)
    logits = (embeddings @ embeddings.T / TEMPERATURE).masked_fill(self_pair, -1e9)
    same = (groups[:, None] == groups[None, :]) & ~self_pair
    log_share = logits - logits.logsumexp(1, keepdim=True)
    has = same.any(1)
    return -((log_share * same).sum(1)[has] / same.sum(1)[has]).mean() if has.any() else logits.sum() * 0


def _loss(encoder: BlockEncoder, batch: Batch, _: torch.Generator) -> Tensor:
    device = next(encoder.parameters()).device
    embeddings, logits = encoder(torch.from_numpy(batch.samples).to(device))
    bonafide = torch.from_numpy(batch.bonafide).to(device)
    target = bonafide * (1 - 2 * SMOOTHING) + SMOOTHING
    told = nn.functional.binary_cross_entropy_with_logits(logits, target)
    return told + 0.3 * supervised_contrast(embeddings.float(), torch.from_numpy(batch.group).to(device))


def train(encoder: BlockEncoder, batches: Batches, plan: Plan, folder: Path, workers: int, threads: int = 1) -> BlockEncoder:
    """The encoder after learning labels and systems; see training.learn for `folder`."""
    return learn(encoder, _loss, batches, plan, folder, workers, threads)
