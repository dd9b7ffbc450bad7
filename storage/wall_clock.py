"""The wall clock beside two clocks that nobody sets, so that a step of it is seen and told from a
machine that slept.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

STEP_S = 1.0  # smaller differences are those of reading several clocks one after another
AT_ONCE_S = 0.1
SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Reading(NamedTuple):
    """Three clocks at one moment, in seconds."""

    wall_s: float
    """since 1970, as this machine believes"""
    since_boot_s: float
    """from some moment on, sleep included"""
    awake_s: float
    """from some moment on, without sleep"""


class Step(NamedTuple):
    """What happened between two readings."""

    set_by_s: float
    """by how much the wall clock was set forward; 0 if it was not"""
    slept_s: float
    """how long the machine slept; 0 if it did not"""


def read_clocks() -> Reading:
    """All three, and again if this process was stopped between them."""
    while True:
        began_s = time.clock_gettime(SINCE_BOOT)
        reading = Reading(time.time(), time.clock_gettime(SINCE_BOOT), time.monotonic())
        if time.clock_gettime(SINCE_BOOT) - began_s < AT_ONCE_S:
            return reading


class WallClock:
    """Tells of each step once."""

    def __init__(self, read: Callable[[], Reading] = read_clocks):
        self._read, self._before = read, read()

    def step(self) -> Step | None:
        """What happened since the last step; None if the clocks still agree."""
        now, before = self._read(), self._before
        passed_s = now.since_boot_s - before.since_boot_s
        set_by_s = now.wall_s - before.wall_s - passed_s
        slept_s = passed_s - (now.awake_s - before.awake_s)
        if abs(set_by_s) < STEP_S and slept_s < STEP_S:
            return None
        self._before = now
        return Step(_if_step(set_by_s), _if_step(slept_s))


def _if_step(seconds: float) -> float:
    return seconds if abs(seconds) >= STEP_S else 0.0
