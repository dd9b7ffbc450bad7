"""Ends a connection that is open but brings nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class IdleWatch:
    """Calls `drop` once there was no touch() for `idle_s`. For the thread of the network."""

    def __init__(self, idle_s: float, drop: Callable[[str], None]):
        self._idle_s, self._drop = idle_s, drop
        self._loop = asyncio.get_running_loop()
        self._touched = self._loop.time()
        self._timer = self._loop.call_later(idle_s, self._look)

    def touch(self) -> None:
        """Something came."""
        self._touched = self._loop.time()

    def cancel(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        left_s = self._touched + self._idle_s - self._loop.time()
        if left_s > 0:  # cheaper than a new timer for every message
            self._timer = self._loop.call_later(left_s, self._look)
        else:
            self._drop(f"nothing came for {self._idle_s:g} s")
