"""train.py retrain, promote, rollback and drift: learning from labels, and the bundle in use."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

from app.catch_up import catch_up
from app.installation import Installation, installation
from app.settings import Settings
from evaluation.conditions import PROVED
from generative.copy_synthesis import random_copy
from radd.bundle import read_manifest, usual_distance
from radd.errors import ConfigError, ModelError, RaddError
from radd.registry import candidate_in_use, sibling, worse_than
from retraining.context import RetrainContext
from retraining.loop import retrain as retrain_once
from retraining.promotion import promote_by_name, rollback_to_previous
from retraining.report import drift_row
from storage.learning import Learning

NICE = 15  # so that detection has priority


def retrain(arguments: argparse.Namespace) -> None:
    """One round, or one at every interval."""
    if find_spec("sklearn") is None:
        raise ConfigError("scikit-learn is not installed; pip install -e '.[retrain]'")
    here = installation(arguments.config)
    os.nice(NICE)
    with Learning(arguments.url or here.settings.storage.url) as store:
        while True:
            try:
                round = context(here.settings, here.bundle(), arguments.work)
                retrain_once(store, round, say, arguments.asked)
                measure_enrolments(here)
            except RaddError as error:
                if arguments.every is None:
                    raise
                say(f"error: {error}")
            if arguments.every is None:
                return
            time.sleep(arguments.every)


def measure_enrolments(here: Installation) -> None:
    """Measure what the site enrolled with the bundle in use and with its candidate, before daemons
    use them.
    """
    for bundle in filter(None, (here.bundle(), candidate_in_use(here.configured))):
        if told := catch_up(here, bundle, here.load(bundle), lambda: False):
            say(told)


def context(settings: Settings, champion: Path, work: Path) -> RetrainContext:
    """Everything a round needs besides the database."""
    return RetrainContext(
        champion=champion,
        settings=settings.retrain,
        spoof_p=settings.decision.spoof_p,
        work=work,
        copy=random_copy,
        conditions=PROVED,
    )


def say(line: str) -> None:
    print(line, flush=True)


def choose(arguments: argparse.Namespace) -> None:
    """Put the named bundle into use, or with `rollback` the previous one."""
    here = installation(arguments.config)
    with Learning(arguments.url or here.settings.storage.url) as store:
        if arguments.name is not None:
            warn(here, arguments.name)
            version = promote_by_name(store, here.configured, arguments.name, arguments.reason)
        else:
            version = rollback_to_previous(store, here.configured, arguments.reason)
    print(f"{here.bundle()} is in use: {version}; daemons switch within [model] overlay_s seconds")


def warn(here: Installation, name: str) -> None:
    """Say what speaks against promoting a bundle; what is no bundle is told by promoting it."""
    with suppress(ModelError, ConfigError):
        other = read_manifest(sibling(here.configured, name))
        if problem := worse_than(read_manifest(here.bundle()), other):
            print(f"warning: {name}: {problem}", file=sys.stderr)


def drift(arguments: argparse.Namespace) -> None:
    """Print the drift of the last days, one row per stream and day."""
    here = installation(arguments.config)
    champion, today = here.bundle(), datetime.now(UTC).date()
    usual = usual_distance(champion)
    if usual is None:
        raise ConfigError(
            f"{champion} has no usual distance, because it lacks the scored development set; "
            "make a bundle with train.py fit"
        )
    bound = here.settings.retrain.drift_factor * usual
    with Learning(arguments.url or here.settings.storage.url) as store:
        rows = store.drifts(today - timedelta(days=arguments.days - 1))
    print(
        f"distance from known voices: {usual:.4f} is usual, more than {bound:.4f} is drift "
        "([retrain] drift_factor)"
    )
    for row in rows:
        print(drift_row(row, bound))
    if arguments.plot is not None:
        from evaluation.days import by_source, draw_days  # it needs matplotlib

        draw_days(arguments.plot, [("distance from known voices", by_source(rows))], bound)
        print(f"{arguments.plot} shows them")
