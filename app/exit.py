"""How the entry points end: exit codes and error messages."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout

from radd.errors import RaddError, silence_broken_pipe
from radd.terminal import PrintableStream, printable

LINES = "\n"  # which an error may have
BUG = "\nThis is a bug in RADD, not your mistake. Please report it with the lines above."


def open_streams() -> None:
    """Give a program that was started without stdout or stderr (`>&-`) one that leads nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def exit_code(run: Callable[[], None], prefix: str = "error") -> int:
    """Run the program and return its exit code.

    0: done; the code of a RaddError, whose message follows `prefix`; 130: interrupted; 141: the
    reader of the output went away; 1: a bug.
    """
    open_streams()
    out, err = PrintableStream(sys.stdout), PrintableStream(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        return _exit_code(run, prefix)


def _exit_code(run: Callable[[], None], prefix: str) -> int:
    try:
        run()
        sys.stdout.flush()
    except BrokenPipeError:  # as with `| head`
        silence_broken_pipe(sys.stdout)
        return 141
    except RaddError as error:
        print(f"{prefix}: {printable(str(error), LINES)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{prefix}: interrupted", file=sys.stderr)
        return 130
    except Exception:
        traceback.print_exc()
        print(BUG, file=sys.stderr)
        return 1
    return 0
