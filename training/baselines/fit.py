"""From labelled speech to a bundle of kind window: train a model, then calibrate, describe and seal
it like any other.
"""

from __future__ import annotations

import hashlib
import importlib
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from radd.bundle import CARD, NETWORK, write_window_manifest
from radd.calibration import Calibration
from radd.dataset import DecodedClips
from radd.encoder import BLOCK_HOPS
from radd.errors import ConfigError
from radd.gate import GateSettings
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ
from radd.window_detector import WindowDetector, WindowModel, WindowNetwork
from training.baselines import KERAS, MODELS
from training.card import describe_data, refuse_other, replace_bundle, write_card
from training.config import TrainingConfig
from training.fusion import calibrate, clip_llrs
from training.losses import LOSSES, read_losses
from training.selection import Selection, decoded
from training.windows import SPEECH_S, Windows, join

PROBES = 8  # draws of a channel that identify it
UNCALIBRATED = Calibration((1.0,), ((1.0, 0.0),))


class Learned(NamedTuple):
    """Result of training a model."""

    model: WindowModel
    description: dict[str, Any]
    """for the card: the training configuration, by name"""
    importances: dict[str, float] = {}
    """of named features, if it has any, for a figure"""


@dataclass(frozen=True, slots=True)
class BaselineTask:
    """What a model learns from, and where it works."""

    name: str
    """one of MODELS"""
    clips: DecodedClips
    """the training set"""
    channel: Callable
    """the condition that clips pass in training"""
    recipe: TrainingConfig
    work: Path
    """belongs to this model, these clips and this configuration; its parent folder to all models of
    these
    """
    making: Path
    """where the network goes"""
    workers: int


class BaselineLearner(Protocol):
    """The function `learn` of a module in MODELS."""

    def __call__(self, task: BaselineTask) -> Learned:
        """Train on the training set; write the network as NETWORK, and tables if there are any, to
        `task.making`.

        Losses are stored in `task.work` as in training.losses. Equal seeds give equal bytes.
        """
        ...


@dataclass(frozen=True, slots=True)
class BaselineJob:
    """The command to train a model for comparison."""

    name: str
    """one of MODELS"""
    data: list[Path]
    """corpora with a training and a development set"""
    selection: Selection
    work: Path
    recipe: TrainingConfig
    channel: Callable
    draw: Callable
    """makes the figures, like evaluation.training_figures"""
    gate: GateSettings
    jobs: int


def fit_baseline(job: BaselineJob, out: Path) -> None:
    """Make the bundle `out`. Raises ConfigError like training.fit."""
    refuse_other(out)
    learn = _learner(job.name)
    train, dev = (
        decoded(job.data, side, job.selection, job.work, job.jobs, job.recipe.factors)
        for side in ("train", "dev")
    )
    mine = job.work / _digest(train, job.recipe, job.channel) / job.name
    making = mine / "bundle"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    # one core is left for the training itself, which the workers feed
    workers = max(1, job.jobs - 1)
    learned = learn(BaselineTask(job.name, train, job.channel, job.recipe, mine, making, workers))
    _seal(job, train, dev, learned, making)
    replace_bundle(making, out)
    for line in train.unreadable + dev.unreadable:
        print(f"left out, cannot be read: {line}")


def _learner(name: str) -> BaselineLearner:
    try:
        return importlib.import_module(MODELS[name]).learn
    except ModuleNotFoundError as error:
        needed = "tensorflow" if name in KERAS else "train"
        raise ConfigError(
            f"--model {name} needs {error.name}, which is not installed: "
            f"pip install -e '.[{needed}]'"
        ) from None


def _digest(clips: DecodedClips, recipe: TrainingConfig, channel: Callable) -> str:
    """Digest of everything that training depends on, so that work from other clips, settings or
    channels is not reused.
    """
    content = "\n".join(
        [repr(asdict(recipe)), *(f"{c.path} {c.label} {c.system}" for c in clips.clips)]
    )
    noise = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE_HZ).astype(np.float32)
    probes = [
        channel(noise, np.random.default_rng(k)).astype(np.float32).tobytes() for k in range(PROBES)
    ]
    return hashlib.sha256(b"".join([content.encode(), *probes])).hexdigest()[:12]


def _seal(
    job: BaselineJob, train: DecodedClips, dev: DecodedClips, learned: Learned, making: Path
) -> None:
    """Add calibration, figures, card and manifest to the network in `making`."""
    name, recipe = job.name, job.recipe
    network = WindowNetwork(making / NETWORK, learned.model)
    detector = WindowDetector(name, network, learned.model, UNCALIBRATED, job.gate)
    windows = [score_windows(dev, detector, alter, recipe.seed) for alter in (None, job.channel)]
    calibration = calibrate(join(windows), dev)
    losses = read_losses(making.parent / LOSSES)
    job.draw(
        making.parent,
        {name: losses} if losses else {},
        *clip_llrs(windows[0], calibration, dev),
        learned.importances,
    )
    for figure in making.parent.glob("*.svg"):
        shutil.copy(figure, making)
    training = describe_data(train, dev, recipe, 0, job.selection.licences)
    training |= {
        "model": name,
        "recipe": {"model": name, "seed": recipe.seed, **learned.description},
    }
    write_card(making / CARD, training, {})
    write_window_manifest(making, name, learned.model, calibration, training, {})


def score_windows(
    clips: DecodedClips, detector: WindowDetector, alter: Callable | None, seed: int
) -> Windows:
    """The detector's scores of every second hop of every clip, unchanged or under the condition
    `alter`.
    """
    scores, speech_s, clip = [], [], []
    for i in range(len(clips)):
        samples = clips.samples(i)
        samples = samples[: len(samples) // HOP_SAMPLES * HOP_SAMPLES]
        if len(samples) < BLOCK_HOPS * HOP_SAMPLES:
            continue
        if alter is not None:
            samples = alter(samples, np.random.default_rng([seed, i])).astype(np.float32)
        judged = detector.push(detector.start(), samples, gated=False)[BLOCK_HOPS - 1 :: 2]
        measured = [
            (judgement.llr, judgement.speech_s)
            for judgement in judged
            if judgement.llr is not None and judgement.speech_s >= SPEECH_S[0]
        ]
        scores += [llr for llr, _ in measured]
        speech_s += [length for _, length in measured]
        clip += [i] * len(measured)
    nothing = np.empty((len(clip), 0), np.float32)
    return Windows(
        np.reshape(scores, (-1, 1)),
        np.array(speech_s),
        np.array(clip, int),
        nothing,
        np.full(len(clip), np.nan),
    )
