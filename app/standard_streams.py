"""stdin, stdout and stderr as the entry points need them, whatever they were started with."""

from __future__ import annotations

import errno
import faulthandler
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TextIO

from radd.errors import silence_broken_pipe
from radd.terminal import PrintableStream

STREAMS = ("stdin", "stdout", "stderr")
MODES = ("r", "w", "w")
STDERR = 2
GONE = {errno.EPIPE, errno.EIO}  # the reader of a pipe; the terminal of a window that was closed


@contextmanager
def standard_streams() -> Iterator[None]:
    """Open what was closed by `<&-` or `>&-`, so that no file of ours takes its number. Write any
    text, without what steers a terminal. Keep libraries in C from writing lines of their own.
    """
    for number, (name, mode) in enumerate(zip(STREAMS, MODES, strict=True)):
        _open(number, name, mode)
    for out in (sys.stdout, sys.stderr):
        if isinstance(out, io.TextIOWrapper):  # else no file of the system's, as under a test
            out.reconfigure(errors="backslashreplace")
    with _stderr_of_our_own():
        out, err = PrintableStream(sys.stdout), PrintableStream(sys.stderr)
        with redirect_stdout(out), redirect_stderr(err):
            yield


def flushed(out: TextIO) -> OSError | None:
    """Write out what waits; what kept it from being written, which is forgotten then."""
    try:
        out.flush()
    except OSError as error:
        silence_broken_pipe(out)
        return error
    return None


def _open(number: int, name: str, mode: str) -> None:
    try:
        os.fstat(number)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != number:
            os.dup2(nowhere, number)
            os.close(nowhere)
    if getattr(sys, name) is None:
        setattr(sys, name, open(number, mode, closefd=False, encoding="utf-8"))  # noqa: SIM115


@contextmanager
def _stderr_of_our_own() -> Iterator[None]:
    """File descriptor 2 leads nowhere; sys.stderr, and a traceback where the process dies, do not.

    PortAudio, ALSA, JACK, decoders and ONNX Runtime write there whatever they please.
    """
    before = sys.stderr
    try:
        ours = before.fileno() == STDERR
    except (AttributeError, OSError, ValueError):
        ours = False
    kept, nowhere = os.dup(STDERR), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDERR)
    os.close(nowhere)
    private = open(  # noqa: SIM115
        kept, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
    )
    if ours:
        sys.stderr = private
        faulthandler.enable(private)
    try:
        yield
    finally:
        with suppress(OSError):
            sys.stderr.flush()
        faulthandler.disable()
        sys.stderr = before
        os.dup2(kept, STDERR)
        os.close(kept)
