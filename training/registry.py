"""Which bundle is in use: directories side by side, a file CHAMPION that names one of them, and
perhaps a CANDIDATE.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from radd.bundle import CANDIDATE, CHAMPION, read_manifest
from radd.errors import ConfigError, ModelError

RETRAINED = re.compile(
    r"r\d{8}T\d{6}"
)  # names that retraining gives, and the only ones that it removes


def promote(bundle: Path) -> str:
    """Put a bundle to use in one step; its name and version. Raises ModelError for one that is not
    whole.
    """
    manifest = read_manifest(bundle)
    _name(bundle, CHAMPION)
    return version_of(manifest)


def propose(bundle: Path) -> None:
    """Have daemons judge with a bundle beside the champion, without a voice."""
    _name(bundle, CANDIDATE)


def withdraw(models: Path) -> None:
    """No candidate any more."""
    (models / CANDIDATE).unlink(missing_ok=True)


def version_of(manifest: dict[str, Any]) -> str:
    """Name and version, as alerts and shadow runs have it."""
    return f"{manifest['name']} {manifest['version']}"


def _name(bundle: Path, file: str) -> None:
    alias = bundle.parent / file
    aside = alias.with_name(f"{file}.new")
    try:
        with aside.open("w", encoding="utf-8") as opened:
            opened.write(f"{bundle.name}\n")
            opened.flush()
            os.fsync(opened.fileno())
        aside.replace(alias)
    except OSError as error:
        raise ModelError(
            f"cannot write {alias}: {error.strerror}; this user must be allowed to"
        ) from None


def beside(configured: Path, name: str) -> Path:
    """The directory of the bundle `name` beside the configured one; raises ConfigError for what is
    no name.
    """
    if not name or name != Path(name).name or not (configured.parent / name).is_dir():
        raise ConfigError(
            f"there is no bundle {name!r} in {configured.parent}; train.py models lists what "
            "there is"
        )
    return configured.parent / name


def prune(models: Path, keep: int, needed: Collection[str]) -> list[str]:
    """Remove the oldest retrained bundles until `keep` are left; those `needed` stay. The names of
    what went.
    """
    found = sorted(
        path.name for path in models.iterdir() if path.is_dir() and RETRAINED.fullmatch(path.name)
    )
    spare = [name for name in found if name not in needed]
    gone = spare[: max(0, len(found) - keep)]
    for name in gone:
        shutil.rmtree(models / name)
    return gone
