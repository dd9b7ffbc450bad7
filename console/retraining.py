"""A retraining as a process of its own, one at a time: nothing that goes wrong there reaches the
console or the listening.
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
TOLD_LINES = 4

log = logging.getLogger(__name__)


class Retrainer:
    """Starts retrainings. They write how they go into the database, and go on where the console
    ends.
    """

    def __init__(self, learning: Learning, command: Sequence[str]):
        """`command` retrains once; it is given `--asked` and the id of the row that tells how it
        goes.
        """
        self._learning, self._command = learning, command
        self._process: subprocess.Popen | None = None
        self._starting = threading.Lock()

    def start(self, why: str, champion: str) -> str:
        """The id of a new retraining; raises Refused where one goes on already."""
        with self._starting:
            if (
                self._process is not None
                and self._process.poll() is None
                or self._learning.lease.holder() is not None
            ):
                raise Refused(
                    CONFLICT,
                    "a retraining goes on already, and they go one at a time: /v1/models tells "
                    "how far it has come",
                )
            id = self._learning.ask(why, champion)
            said = tempfile.TemporaryFile()  # noqa: SIM115, the thread that reads it closes it; a pipe would end with us
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
        """Write down the end of a process that did not do so itself."""
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
                    f"it ended with code {code}: {' '.join(lines) or 'it said nothing'}",
                    "",
                )
        except StorageError as error:
            log.error("how retraining %s ended could not be written down: %s", id, error)
