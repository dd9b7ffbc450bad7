"""train.py fit: trains a bundle from labelled speech."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from app.options.fitting import SHIPPED
from app.options.values import RAY
from app.settings import load
from evaluation.conditions import PROVED
from evaluation.training_figures import draw_training
from generative.presentation import channel_of
from radd.errors import ConfigError
from radd.parallel import forked_in_order
from radd.ray_cluster import work_in_order
from radd.resources import resource
from training.baselines.fit import BaselineJob, fit_baseline
from training.config import STAGES, TrainingConfig
from training.selection import Selection


def fit(arguments: argparse.Namespace) -> None:
    """Train the model of the command line."""
    settings, out = load(arguments.config), arguments.out
    out = out or resource("models") / ("default" if arguments.model == SHIPPED else arguments.model)
    recipe = settings.training
    if arguments.encoder is not None:
        recipe = replace(recipe, encoder=arguments.encoder)
    channel = channel_of(recipe, arguments.noise)
    selection = Selection.read(arguments.licences, arguments.exclude)
    if arguments.model == SHIPPED:
        _fit_shipped(arguments, selection, out, recipe, channel)
    else:
        if arguments.engine == RAY:
            raise ConfigError(
                f"--engine ray computes the features of the model {SHIPPED}; omit it for "
                f"{arguments.model}"
            )
        if arguments.start or arguments.stage:
            raise ConfigError(
                f"--start and --stage apply to the model {SHIPPED} only; omit them for "
                f"{arguments.model}"
            )
        job = BaselineJob(
            arguments.model,
            arguments.data,
            selection,
            arguments.work,
            recipe,
            channel,
            draw_training,
            settings.gate,
            arguments.jobs,
        )
        fit_baseline(job, out)
    if arguments.stage not in (None, STAGES[-1]):
        return
    print(
        f"{out} is ready; measure it with evaluate.py, then: train.py card --bundle {out} "
        "--metrics ..."
    )


def _fit_shipped(
    arguments: argparse.Namespace,
    selection: Selection,
    out: Path,
    recipe: TrainingConfig,
    channel: Callable,
) -> None:
    from training.fit import fit as fit_shipped  # it loads PyTorch

    fit_shipped(
        arguments.data,
        selection,
        out,
        arguments.work,
        recipe,
        channel,
        draw_training,
        arguments.jobs,
        arguments.start,
        PROVED,
        arguments.stage,
        work_in_order if arguments.engine == RAY else forked_in_order,
    )
