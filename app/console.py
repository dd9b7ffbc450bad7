"""Wiring of the console: the retraining functions that it calls."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from app.installation import Installation
from retraining.confirmed_clips import index_confirmed
from retraining.loop import eligible_clips
from retraining.promotion import promote_by_name, rollback_to_previous


class RetrainingActions:
    """Implements console.model_routes.LearningActions with the functions of retraining."""

    eligible_clips = staticmethod(eligible_clips)
    promote = staticmethod(promote_by_name)
    index_confirmed = staticmethod(index_confirmed)
    rollback = staticmethod(rollback_to_previous)

    @staticmethod
    def lacks() -> str | None:
        if find_spec("sklearn") is not None:
            return None
        return "retraining needs scikit-learn: pip install -e '.[retrain]', then try again"


def retrain_command(config: Path | None, work: str) -> list[str]:
    """The command that retrains once, in a separate process with the environment of this one."""
    return _train("retrain", "--once", given={"--config": config, "--work": work})


def enrol_command(config: Path | None, here: Installation) -> list[str]:
    """The command that enrols the recordings in folders and prints a report as JSON."""
    bundle = None if here.follows else here.configured
    return _train("enrol", "--json", given={"--config": config, "--bundle": bundle})


def _train(*command: str, given: Mapping[str, object]) -> list[str]:
    train = find_spec("train")
    # train.py lies beside serve.py, which is running
    assert train is not None and train.origin is not None
    options = [text for name, value in given.items() if value for text in (name, str(value))]
    return [sys.executable, train.origin, *command, *options]
