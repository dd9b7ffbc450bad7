"""A small network for small devices, distilled from a complete detector (Hinton et al. 2015), in
Keras.

Convolutions over log powers of bands; windows of two seconds, one logit of bona fide. Half of the
target is the label, half the teacher's score of the same audio.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np

from radd.bundle import NETWORK, load_detector
from radd.detector import ModelSettings
from radd.encoder import SPEECH_THRESHOLD
from radd.front_ends.log_bands import LogBands
from radd.gate import GateSettings
from radd.inference import AUTO, file_for
from radd.resources import resource
from radd.types import HOP_SAMPLES
from radd.window_detector import WindowModel
from training.baselines.fit import BaselineTask, Learned
from training.baselines.keras_loop import descend, seeded
from training.config import TrainingConfig
from training.distillation import DistillationSet, prepare
from training.losses import LOSSES
from training.tensorflow_export import export_int8, export_litert, export_onnx

TEACHER = resource("models/default")
WINDOW_HOPS = 16  # 2.048 s
STRIDE_HOPS = (
    # windows of a clip of four seconds then cover it to its end: they end at hops 16, 21, 26 and 31
    5
)
LAYERS = (
    (16, (3, 5), (2, 4)),
    (32, 3, 2),
    (64, 3, 2),
    (96, 3, 2),
)  # channels, kernel and strides over (time, bands)
# crops scored by the teacher; each is used repeatedly, a different part each time
LESSONS_A_STEP = 1
HEARD = 256  # windows that calibrate the ranges of the 8-bit network
SMOOTHING = 0.05  # of the labels, because some are wrong
TEACHER_SHARE = 0.5  # of the target; the rest is the label
TEMPERATURE = 2.0  # divides the teacher's LLRs, which are overconfident on its own training data
SCALE = 1 / 3  # normalised log powers have a deviation of about 3
MASK = 1 / 6  # of the bands, at most, that are masked per example (SpecAugment, Park et al. 2019)


def learn(task: BaselineTask) -> Learned:
    """Score with the teacher, train, and export for ONNX Runtime and for LiteRT in single precision
    and 8 bits.
    """
    front, recipe = LogBands(), task.recipe
    asked = ModelSettings(str(TEACHER), 1, 0, 0, AUTO)
    teacher = load_detector(TEACHER, asked, GateSettings(SPEECH_THRESHOLD, 0.25, -100, -20, 100))
    examples = prepare(task, teacher, front, LESSONS_A_STEP * recipe.steps)
    student = train(examples, front, recipe, task.work / LOSSES)
    export_onnx(student, task.making / NETWORK)
    export_litert(student, file_for(task.making / NETWORK, "litert"))
    windows = DistillationSteps(
        examples, front.shape(WINDOW_HOPS * HOP_SAMPLES)[0], recipe, masked=False
    )
    inputs = np.concatenate([windows[step][0] for step in range(-(-HEARD // recipe.batch))])
    export_int8(student, file_for(task.making / NETWORK, "litert-int8"), inputs)
    model = WindowModel(
        "log_bands", asdict(front), WINDOW_HOPS, STRIDE_HOPS, (), student.count_params()
    )
    description = {
        "steps": recipe.steps,
        "batch": recipe.batch,
        "rate": recipe.rate,
        "teacher": teacher.name,
        "teacher_share": TEACHER_SHARE,
        "lessons": len(examples.llr),
    }
    return Learned(model, description)


def network(frames: int, bands: int) -> keras.Model:
    """The untrained student: normalised log powers (batch, frames, bands) -> logit of bona fide
    (batch, 1).
    """
    layers = keras.layers
    inputs = keras.Input((frames, bands), name="bands")
    x = layers.Reshape((frames, bands, 1))(layers.Rescaling(SCALE)(inputs))
    for width, kernel, strides in LAYERS:
        x = _normed(layers.Conv2D(width, kernel, strides, "same", use_bias=False)(x))
    x = layers.Add()([x, _normed(layers.Conv2D(LAYERS[-1][0], 3, 1, "same", use_bias=False)(x))])
    x = layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]))(
        x
    )  # keeps positions on the frequency axis apart
    x = layers.Concatenate()([layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x)])
    x = layers.Dense(64, "relu")(layers.Dropout(0.3)(x))
    return keras.Model(inputs, layers.Dense(1, name="score")(x), name="student")


def _normed(x):
    return keras.layers.ReLU(6)(
        keras.layers.BatchNormalization(momentum=0.95)(x)
    )  # a range that 8 bits can represent


class DistillationSteps:
    """Batches of windows; the batch at a step is a function of the seed and the step."""

    def __init__(
        self, examples: DistillationSet, frames: int, recipe: TrainingConfig, masked: bool = True
    ) -> None:
        self._examples, self._frames, self._recipe, self._masked = examples, frames, recipe, masked
        soft = 1 / (1 + np.exp(-examples.llr / TEMPERATURE))
        hard = examples.bonafide * (1 - 2 * SMOOTHING) + SMOOTHING
        self._target = (TEACHER_SHARE * soft + (1 - TEACHER_SHARE) * hard).astype(np.float32)

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Normalised log powers (batch, frames, bands) and the target probability of bona fide
        (batch, 1).
        """
        rng = np.random.default_rng([self._recipe.seed, step])
        chosen = rng.choice(len(self._target), self._recipe.batch)
        powers = self._examples.powers
        begins = rng.integers(powers.shape[1] - self._frames + 1, size=len(chosen))
        windows = [powers[i, at : at + self._frames] for i, at in zip(chosen, begins, strict=True)]
        powers = LogBands.level(np.stack(windows).astype(np.float32))
        for row in powers if self._masked else ():
            width = int(rng.integers(int(row.shape[1] * MASK) + 1))
            first = int(rng.integers(row.shape[1] - width + 1))
            row[:, first : first + width] = 0
        return powers, self._target[chosen, None]


def train(
    examples: DistillationSet, front: LogBands, recipe: TrainingConfig, losses: Path
) -> keras.Model:
    """The student after `recipe.steps` batches; equal seeds, equal weights."""
    seeded(recipe.seed)
    frames, bands = front.shape(WINDOW_HOPS * HOP_SAMPLES)
    student, steps = network(frames, bands), DistillationSteps(examples, frames, recipe)
    descend(
        student,
        keras.losses.BinaryCrossentropy(from_logits=True),
        (steps[k] for k in range(recipe.steps)),
        recipe.steps,
        recipe.rate,
        recipe.weight_decay,
        losses,
    )
    return student
