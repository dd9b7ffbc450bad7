"""Files and directories that only their owner may read: voices, and what was made of them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

FILE_MODE, DIRECTORY_MODE = 0o600, 0o700  # voices are personal data: readable by their owner only


def opener(path: str, flags: int) -> int:
    """For open(..., opener=opener): a file that this makes is its owner's alone."""
    return os.open(path, flags, FILE_MODE)


def make_directory(path: Path) -> None:
    """Make a directory that only its owner may enter, unless it is there; parents as usual."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file that only its owner may read, unless it is there.

    A file that is there is not opened: closing it would end the locks that this process has on it
    through SQLite, and another process would then take its write-ahead log for unused.
    """
    with suppress(FileExistsError):
        new = os.O_RDONLY | os.O_CREAT | os.O_EXCL
        os.close(opener(os.path.realpath(path), new))


def write_bytes(path: Path, data: bytes) -> None:
    """As Path.write_bytes, for a file that only its owner may read."""
    with open(path, "wb", opener=opener) as file:
        file.write(data)
