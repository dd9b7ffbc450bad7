"""File system primitives of the spool: atomic writes, and one owner per directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from radd.errors import StorageError
from radd.private_files import opener


def write_whole(path: Path, data: bytes, synced: bool) -> None:
    """Create or replace a file atomically; if `synced`, it also survives a power cut once this
    returns.

    Raises OSError; the file is then unchanged.
    """
    aside = path.with_name("new.tmp")
    try:
        with open(aside, "wb", opener=opener) as file:
            file.write(data)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    if synced:
        _sync_directory(path.parent)


def take_lock(directory: Path) -> int:
    """Own a directory until the returned file descriptor is closed or this process ends.

    Raises StorageError with the owner's pid if another process owns it.
    """
    lock = opener(str(directory / "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(lock, 20).decode().strip() or "unknown"
        os.close(lock)
        raise StorageError(
            f"the spool {directory} is in use by process {owner}: stop it, or give this process "
            "another directory in [storage] spool"
        ) from None
    with contextlib.suppress(OSError):  # a full disk; the lock holds without the number
        os.pwrite(lock, f"{os.getpid():<20}".encode(), 0)
    return lock


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
