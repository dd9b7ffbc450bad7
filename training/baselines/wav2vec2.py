"""A Wav2Vec2-family encoder, the mean of its frames and a small head, W-128-2; the encoder is
frozen or trained too.

The encoder is the compact one of this project, or any from the hub or a directory.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from radd.errors import ConfigError
from radd.types import SAMPLE_RATE_HZ
from training.baselines.fit import BaselineTask, Learned
from training.baselines.torch_learning import learn_windows
from training.batches import Batches
from training.networks.encoder import BlockEncoder
from training.networks.pretrain import first_encoder

WINDOW_HOPS, STRIDE_HOPS = 31, 8  # 3.97 s, the length of a clip, every second
HIDDEN = 128
# maximum for a pretrained encoder; new layers, such as the head, use the configured rate
FINE_RATE = 5e-5


class LinearHead(nn.Module):
    """Logits (batch, 2) of samples (batch, n)."""

    def __init__(self, encoder: BlockEncoder, frozen: bool) -> None:
        super().__init__()
        self.encoder, self.frozen = encoder, frozen
        del encoder.project, encoder.head  # those of the shipped bundle are not used
        self.out = nn.Sequential(nn.Linear(encoder.width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2))

    def train(self, mode: bool = True) -> LinearHead:
        super().train(mode)
        self.encoder.train(mode and not self.frozen)
        return self

    def forward(self, samples: Tensor) -> Tensor:
        return self.out(self.encoder.hidden(samples).mean(1))


def learn(task: BaselineTask) -> Learned:
    """Like training.baselines.fit.BaselineLearner.

    Raises ConfigError for a frozen encoder that was never trained, ModelError for one that is
    unavailable.
    """
    recipe = task.recipe
    has_learned = bool(recipe.encoder or recipe.pretrain_steps)
    if recipe.encoder_frozen and not has_learned:
        raise ConfigError(
            "encoder_frozen = true, but the compact encoder is untrained: name a trained one "
            "with --encoder, set pretrain_steps, or set encoder_frozen to false"
        )

    def network(_: tuple[int, ...]) -> LinearHead:
        batches = Batches(
            task.clips, task.channel, recipe.batch, int(recipe.crop_s * SAMPLE_RATE_HZ), recipe.seed
        )
        return LinearHead(
            first_encoder(recipe, batches, task.work, task.workers), recipe.encoder_frozen
        )

    rate = min(recipe.rate, FINE_RATE) if has_learned and not recipe.encoder_frozen else recipe.rate
    learned = learn_windows(
        network,
        "waveform",
        WINDOW_HOPS,
        STRIDE_HOPS,
        replace(task, recipe=replace(recipe, rate=rate)),
    )
    description = {
        "encoder": recipe.encoder or "compact",
        "encoder_layer": recipe.encoder_layer,
        "encoder_frozen": recipe.encoder_frozen,
        "pretrain_steps": recipe.pretrain_steps,
    }
    return learned._replace(description=learned.description | description)
