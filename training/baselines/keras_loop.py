"""The training loop of networks in Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from training.losses import tell_loss

LINES = 60  # losses reported per training, at most


def seeded(seed: int) -> None:
    """Seed Keras, so that equal seeds give equal weights."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def descend(
    network: keras.Model,
    loss: Callable,
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
    steps: int,
    rate: float,
    weight_decay: float,
    losses: Path,
) -> None:
    """Minimise loss(target, network(inputs)) over `steps` pairs of inputs and target, float32 each
    of fixed shape.

    AdamW with a learning rate that rises for a tenth of the steps and falls as a cosine. The file
    `losses`, see training.losses, is rewritten, with at most LINES lines.
    """
    schedule = keras.optimizers.schedules.CosineDecay(
        rate / 20, max(1, steps - steps // 10), warmup_target=rate, warmup_steps=max(1, steps // 10)
    )
    optimiser = keras.optimizers.AdamW(schedule, weight_decay, clipnorm=5.0)
    optimiser.build(network.trainable_variables)

    @tf.function(autograph=False)
    def step(inputs: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            value = loss(target, network(inputs, training=True))
        optimiser.apply(tape.gradient(value, network.trainable_variables))
        return value

    recent, every = [], -(-steps // LINES)
    losses.unlink(missing_ok=True)
    for number, (inputs, target) in enumerate(batches, 1):
        recent.append(float(step(tf.constant(inputs), tf.constant(target))))
        if number % every == 0 or number == steps:
            mean = sum(recent) / len(recent)
            tell_loss(losses, number, mean)
            print(f"{network.name}: step {number} of {steps}, loss {mean:.4f}", flush=True)
            recent.clear()
