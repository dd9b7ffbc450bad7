"""Text output, one line per event.

A display is a Sink that also receives events about the run itself.
"""

from __future__ import annotations

import errno
from typing import TextIO

from radd.errors import StorageError, silence_broken_pipe

GONE = {errno.EPIPE, errno.EIO}  # nobody reads any more: a pipe, a terminal that was closed


class Lines:
    """A display that writes lines of text, flushed one by one; a closed pipe ends it quietly.

    Raises StorageError if the output cannot be written, for example because the disk is full.
    """

    def __init__(self, out: TextIO):
        self.out = out
        self.closed = False

    def __enter__(self):
        return self

    def __exit__(self, *exc) -> None:
        pass

    def print(self, line: str) -> None:
        """Write one line and flush it."""
        if self.closed:
            return
        try:
            self.out.write(line + "\n")
            self.out.flush()
        except OSError as error:
            self._close()
            if error.errno in GONE:
                return
            raise StorageError(
                f"cannot write the output: {error.strerror}; free space or write elsewhere"
            ) from None

    def _close(self) -> None:
        self.closed = True
        silence_broken_pipe(self.out)
