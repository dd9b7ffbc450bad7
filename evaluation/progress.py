"""Progress of a long run on a terminal."""

from __future__ import annotations

import sys
import time


class Progress:
    """A line on stderr with a bar and the remaining time; silent if stderr is not a terminal."""

    def __init__(self, what: str):
        self._what = what
        self._began = time.monotonic()
        self._before: int | None = None
        self._shown = 0.0

    def __call__(self, done: int, of: int) -> None:
        """`done` of `of` are done; the first call marks the start of the run."""
        if not sys.stderr.isatty():
            return
        now = time.monotonic()
        if self._before is None:
            self._began, self._before = now, done
        if now - self._shown < 0.2 and done < of:
            return
        self._shown = now
        fresh = done - self._before
        left = f"{(of - done) * (now - self._began) / fresh:.0f} s left" if fresh else ""
        filled = 30 * done // max(of, 1)
        end = "\n" if done == of else ""
        sys.stderr.write(
            f"\r{self._what} {'█' * filled}{'░' * (30 - filled)} {done:,} of {of:,}  "
            f"{left:<14}{end}"
        )
        sys.stderr.flush()
