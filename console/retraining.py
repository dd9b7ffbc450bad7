"""Retraining in a separate process, one at a time, so that its faults cannot reach the console or
detection.
"""

from __future__ import annotations

import logging
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from typing import IO

from console.http_errors import Refused
from radd.errors import StorageError
from storage.learning import Learning

CONFLICT = 409
TOLD_LINES = 4  # the last lines of a failed process name the error

log = logging.getLogger(__name__)


class Retrainer:
    """Starts retrainings. They record their progress in the database, and continue if the console
    ends.
    """

    def __init__(self, learning: Learning, command: Sequence[str]):
        """`command` retrains once; it receives `--asked` and the id of the row for its progress."""
        self._learning, self._command = learning, command
        self._process: subprocess.Popen | None = None
        self._starting = threading.Lock()

    def start(self, why: str, champion: str) -> str:
        """Start a retraining and return its id. Raises Refused if one is running."""
        with self._starting:
            if (
                self._process is not None
                and self._process.poll() is None
                or self._learning.lease.holder() is not None
            ):
                raise Refused(
                    CONFLICT,
                    "another retraining is running, and only one may run at a time; /v1/models "
                    "shows its progress",
                )
            id = self._learning.ask(why, champion)
            # the reading thread closes it; a pipe would end with this process
            said = tempfile.TemporaryFile()  # noqa: SIM115
            try:
                self._process = subprocess.Popen(
                    [*self._command, "--asked", id],
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                said.close()
                self._learning.end(id, "failed", f"it could not be started: {error}", "")
                raise Refused(500, f"a retraining could not be started: {error.strerror}") from None
            threading.Thread(
                target=self._watch, args=(id, self._process, said), daemon=True
            ).start()
        return id

    def _watch(self, id: str, process: subprocess.Popen, said: IO[bytes]) -> None:
        """Record the end of a process that did not do so itself."""
        code = process.wait()
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()[-TOLD_LINES:]
        said.close()
        try:
            row = self._learning.retraining(id)
            if row is not None and row["state"] == "running":
                self._learning.end(
                    id,
                    "failed",
                    f"it ended with code {code}: {' '.join(lines) or 'without output'}",
                    "",
                )
        except StorageError as error:
            log.error("the end of retraining %s could not be recorded: %s", id, error)
