"""Front ends: a window of audio -> the input of a network that scores it as a whole. One file each;
add a line below.

A front end uses numpy only, is stateless, and is built from the settings in the bundle's manifest.
"""

from __future__ import annotations

from dataclasses import Field, asdict
from typing import Any, ClassVar, Protocol

import numpy as np

from radd.errors import ModelError
from radd.front_ends.classical import Classical
from radd.front_ends.log_bands import LogBands
from radd.front_ends.mel import LogMel
from radd.front_ends.pictures import Pictures
from radd.front_ends.waveform import Waveform


class FrontEnd(Protocol):
    """A frozen dataclass. Its fields are its settings, with defaults; the manifest stores them."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def shape(self, samples: int) -> tuple[int, ...]:
        """Shape of one row for a window of this many samples. Raises ModelError for an unsuitable
        window.
        """
        ...

    def rows(self, window: np.ndarray) -> np.ndarray:
        """float32 (n, *shape), n at least 1 (crops of one window, for example), of a window float32
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
    """The front end `name` with all its settings. Raises ModelError for unknown names or
    settings.
    """
    if name not in FRONT_ENDS:
        raise ModelError(f"front end {name!r} is unknown; this program has {', '.join(FRONT_ENDS)}")
    known = asdict(FRONT_ENDS[name]())
    if settings.keys() != known.keys():
        raise ModelError(
            f"the network was trained on {name} features with settings {settings}, but this "
            "program "
            f"computes {known}; train it again"
        )
    return FRONT_ENDS[name](**settings)
