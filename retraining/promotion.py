"""Manual promotion and rollback: the switch, and its row among the decisions."""

from __future__ import annotations

from pathlib import Path

from radd.errors import ConfigError, ModelError
from radd.registry import in_use, promote, sibling
from retraining.context import RetrainStore
from retraining.loop import rollback


def promote_by_name(store: RetrainStore, configured: Path, name: str, reason: str) -> str:
    """Put the bundle `name` beside the configured one into use; returns its name and version.

    Raises ConfigError if there is none or it is in use already, and ModelError if it is damaged.
    """
    try:
        before = in_use(configured).name
    except ModelError:
        before = ""  # the file that names it is broken; promoting repairs it
    if name == before:
        raise ConfigError(f"{name} is in use already")
    version = promote(sibling(configured, name))
    store.decide("promote", name, version, before, reason)
    return version


def rollback_to_previous(store: RetrainStore, configured: Path, reason: str) -> str:
    """Put the previous bundle into use; returns its name and version.

    Raises ConfigError if there is no previous one and ModelError if it is damaged.
    """
    champion = in_use(configured)
    made = [
        row
        for row in store.decisions()
        if row["action"] == "promote" and row["model"] == champion.name
    ]
    if not made:
        raise ConfigError(
            f"no bundle was in use before {champion.name}; choose one with train.py promote NAME"
        )
    return rollback(store, sibling(configured, made[-1]["before"]), champion, reason)
