"""hf:NAME and hf:DIR in place of a bundle: audio classifiers in the hub's format, converted once by
train.py import.

Nothing here loads such a model or asks the hub: what listens finds a bundle that was converted
before, or says how.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from radd.errors import ModelError
from radd.resources import writable

PREFIX = "hf:"
CONVERTED = writable("cache/hub")


def bundle_directory(base: Path, named: str | Path, converted: Path | None = None) -> Path:
    """The directory of a bundle: of `named` below `base`, or for hf:NAME and hf:DIR of what was
    made of it.

    Raises ModelError for a model that was not converted yet.
    """
    if not str(named).startswith(PREFIX):
        return base / named
    directory = place_of(str(named), converted)
    if not directory.is_dir():
        raise ModelError(
            f"{named} was not converted yet: run .venv/bin/python train.py import {named} (once, "
            "it needs pip install -e '.[train]')"
        )
    return directory


def place_of(named: str, converted: Path | None = None) -> Path:
    """Where the bundle of hf:NAME or hf:DIR is kept: one directory for each model of the hub and
    each directory here.
    """
    name = source_of(named)
    if Path(name).is_dir():
        name = str(Path(name).resolve())
    readable = re.sub(r"[^A-Za-z0-9.-]+", "--", name).strip("-.")[-60:]
    return (converted or CONVERTED) / f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def source_of(named: str) -> str:
    """NAME or DIR; raises ModelError where it is not written hf:NAME."""
    name = named.removeprefix(PREFIX)
    if name == named or not name:
        raise ModelError(f"{named!r} names no model of the hub; expected hf:NAME or hf:DIR")
    return name
