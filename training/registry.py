"""Which bundle is in use: directories side by side, and a file CHAMPION that names one of them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path

from radd.bundle import CHAMPION, read_manifest
from radd.errors import ConfigError, ModelError

RETRAINED = re.compile(r"r\d{8}T\d{6}")  # names that retraining gives, and the only ones that it removes


def promote(bundle: Path) -> str:
    """Put a bundle to use in one step; its name and version. Raises ModelError for one that is not whole."""
    manifest = read_manifest(bundle)
    alias = bundle.parent / CHAMPION
    aside = alias.with_name(f"{CHAMPION}.new")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(f"{bundle.name}\n")
            file.flush()
            os.fsync(file.fileno())
        aside.replace(alias)
    except OSError as error:
        raise ModelError(f"cannot write {alias}: {error.strerror}; this user must be allowed to") from None
    return f"{manifest['name']} {manifest['version']}"


def beside(configured: Path, name: str) -> Path:
    """The directory of the bundle `name` beside the configured one; raises ConfigError for what is no name."""
    if name != Path(name).name or not (configured.parent / name).is_dir():
        raise ConfigError(f"there is no bundle {name!r} in {configured.parent}; train.py models lists what there is")
    return configured.parent / name


def prune(models: Path, keep: int, needed: Collection[str]) -> list[str]:
    """Remove the oldest retrained bundles until `keep` are left; those `needed` stay. The names of what went."""
    found = sorted(path.name for path in models.iterdir() if path.is_dir() and RETRAINED.fullmatch(path.name))
    spare = [name for name in found if name not in needed]
    gone = spare[: max(0, len(found) - keep)]
    for name in gone:
        shutil.rmtree(models / name)
    return gone
