"""Self-supervised pretraining of the compact encoder: wav2vec 2.0's contrastive task (Baevski et
al. 2020).

Spans of the convolutions' output are masked. The transformer must identify each masked frame's
quantised version among other frames of the same crop. Labels are not used.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel, Wav2Vec2ForPreTraining, Wav2Vec2Model

from radd.errors import ModelError
from radd.types import SAMPLE_RATE_HZ
from training.batches import Batch, Batches
from training.config import TrainingConfig
from training.learn import TrainingPlan, learn
from training.networks.encoder import BlockEncoder, compact, pretrained, standardised
from training.networks.warm_start import block_encoder

MASK_SHARE, SPAN = 0.5, 6  # of the frames, in spans of 6 frames, 120 ms: crops are short
NEGATIVES = 20  # crops are short and have few other masked frames
DIVERSITY = 0.1  # weight of the codebook diversity, so that it does not collapse to a few entries
TEMPERATURE = 1  # of the Gumbel softmax


def first_encoder(
    recipe: TrainingConfig, batches: Batches, work: Path, workers: int, start: Path | None = None
) -> BlockEncoder:
    """The initial encoder of labelled training: the configured one, else that of the bundle
    `start`, else a new one. `work` stores the result of pretraining.
    """
    torch.manual_seed(recipe.seed)
    if recipe.encoder:
        encoder = pretrained(recipe.encoder, recipe.encoder_layer)
    else:
        encoder = block_encoder(start) if start else compact()
    if recipe.pretrain_steps:
        plan = TrainingPlan(
            recipe.pretrain_steps,
            recipe.batch,
            int(recipe.crop_s * SAMPLE_RATE_HZ),
            recipe.rate,
            recipe.weight_decay,
            recipe.seed,
        )
        encoder.speech_model = pretrain(
            encoder.speech_model, batches, plan, work / "pretrained", workers
        )
    if recipe.encoder_frozen:
        encoder.speech_model.requires_grad_(False)
    return encoder


def pretrain(
    model: PreTrainedModel, batches: Batches, plan: TrainingPlan, folder: Path, workers: int
) -> Wav2Vec2Model:
    """`model` after the contrastive task; see training.learn for `folder`.

    Raises ModelError for a model of another architecture than Wav2Vec2.
    """
    if not isinstance(model, Wav2Vec2Model):
        raise ModelError(
            f"the contrastive task needs a Wav2Vec2 model, not {type(model).__name__}; set "
            "[training] pretrain_steps to 0"
        )
    network = Wav2Vec2ForPreTraining(model.config)
    network.wav2vec2 = model
    network.set_gumbel_temperature(TEMPERATURE)

    def loss(network: Wav2Vec2ForPreTraining, batch: Batch, chance: torch.Generator) -> Tensor:
        return _contrast(network, torch.from_numpy(batch.samples), chance)

    return learn(network, loss, batches, plan, folder, workers).wav2vec2


def _contrast(network: Wav2Vec2ForPreTraining, samples: Tensor, chance: torch.Generator) -> Tensor:
    device = network.device
    frames = int(network.wav2vec2._get_feat_extract_output_lengths(samples.shape[1]))
    masked = spans((len(samples), frames), chance)
    others = negatives(masked, chance)
    out = network(
        standardised(samples).to(device),
        mask_time_indices=masked.to(device),
        sampled_negative_indices=others.to(device),
    )
    return out.contrastive_loss / masked.sum() + DIVERSITY * out.diversity_loss / masked.sum()


def spans(shape: tuple[int, int], chance: torch.Generator) -> Tensor:
    """A mask bool (batch, frames) that covers about MASK_SHARE of the frames of each row by spans
    of SPAN.
    """
    rows, frames = shape
    begins = torch.rand(rows, frames, generator=chance) < MASK_SHARE / SPAN * 1.3  # spans overlap
    begins[torch.arange(rows), torch.randint(0, frames - SPAN, (rows,), generator=chance)] = True
    masked = begins.clone()
    for shift in range(1, SPAN):
        masked[:, shift:] |= begins[:, :-shift]
    return masked


def negatives(masked: Tensor, chance: torch.Generator) -> Tensor:
    """For each masked frame NEGATIVES other masked frames of its row, as indices into the flattened
    batch.

    int64 (batch, frames, NEGATIVES); rows of unmasked frames are ignored.
    """
    rows, frames = masked.shape
    out = torch.zeros(rows, frames, NEGATIVES, dtype=torch.int64)
    for row in range(rows):
        at = masked[row].nonzero()[:, 0]
        n = len(at)
        drawn = torch.randint(0, n - 1, (n, NEGATIVES), generator=chance)
        drawn += drawn >= torch.arange(n)[:, None]  # never itself
        out[row, at] = at[drawn] + row * frames
    return out
