"""How the entry points end: exit codes, and what the user is told of an error."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from radd.errors import RaddError, silence_broken_pipe


def exit_code(run: Callable[[], None]) -> int:
    """Run the program and say how it ended: 0, the code of a RaddError, 141 where its reader went
    away, or 1 for a bug.
    """
    try:
        run()
        sys.stdout.flush()
    except BrokenPipeError:  # as with `| head`
        silence_broken_pipe(sys.stdout)
        return 141
    except RaddError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except Exception:
        traceback.print_exc()
        print(
            "\nThis is a bug in RADD, no mistake of yours. Please report it with the lines above.",
            file=sys.stderr,
        )
        return 1
    return 0
