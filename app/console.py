"""Wiring of the console: the retraining functions that it calls."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

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
    options = {"--config": config, "--work": work}
    given = [text for name, value in options.items() if value for text in (name, str(value))]
    train = find_spec("train")
    # train.py lies beside serve.py, which is running
    assert train is not None and train.origin is not None
    return [sys.executable, train.origin, "retrain", "--once", *given]
