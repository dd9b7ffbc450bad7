"""A directory of events that are not in the database yet, safe against a kill or power cut at any
moment.

Each entry is one file that appears completely or not at all: written under a temporary name,
synced, renamed. A clip is dropped by truncating its file after the first line, which needs no free
space.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from radd.errors import StorageError
from radd.private_files import make_directory, write_bytes
from storage.spool.durable import take_lock, write_whole
from storage.spool.entry import Entry, EntryKind, decode, encode_final, encode_head

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
BLOCK_BYTES = 4_096  # the quota counts the blocks that files really occupy
RESERVE_BYTES = 1 << 20  # released to store a last alert on a full disk
GIVEN_UP = 10_000  # not yet reported; older ones are only counted
PASSING = {EntryKind.ROWS, EntryKind.CALL}  # not synced, and dropped first
ENTRY_NAME = re.compile(rf"(\d{{12}})-({'|'.join(EntryKind)})")


@dataclass(frozen=True, slots=True)
class GivenUp:
    """What was dropped for lack of space."""

    name: str
    """of its entry"""
    what: EntryKind | None
    """None: the clip of an entry that stays"""
    record: dict
    cause: str


@dataclass(slots=True)
class Held:
    """What the spool remembers about a file."""

    kind: EntryKind
    size: int
    has_clip: bool
    version: int
    delivered: bool = False


class Spool:
    """Entries in order of arrival; a context manager, for one process at a time, safe across
    threads.

    Entering raises StorageError if another process uses the directory (with its pid) or it cannot
    be written. `dropped` counts what was discarded for lack of space, by kind and "clip", and
    `given_up` lists it until it is taken; `damaged` and `refused` count what was set aside.
    """

    def __init__(self, directory: Path, quota_bytes: int):
        self._directory = directory
        self._quota_bytes = quota_bytes
        self._mutex = threading.RLock()
        self._held: dict[str, Held] = {}
        self._left: set[str] = set()
        self._lock: int | None = None
        self._number = 0
        self.bytes = 0
        self.dropped: Counter[str] = Counter()
        self.given_up: deque[GivenUp] = deque(maxlen=GIVEN_UP)
        self.damaged = 0
        self.refused = 0

    def __enter__(self) -> Spool:
        try:
            make_directory(self._directory)
            self._lock = take_lock(self._directory)
            self._survey()
        except OSError as error:
            self.__exit__()
            raise StorageError(
                f"the spool {self._directory} cannot be used: {error.strerror}; [storage] spool "
                "must be a directory on a local disk that this user may write"
            ) from None
        self._make_reserve()
        return self

    def __exit__(self, *exc) -> None:
        with self._mutex:
            if self._lock is not None:
                os.close(self._lock)
            self._lock = None

    @property
    def waiting(self) -> int:
        """How many entries have not been delivered in their latest version."""
        with self._mutex:
            return sum(not held.delivered for held in self._held.values())

    def left(self) -> list[Entry]:
        """The entries whose final version is missing because their daemon is gone."""
        with self._mutex:
            return [entry for name in sorted(self._left) if (entry := self._read(name))]

    def put(
        self,
        kind: EntryKind,
        record: dict,
        clip: bytes = b"",
        live: bool = False,
        name: str | None = None,
    ) -> str:
        """Store a new entry, or the next version of entry `name`; durable on return, except for
        rows. Returns its name.

        When space is short, the oldest rows are dropped first; for other kinds also the oldest
        clips, the entry's own clip, and a small reserve. Raises StorageError if that is not enough.
        """
        with self._mutex:
            name = name or self._new_name(kind)
            head = encode_head(record, clip, live)
            while True:
                try:
                    self._write(name, kind, head + clip, bool(clip))
                    if clip:
                        self._regain(name)
                    return name
                except OSError as error:
                    failure = error
                cause = failure.strerror or str(failure)
                if failure.errno not in FULL:
                    break
                if self._give_up_rows(cause) or (kind not in PASSING and self._give_up_clip(cause)):
                    continue
                if clip:
                    clip = b""
                    self._count(name, "clip", record, cause)
                elif kind in PASSING or not self._release_reserve():
                    break
            self._count(name, kind, record, cause)
            raise StorageError(
                f"the spool {self._directory} took no more: {cause}; free space on its "
                "disk or raise [storage] spool_quota_mb"
            )

    def finish(self, name: str, record: dict) -> None:
        """Write the final version of an entry whose audio does not change; if there is no space,
        the next start tries again.
        """
        with self._mutex:
            entry = self._read(name) if name in self._held else None
            if entry is None:
                return
            with contextlib.suppress(OSError):
                self._write(name, entry.kind, encode_final(entry, record), bool(entry.clip))
                self._left.discard(name)

    def oldest(self) -> Entry | None:
        """The first entry that has not been delivered, None if there is none; damaged files are set
        aside.

        Raises StorageError if its file cannot be read.
        """
        return next(iter(self.first(1)), None)

    def first(self, most: int) -> list[Entry]:
        """Up to `most` of the first entries that have not been delivered, in order; as `oldest`.
        None once the spool is closed: what is delivered then could not be noted.
        """
        with self._mutex:
            while self._lock is not None and (names := list(islice(self._undelivered(), most))):
                read = {name: self._read(name) for name in names}
                for name in [name for name, entry in read.items() if entry is None]:
                    self._set_aside(name)
                found = [entry for entry in read.values() if entry is not None]
                if found:
                    return found
            return []

    def _undelivered(self) -> Iterator[str]:
        return (name for name, held in self._held.items() if not held.delivered)

    def _set_aside(self, name: str) -> None:
        self._forget(name)
        self.damaged += 1
        with contextlib.suppress(OSError):
            self._path(name).rename(self._path(f"{name}.damaged"))

    def done(self, entry: Entry) -> None:
        """The database has this version: remove it, unless a final version is expected or has
        arrived.
        """
        with self._mutex:
            if self._settle(entry):
                with contextlib.suppress(
                    OSError
                ):  # delivered again at the next start, to the same effect
                    self._path(entry.name).unlink()
                if not self._held:
                    self._make_reserve()

    def refuse(self, entry: Entry) -> None:
        """The database rejects this entry: set it aside until the next start, so that it does not
        block others.
        """
        with self._mutex:
            self.refused += 1
            if self._settle(entry):
                with contextlib.suppress(OSError):
                    self._path(entry.name).rename(self._path(f"{entry.name}.refused"))

    def _settle(self, entry: Entry) -> bool:
        """True if the file of this entry is no longer needed."""
        held = self._held.get(entry.name)
        if self._lock is None or held is None or held.version != entry.version:
            return False
        if entry.live and not entry.interrupted:
            held.delivered = True
            return False
        self._forget(entry.name)
        return True

    def _survey(self) -> None:
        for path in self._directory.glob("*.refused"):
            path.rename(path.with_suffix(""))
        self._path("new.tmp").unlink(missing_ok=True)
        self.damaged = len(list(self._directory.glob("*.damaged")))
        for path in sorted(self._directory.iterdir()):
            named = ENTRY_NAME.fullmatch(path.name)
            if not named:
                continue
            self._number, kind = int(named[1]), EntryKind(named[2])
            self._hold(path.name, Held(kind, _blocks(path.stat().st_size), False, 0))
            if kind in PASSING or (entry := self._read(path.name)) is None:
                continue
            self._held[path.name].has_clip = bool(entry.clip)
            if entry.live:
                self._left.add(path.name)

    def _write(self, name: str, kind: EntryKind, data: bytes, has_clip: bool) -> None:
        before = self._held.get(name)
        size = _blocks(len(data))
        if self.bytes - (before.size if before else 0) + size > self._quota_bytes:
            raise OSError(errno.EDQUOT, "its quota is used up")
        write_whole(self._path(name), data, synced=kind not in PASSING)
        has_clip = has_clip and kind not in PASSING
        self._hold(name, Held(kind, size, has_clip, before.version + 1 if before else 0))

    def _count(self, name: str, what: str, record: dict, cause: str) -> None:
        self.dropped[what] += 1
        kind = None if what == "clip" else EntryKind(what)
        self.given_up.append(GivenUp(name, kind, record, cause))

    def _regain(self, name: str) -> None:
        """A clip that an earlier version of this entry dropped has arrived after all."""
        for gone in [gone for gone in self.given_up if gone.name == name]:
            self.given_up.remove(gone)
            self.dropped["clip"] -= 1

    def _give_up_rows(self, cause: str) -> bool:
        name = next((name for name, held in self._held.items() if held.kind in PASSING), None)
        if name is None:
            return False
        with contextlib.suppress(OSError):
            self._path(name).unlink()
        self._forget(name)
        self._count(name, EntryKind.ROWS, {}, cause)
        return True

    def _give_up_clip(self, cause: str) -> bool:
        name = next((name for name, held in self._held.items() if held.has_clip), None)
        if name is None:
            return False
        held = self._held[name]
        held.has_clip = False
        with contextlib.suppress(OSError), open(self._path(name), "rb+") as file:
            head = file.readline()
            file.truncate(len(head))
            self.bytes += _blocks(len(head)) - held.size
            held.size = _blocks(len(head))
            self._count(name, "clip", json.loads(head)["record"], cause)
        return True

    def _read(self, name: str) -> Entry | None:
        held = self._held[name]
        try:
            data = self._path(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{self._path(name)} cannot be read: {error.strerror}") from None
        return decode(data, name, held.kind, name in self._left, held.version)

    def _hold(self, name: str, held: Held) -> None:
        before = self._held.get(name)
        self.bytes += held.size - (before.size if before else 0)
        self._held[name] = held

    def _forget(self, name: str) -> None:
        self.bytes -= self._held.pop(name).size
        self._left.discard(name)

    def _new_name(self, kind: EntryKind) -> str:
        self._number += 1
        return f"{self._number:012d}-{kind}"

    def _path(self, name: str) -> Path:
        return self._directory / name

    def _make_reserve(self) -> None:
        reserve = self._path("reserve")
        try:
            if not reserve.exists():
                write_bytes(reserve, os.urandom(RESERVE_BYTES))
        except OSError:
            self._release_reserve()

    def _release_reserve(self) -> bool:
        try:
            self._path("reserve").unlink()
        except OSError:
            return False
        return True


def _blocks(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES
