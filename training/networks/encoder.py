"""The Wav2Vec2-family encoder: the compact one that the project trains, or any other, as one
block-embedding network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from huggingface_hub.utils.logging import set_verbosity_error
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel, Wav2Vec2Config, Wav2Vec2Model
from transformers.utils.logging import disable_progress_bar

from radd.errors import ModelError
from radd.types import SAMPLE_RATE_HZ

EMBEDDING_WIDTH = 128
TEMPERATURE = 0.1
BANDS, FILTER_SAMPLES = 128, 400  # of the first convolution, 25 ms long
# 20 ms frames; the group norm removes each filter's mean level over the block, and with it the
# channel
COMPACT: dict[str, Any] = {
    "conv_dim": (4 * BANDS, 160),
    "conv_kernel": (FILTER_SAMPLES, 3),
    "conv_stride": (160, 2),
    "feat_extract_norm": "group",
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
    """A block of sound -> mean and deviation of one layer over time -> a unit vector, and a logit
    of bona fide.
    """

    def __init__(self, speech_model: PreTrainedModel, layer: int = -1) -> None:
        super().__init__()
        self.speech_model, self.layer = speech_model, layer
        self.width: int = speech_model.config.hidden_size
        self.project = nn.Linear(2 * self.width, EMBEDDING_WIDTH)
        self.head = nn.Linear(EMBEDDING_WIDTH, 1)

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding (batch, EMBEDDING_WIDTH) of unit length and logit (batch,) of samples (batch,
        n) at 16 kHz.
        """
        return self.judge(self.hidden(samples))

    def hidden(self, samples: Tensor) -> Tensor:
        """The layer's frames, (batch, frames, width)."""
        return self.speech_model(standardised(samples), output_hidden_states=True).hidden_states[
            self.layer
        ]

    def judge(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding and logit of the layer's frames."""
        z = self.project(pooled(x))
        return nn.functional.normalize(z, dim=1), self.head(nn.functional.silu(z)).squeeze(1)


def pooled(frames: Tensor) -> Tensor:
    """Mean and deviation over time, (batch, 2 * width), of frames (batch, time, width)."""
    middle = frames.mean(1)
    spread = torch.sqrt((frames - middle.unsqueeze(1)).square().mean(1) + 1e-5)
    return torch.cat([middle, spread], 1)


def standardised(samples: Tensor) -> Tensor:
    """Zero mean and unit deviation over each row, as the Wav2Vec2 family expects its input."""
    mean = samples.mean(1, keepdim=True)
    deviation = (samples - mean).square().mean(1, keepdim=True).sqrt()
    return (samples - mean) / (deviation + 1e-5)


def compact() -> BlockEncoder:
    """The encoder that ships, untrained but for its first layers, which begin as a bank of Gabor
    filters.

    BANDS bands, linearly spaced from 60 Hz to 7.9 kHz under a Hann window, each with four phases:
    after the GELU, the second convolution begins as random mixtures of the four phases' sums, which
    follow a band's magnitude.
    """
    model = Wav2Vec2Model(Wav2Vec2Config(**COMPACT))
    time = torch.arange(FILTER_SAMPLES) / SAMPLE_RATE_HZ
    phase = 2 * torch.pi * torch.linspace(60, 7900, BANDS)[:, None] * time
    bank = torch.stack(
        [phase.cos(), -phase.cos(), phase.sin(), -phase.sin()], 1
    ) * torch.hann_window(FILTER_SAMPLES)
    first, second = (layer.conv.weight.data for layer in model.feature_extractor.conv_layers)
    first.copy_((bank / bank.norm(dim=2, keepdim=True)).reshape(first.shape))
    mixtures = (
        torch.randn(len(second), BANDS, 1, second.shape[2]) / (2 * BANDS * second.shape[2]) ** 0.5
    )
    second.copy_(mixtures.expand(-1, -1, 4, -1).reshape(second.shape))
    return BlockEncoder(model)


def pretrained(name: str, layer: int) -> BlockEncoder:
    """Any Wav2Vec2-family model by hub name or directory, with its hidden layer `layer` pooled;
    projection and head are new.

    Raises ModelError if there is no such model.
    """
    return BlockEncoder(
        from_hub(AutoModel.from_pretrained, name, f"encoder {name!r}", "a model"), layer
    )


def from_hub(load: Callable[[str], Any], name: str, description: str, wanted: str) -> Any:
    """Result of `load`, a from_pretrained of transformers, for a hub name or directory, without its
    progress output.

    Raises ModelError, which calls the model `description`, if what is `wanted` does not exist.
    """
    set_verbosity_error()
    disable_progress_bar()
    try:
        return load(name)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ModelError(
            f"{description} is not available: {reason}; pass a directory saved by transformers or "
            f"the name of {wanted} on the hub"
        ) from None


def supervised_contrast(embeddings: Tensor, groups: Tensor) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020): the same system, or bona fide, attracts;
    all others repel.
    """
    n = len(groups)
    self_pair = torch.eye(n, dtype=torch.bool, device=groups.device)
    logits = (embeddings @ embeddings.T / TEMPERATURE).masked_fill(self_pair, -1e9)
    same = (groups[:, None] == groups[None, :]) & ~self_pair
    log_share = logits - logits.logsumexp(1, keepdim=True)
    has = same.any(1)
    return (
        -((log_share * same).sum(1)[has] / same.sum(1)[has]).mean()
        if has.any()
        else logits.sum() * 0
    )
