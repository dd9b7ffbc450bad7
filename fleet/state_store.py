"""The database beside a detector's work: states of calls are loaded, and reports stored, in a
thread of their own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from radd.errors import StorageError
from storage.call_states import CallStates, Heartbeat, unpack

RETRY_S = 1.0  # until an unreachable database is asked again
REPORT_S = 5.0

log = logging.getLogger(__name__)


class Resumed(NamedTuple):
    """A call's track as its last detector left it."""

    end: int
    """samples up to which everything is stored"""
    sequence: int
    """number of the next chunk"""
    state: dict[str, Any]
    clip: bytes
    """FLAC bytes of an open alert's clip so far"""


class StateStore:
    """Saved states; a context manager. `noted` is what FleetJournal calls when it has saved."""

    def __init__(self, url: str):
        self._states = CallStates(url)
        self._worker = ThreadPoolExecutor(1, "state store")
        self._saved: SimpleQueue[tuple[str, int]] = SimpleQueue()
        self._report: Future | None = None
        self._reported = 0.0
        self._problem: str | None = None

    def __enter__(self) -> StateStore:
        self._worker.submit(self._connect)
        return self

    def __exit__(self, *exc) -> None:
        self._worker.shutdown(cancel_futures=True)
        self._states.close()

    def noted(self, stream: str, number: int) -> None:
        """The database has save `number` of a stream; may be called from any thread."""
        self._saved.put((stream, number))

    def saved(self) -> Iterator[tuple[str, int]]:
        """What noted() has been told since the last call."""
        while True:
            try:
                yield self._saved.get_nowait()
            except Empty:
                return

    def nothing(self) -> Future[Resumed | StorageError | None]:
        """What load() returns for a stream without a state."""
        future: Future[Resumed | StorageError | None] = Future()
        future.set_result(None)
        return future

    def load(self, stream: str) -> Future[Resumed | StorageError | None]:
        """The state of a stream, None if there is none, or why it cannot be loaded now."""
        return self._worker.submit(self._load, stream)

    def report(self, beat: Heartbeat) -> None:
        """Store what this detector reports, every REPORT_S and if the database keeps up."""
        now = time.monotonic()
        if now - self._reported < REPORT_S or (self._report and not self._report.done()):
            return
        self._reported = now
        self._report = self._worker.submit(self._store, beat)

    def _connect(self) -> None:
        """Have the database open before the first call of a dead detector comes."""
        with suppress(StorageError):  # said when it is needed
            self._states.open()

    def _load(self, stream: str) -> Resumed | StorageError | None:
        try:
            saved = self._states.load(stream)
        except StorageError as error:
            self._say(str(error))
            time.sleep(RETRY_S)
            return error
        self._problem = None
        return None if saved is None else Resumed(saved.end, saved.sequence, *unpack(saved.state))

    def _store(self, beat: Heartbeat) -> None:
        try:
            self._states.report(beat)
        except StorageError as error:
            self._say(str(error))

    def _say(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("calls of other detectors wait for their states: %s", problem)
        self._problem = problem
