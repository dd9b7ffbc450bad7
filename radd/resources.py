"""Locates the files that ship with the code, and places for files that are written."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGED = Path(__file__).resolve().with_name("share")


def in_checkout() -> bool:
    """Whether this code runs from a checkout of the repository rather than from an installed
    wheel.
    """
    return (CHECKOUT / "config.toml").is_file()


def resource(name: str = ".") -> Path:
    """The path of a file or directory that ships with the code: config.toml, models, assets.

    It lies at the root of a checkout; an installed wheel has a copy inside this package.
    """
    return (CHECKOUT if in_checkout() else PACKAGED) / name


def writable(name: str) -> Path:
    """The path `name` for files that are written at run time.

    It lies below the root of a checkout; for an installed wheel, below the user's cache directory.
    """
    if in_checkout():
        return CHECKOUT / name
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "radd" / name
