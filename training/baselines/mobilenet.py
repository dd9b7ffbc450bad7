"""MobileNetV3Large (Howard et al. 2019) on spectrogram images, in Keras: five crops of ten seconds
vote.

The two classes of one image are trained. The exported network processes all crops of a segment: the
mode of their verdicts decides, and the mean of their confidences is the confidence, as in the
projects that use this design.
"""

from __future__ import annotations

from dataclasses import asdict

import keras
import numpy as np

from radd.bundle import NETWORK
from radd.errors import ConfigError
from radd.front_ends.pictures import Pictures
from radd.window_detector import WindowModel
from training.baselines.fit import BaselineTask, Learned
from training.baselines.keras_loop import descend, seeded
from training.batches import Batches
from training.losses import LOSSES
from training.tensorflow_export import export_onnx

WINDOW_HOPS = 79  # ten seconds; a clip of four seconds is repeated to this length
STRIDE_HOPS = 16
BATCH = 8  # an image costs as much as seconds of audio elsewhere
STEPS_SHARE = 0.1  # of the configured steps: more would take hours on two cores
RATE = 1e-3
SURE = 1 - 1e-6  # the highest confidence, so that its log odds are finite


def learn(task: BaselineTask) -> Learned:
    """Train and export; initial weights from `imagenet` of the recipe, else random.

    Raises ConfigError if that file is missing or does not match.
    """
    recipe = task.recipe
    seeded(recipe.seed)
    front, steps = Pictures(), max(1, round(recipe.steps * STEPS_SHARE))
    network = one_picture(front.pixels, recipe.imagenet)
    batches = Batches(
        task.clips, task.channel, BATCH, front.pixels * front.step_samples, recipe.seed
    )
    labelled = (
        (np.stack([front.picture(samples) for samples in batch.samples]), 1 - batch.bonafide)
        for batch in (batches[step] for step in range(steps))
    )
    descend(
        network,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        labelled,
        steps,
        RATE,
        recipe.weight_decay,
        task.work / LOSSES,
    )
    export_onnx(vote(network, front), task.making / NETWORK)
    model = WindowModel(
        "pictures", asdict(front), WINDOW_HOPS, STRIDE_HOPS, (), network.count_params()
    )
    return Learned(
        model, {"steps": steps, "batch": BATCH, "rate": RATE, "imagenet": bool(recipe.imagenet)}
    )


def one_picture(pixels: int, weights: str) -> keras.Model:
    """Images (batch, pixels, pixels) of 0 to 255 -> logits of bona fide and spoof (batch, 2).

    `weights` is a file for all but its last layer, or empty.
    """
    base = keras.applications.MobileNetV3Large(
        (pixels, pixels, 3), weights=None, include_top=False, pooling="avg"
    )
    if weights:
        try:
            base.load_weights(weights)
        except (ValueError, OSError) as error:
            raise ConfigError(
                f"{weights} does not hold MobileNetV3Large without its top, as Keras writes it "
                f"({str(error).splitlines()[0]}); name the right file in [training] imagenet, or "
                "none"
            ) from None
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = (
                0.9  # Keras's 0.999 would remember the random start for thousands of steps
            )
    inputs = keras.Input((pixels, pixels), name="picture")
    colours = keras.layers.Concatenate()([keras.layers.Reshape((pixels, pixels, 1))(inputs)] * 3)
    x = keras.layers.Dropout(0.2)(base(colours))
    return keras.Model(inputs, keras.layers.Dense(2, name="logits")(x), name="mobilenet")


def vote(network: keras.Model, front: Pictures) -> keras.Model:
    """Crops (batch, crops, pixels, pixels) -> score (batch, 1): log odds of the mean confidence, on
    the side of the mode.
    """
    ops = keras.ops
    inputs = keras.Input((front.crops, front.pixels, front.pixels), name="pictures")
    logits = network(ops.reshape(inputs, (-1, front.pixels, front.pixels)))
    margin = ops.reshape(logits[:, 0] - logits[:, 1], (-1, front.crops))
    confidence = ops.minimum(ops.mean(ops.sigmoid(ops.abs(margin)), axis=1, keepdims=True), SURE)
    mode = ops.sign(ops.sum(ops.sign(margin), axis=1, keepdims=True))
    return keras.Model(inputs, mode * ops.log(confidence / (1 - confidence)), name="voting")
