"""hf:NAME and hf:DIR in place of a bundle: audio classifiers from the Hugging Face hub, converted
once by train.py import.

Nothing here loads such a model or contacts the hub. Detection uses the converted bundle, or reports
how to convert it.
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
    """The directory of a bundle: `named` relative to `base`, or the converted bundle of hf:NAME or
    hf:DIR.

    Raises ModelError for a model that has not been converted.
    """
    if not str(named).startswith(PREFIX):
        return base / named
    directory = place_of(str(named), converted)
    if not directory.is_dir():
        raise ModelError(
            f"{named} has not been converted yet: run .venv/bin/python train.py import {named} "
            "(once; it needs pip install -e '.[train]')"
        )
    return directory


def place_of(named: str, converted: Path | None = None) -> Path:
    """Where the bundle of hf:NAME or hf:DIR is stored: one directory per hub model or local
    directory.
    """
    name = source_of(named)
    if Path(name).is_dir():
        name = str(Path(name).resolve())
    readable = re.sub(r"[^A-Za-z0-9.-]+", "--", name).strip("-.")[-60:]
    return (converted or CONVERTED) / f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def source_of(named: str) -> str:
    """NAME or DIR of hf:NAME or hf:DIR. Raises ModelError for any other form."""
    name = named.removeprefix(PREFIX)
    if name == named or not name:
        raise ModelError(f"{named!r} is not a hub model; expected hf:NAME or hf:DIR")
    return name
