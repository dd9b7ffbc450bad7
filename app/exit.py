"""How the entry points end: exit codes, and what the user is told of an error."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from radd.errors import RaddError, silence_broken_pipe

BUG = "\nThis is a bug in RADD, no mistake of yours. Please report it with the lines above."


def exit_code(run: Callable[[], None], prefix: str = "error") -> int:
    """Run the program and say how it ended.

    0: done; the code of a RaddError, whose message follows `prefix`; 130: interrupted; 141: nobody
    reads the output any more; 1: a bug.
    """
    try:
        run()
        sys.stdout.flush()
    except BrokenPipeError:  # as with `| head`
        silence_broken_pipe(sys.stdout)
        return 141
    except RaddError as error:
        print(f"{prefix}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{prefix}: interrupted", file=sys.stderr)
        return 130
    except Exception:
        traceback.print_exc()
        print(BUG, file=sys.stderr)
        return 1
    return 0
