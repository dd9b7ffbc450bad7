"""Front ends: a window of sound -> what a network that judges it as a whole is given. One file
each; add a line below.

A front end is numpy alone, holds no memory, and is built from the settings that the bundle's
manifest names.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Protocol

import numpy as np

from radd.errors import ModelError
from radd.front_ends.classical import Classical
from radd.front_ends.log_bands import LogBands
from radd.front_ends.mel import LogMel
from radd.front_ends.pictures import Pictures
from radd.front_ends.waveform import Waveform


class FrontEnd(Protocol):
    """A frozen dataclass; its fields are its settings, with defaults, and stand in the manifest."""

    def shape(self, samples: int) -> tuple[int, ...]:
        """Of one row, made of a window of so many samples; raises ModelError for a window that it
        cannot serve.
        """
        ...

    def rows(self, window: np.ndarray) -> np.ndarray:
        """float32 (n, *shape), n at least 1 (crops of one window, say), of a window float32
        (samples,), 16 kHz.
        """
        ...


FRONT_ENDS: dict[str, type[FrontEnd]] = {
    "waveform": Waveform,
    "classical": Classical,
    "log_mel": LogMel,
    "log_bands": LogBands,
    "pictures": Pictures,
}


def front_end(name: str, settings: dict[str, Any]) -> FrontEnd:
    """The front end `name` with these settings, all of them given; raises ModelError for others
    than it knows.
    """
    if name not in FRONT_ENDS:
        raise ModelError(f"front end {name!r} is unknown; this program has {', '.join(FRONT_ENDS)}")
    known = asdict(FRONT_ENDS[name]())
    if settings.keys() != known.keys():
        raise ModelError(
            f"the network was trained on {name} features with settings {settings}, this program "
            f"computes {known}: train it anew"
        )
    return FRONT_ENDS[name](**settings)
