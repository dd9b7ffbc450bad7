"""Looks for commands of operators in a thread of its own, so that a slow database never delays
the audio.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Protocol

from radd.errors import RaddError, StorageUnreachable
from stream.run_changes import Command

log = logging.getLogger(__name__)


class CommandStore(Protocol):
    """Where commands are kept; storage/commands.py implements it."""

    def waiting(self, streams: Sequence[str]) -> Sequence[tuple[str, str, str, str]]:
        """The fields of each Command for these streams that is not done, oldest first. Raises
        StorageUnreachable if the database cannot be reached.
        """
        ...

    def done(self, ids: Sequence[str]) -> None:
        """The commands with these ids were carried out. Raises like `waiting`."""
        ...

    def close(self) -> None: ...


class CommandPoll:
    """The commands of a store, looked up every `every_s` seconds. Each is taken once, also where
    the store could not be told yet that it is done.
    """

    def __init__(self, store: CommandStore, every_s: float):
        self._store, self._every_s = store, every_s
        self._streams: tuple[str, ...] = ()
        self._new: SimpleQueue[Command] = SimpleQueue()
        self._taken: set[str] = set()
        self._done: set[str] = set()
        self._problem: str | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="commands", daemon=True)

    def __enter__(self) -> CommandPoll:
        self._thread.start()
        return self

    def __exit__(self, *exc) -> None:
        self._ending.set()
        self._thread.join()
        self._look()
        self._store.close()

    def take(self, streams: Sequence[str]) -> list[Command]:
        """New commands for these streams, in the order in which they were given."""
        self._streams = tuple(streams)
        commands = []
        while not self._new.empty():
            commands.append(self._new.get_nowait())
        return commands

    def done(self, command: Command) -> None:
        """Report that a command was carried out."""
        self._done.add(command.id)

    def leave(self, command: Command) -> None:
        """Report that a command was not carried out here; it is taken again if it still waits."""
        self._taken.discard(command.id)

    def _poll(self) -> None:
        while not self._ending.wait(self._every_s):
            self._look()

    def _look(self) -> None:
        problem = None
        try:
            if finished := tuple(self._done):
                self._store.done(finished)
                self._done.difference_update(finished)
                self._taken.difference_update(finished)
            if self._streams:
                self._add(self._store.waiting(self._streams))
        except StorageUnreachable:
            return
        except RaddError as error:
            problem = str(error)
        if problem not in (None, self._problem):
            log.warning("commands to streams are not carried out: %s", problem)
        self._problem = problem

    def _add(self, waiting: Sequence[tuple[str, str, str, str]]) -> None:
        for fields in waiting:
            command = Command(*fields)
            if command.id not in self._taken:
                self._taken.add(command.id)
                self._new.put(command)
