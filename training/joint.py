"""Joint training: both networks learn from the same batches, and the encoder also learns from the
spectral network.

A network on waveforms learns next to nothing from one label per second. The encoder is therefore
also trained to predict the spectral network's frames of the same audio: knowledge distillation
(Hinton et al. 2015).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool1d, binary_cross_entropy_with_logits

from radd.cnn import FRAME_SAMPLES
from radd.encoder import BLOCK_HOPS, BLOCK_SAMPLES, BLOCK_SPEECH
from radd.types import HOP_SAMPLES
from training.batches import Batch, Batches, spectra
from training.learn import TrainingPlan, learn
from training.networks import warm_start
from training.networks.encoder import BlockEncoder, supervised_contrast
from training.networks.spectral import FRAME_WIDTH, SpectralNetwork, band_masked

SMOOTHING = 0.03  # labels come from page names, and a few are wrong
SHORTEST_FRAMES = 24  # of the random window that is scored in addition to the whole crop
CONTRAST = 0.3  # weight of the supervised contrastive loss
_FRAMES = HOP_SAMPLES // FRAME_SAMPLES  # of the spectral network, in one hop


class Pair(nn.Module):
    """The two networks of a bundle, and a projection from the encoder's frames to those of the
    other one.
    """

    def __init__(self, spectral: SpectralNetwork, encoder: BlockEncoder) -> None:
        super().__init__()
        self.spectral, self.encoder = spectral, encoder
        self.translate = nn.Linear(encoder.width, FRAME_WIDTH)


def train(
    encoder: BlockEncoder,
    batches: Batches,
    plan: TrainingPlan,
    folder: Path,
    workers: int,
    start: Path | None = None,
) -> Pair:
    """Both networks after training; the spectral one is new or continues from the bundle `start`.

    A frozen encoder is not changed. See training.learn for `folder`.
    """
    spectral = warm_start.spectral_network(start, batches) if start else SpectralNetwork()
    for parameter in spectral.parameters():
        if parameter.dim() == 4:  # ten percent faster on a CPU
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return learn(Pair(spectral, encoder), loss, batches, plan, folder, workers)


def loss(pair: Pair, batch: Batch, chance: torch.Generator) -> Tensor:
    """Cross-entropy of both networks' scores, supervised contrast of the embeddings, distillation
    of the frames.

    A frozen encoder contributes nothing.
    """
    spectrum, frames, score = spectral_loss(pair.spectral, batch, chance)
    if not any(p.requires_grad for p in pair.encoder.speech_model.parameters()):
        return spectrum

    device = frames.device
    speech = torch.from_numpy(batch.speech).to(device)
    target = smoothed(batch).to(device)
    n = frames.shape[1]
    cut = _blocks(n, chance)
    count = len(target) * (cut.stop - cut.start) // (BLOCK_HOPS * _FRAMES)
    samples = torch.from_numpy(
        batch.samples[:, cut.start * FRAME_SAMPLES : cut.stop * FRAME_SAMPLES]
    ).to(device)
    hidden = pair.encoder.hidden(samples.reshape(count, BLOCK_SAMPLES))
    embeddings, logits = pair.encoder.judge(hidden)
    taught = frames.detach()[:, cut].reshape(count, BLOCK_HOPS, _FRAMES, FRAME_WIDTH).mean(2)
    translated = adaptive_avg_pool1d(pair.translate(hidden).transpose(1, 2), BLOCK_HOPS).transpose(
        1, 2
    )
    spoken = (speech[:, cut].reshape(count, -1).mean(1) >= BLOCK_SPEECH).float()
    repeat = count // len(target)
    supervised = (
        binary_cross_entropy_with_logits(logits, target.repeat_interleave(repeat), spoken)
        + binary_cross_entropy_with_logits(
            logits, score.detach().sigmoid().repeat_interleave(repeat), spoken
        )
    ) / 2
    groups = torch.from_numpy(batch.group).to(device).repeat_interleave(repeat)
    return (
        spectrum
        + supervised
        + CONTRAST * supervised_contrast(embeddings.float(), groups)
        + (translated - taught).square().mean() / taught.var()
    )


def spectral_loss(
    spectral: SpectralNetwork, batch: Batch, chance: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Cross-entropy of the scores of whole crops and of a part of them; frames and scores of whole
    crops.
    """
    device = next(spectral.parameters()).device
    speech = torch.from_numpy(batch.speech).to(device)
    target = smoothed(batch).to(device)
    frames, _ = spectral.frames(band_masked(torch.from_numpy(spectra(batch)).to(device), chance))
    score = spectral.score(frames, speech)
    n = frames.shape[1]
    length = int(torch.randint(SHORTEST_FRAMES, n + 1, (), generator=chance))
    window = slice(
        begin := int(torch.randint(0, n - length + 1, (), generator=chance)), begin + length
    )
    part = spectral.score(frames[:, window], speech[:, window])
    value = (
        binary_cross_entropy_with_logits(score, target)
        + binary_cross_entropy_with_logits(part, target)
    ) / 2
    return value, frames, score


def smoothed(batch: Batch) -> Tensor:
    """Target of the logits, (batch,): the labels, smoothed by SMOOTHING."""
    return torch.from_numpy(batch.bonafide) * (1 - 2 * SMOOTHING) + SMOOTHING


def _blocks(frames: int, chance: torch.Generator) -> slice:
    """As many whole blocks as fit into the crop, from a random hop, in frames of the spectral
    network.
    """
    hops = frames // _FRAMES
    whole = hops // BLOCK_HOPS * BLOCK_HOPS
    first = int(torch.randint(0, hops - whole + 1, (), generator=chance))
    return slice(first * _FRAMES, (first + whole) * _FRAMES)
