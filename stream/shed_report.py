"""Reports once when the machine becomes too slow, and once when it keeps up again."""

from __future__ import annotations

import logging
import time

from radd.types import Shed

CALM_S = 5.0  # without a late stream, until the machine counts as fast enough again

log = logging.getLogger(__name__)


class ShedReport:
    """Whether hops are being shed, over all streams of a run."""

    def __init__(self) -> None:
        self._is_on, self._until, self._hops = False, 0.0, 0

    def look(self, source: str, shed: Shed, hops: int) -> None:
        """A part of a stream was scored, and `hops` of it were shed."""
        self._hops += hops
        if shed and not self._is_on:
            log.warning("%s is late: this machine is too busy; hops are being shed", source)
        self._until = time.monotonic() + CALM_S if shed else self._until
        if self._is_on and time.monotonic() > self._until:
            log.warning("no stream is late any more; %d hops have been shed so far", self._hops)
        self._is_on = time.monotonic() <= self._until
