"""The thread that empties a spool, and waits longer after each failure in a row."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from radd.errors import RaddError

PATIENCE_S = (0.5, 1, 2, 4, 8)
"""waiting times after the first, second ... failure in a row; the last one repeats"""


class Courier:
    """Calls `deliver` at the start, after each `wake`, and again after a failure.

    `deliver` delivers all that waits and returns the seconds after which it wants to be called
    again, None for not before the next `wake`. It raises a RaddError if it failed; one with an
    attribute `retry_after_s` asks for at least that pause. `problem` is the current error in words
    for the user, None if there is none; `failures` counts them.
    """

    def __init__(
        self,
        name: str,
        deliver: Callable[[], float | None],
        patience_s: Sequence[float] = PATIENCE_S,
    ):
        self._deliver, self._patience_s = deliver, patience_s
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._in_a_row = 0
        self.failures = 0
        self.problem: str | None = None

    @property
    def closing(self) -> bool:
        """Whether this is the last round."""
        return self._closing.is_set()

    def start(self) -> None:
        """Deliver in the background from now on."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new to deliver."""
        self._wake.set()

    def close(self, flush_s: float) -> bool:
        """Deliver for at most `flush_s` seconds and until the first failure. Returns whether the
        thread has ended.
        """
        self._closing.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(flush_s)
        return not self._thread.is_alive()

    def attempt(self) -> float | None:
        """One round: the pause in seconds until the next, None if only `wake` begins one."""
        try:
            pause = self._deliver()
        except RaddError as error:
            self.failures += 1
            self.problem = str(error)
            usual = self._patience_s[min(self._in_a_row, len(self._patience_s) - 1)]
            self._in_a_row += 1
            return max(usual, getattr(error, "retry_after_s", 0.0))
        self._in_a_row, self.problem = 0, None
        return pause

    def _run(self) -> None:
        while True:
            last_round = self._closing.is_set()
            self._wake.clear()
            pause = self.attempt()
            if last_round:
                return
            # what is new changes nothing while the destination does not answer
            (self._closing if self._in_a_row else self._wake).wait(pause)
