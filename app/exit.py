"""How the entry points end: exit codes and error messages."""

from __future__ import annotations

import errno
import shlex
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from app.standard_streams import GONE, flushed, standard_streams
from radd.errors import ConfigError, RaddError, StorageError
from radd.resources import CHECKOUT, in_checkout
from radd.terminal import printable

LINES = "\n"  # which an error may have
OLDEST_PYTHON = (3, 11)
NOBODY_READS = 141
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
OURS = {"radd", "stream", "storage", "training", "console", "evaluation", "generative"}
OURS |= {"notify", "fleet", "retraining", "app", "detect", "train", "evaluate", "review", "serve"}
EXTRAS = {"train": "train", "evaluate": "evaluate", "serve": "serve"}
BUG = "\nThis is a bug in RADD, not your mistake. Please report it with the lines above."


def exit_code(run: Callable[[], int | None], prefix: str = "error") -> int:
    """Run the program and return its exit code.

    0 or what `run` returns: done; the code of a RaddError, whose message follows `prefix`; 2: a
    package is missing; 130:
    interrupted; 141: nobody reads the output any more; 1: a bug.
    """
    with standard_streams():
        code = _code(run, prefix)
        unwritten = flushed(sys.stdout)
        return code if code or unwritten is None else _unwritten(unwritten, prefix)


def _code(run: Callable[[], int | None], prefix: str) -> int:
    try:
        _check_python()
        return run() or 0
    except BrokenPipeError:  # as with `| head`
        return NOBODY_READS
    except RaddError as error:
        _say(f"{prefix}: {printable(str(error), LINES)}")
        return error.exit_code
    except KeyboardInterrupt:
        _say(f"{prefix}: interrupted")
        return 130
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in OURS:
            _say(f"{prefix}: {_what_to_type(error.name)}")
            return ConfigError.exit_code
        return _bug()
    except OSError as error:
        return _unwritten(error, prefix) if error.errno in FULL else _bug()
    except Exception:
        return _bug()


def _unwritten(error: OSError, prefix: str) -> int:
    if error.errno in GONE:
        return NOBODY_READS
    where = error.filename or "the output"
    _say(f"{prefix}: cannot write {where}: {error.strerror}; free space, or write elsewhere")
    return StorageError.exit_code


def _bug() -> int:
    with suppress(OSError):
        traceback.print_exc()
    _say(BUG)
    return 1


def _say(text: str) -> None:
    with suppress(OSError):  # the terminal is gone; the exit code says it still
        print(text, file=sys.stderr)


def _check_python() -> None:
    if sys.version_info < OLDEST_PYTHON:
        raise ConfigError(
            f"{sys.executable} is Python {sys.version.split()[0]}; RADD needs "
            f"{'.'.join(map(str, OLDEST_PYTHON))} or later"
        )


def _what_to_type(package: str | None) -> str:
    """In one line, for a package that this Python does not have."""
    missing = f"{package} is not installed for {sys.executable}"
    ours = CHECKOUT / ".venv" / "bin" / "python"
    if in_checkout() and ours.exists() and Path(sys.prefix) != CHECKOUT / ".venv":
        return f"{missing}; type: {shlex.join([str(ours), *sys.argv])}"
    if find_spec("numpy") is None:
        return f"{missing}; type: make -C {shlex.quote(str(CHECKOUT))} run"
    extra = EXTRAS.get(Path(sys.argv[0]).stem.removeprefix("radd-"), "dev")
    named = f"{CHECKOUT}[{extra}]" if in_checkout() else f"radd[{extra}]"
    return f"{missing}; type: {sys.executable} -m pip install {shlex.quote(named)}"
