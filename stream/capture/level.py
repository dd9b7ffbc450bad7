"""The level of a source, for a check of the microphone."""

from __future__ import annotations

import numpy as np

from radd.types import SAMPLE_RATE_HZ, Source

SILENT_DBFS = -120.0  # digital silence has no finite level


def input_level_dbfs(source: Source, heard_s: float) -> float | None:
    """RMS level of the first `heard_s` seconds of an entered source, dB re full scale, at least
    -120; None if it delivers nothing.
    """
    power, count = 0.0, 0
    for chunk in source:
        if not len(chunk.samples) or count >= heard_s * SAMPLE_RATE_HZ:
            break
        power += float(np.square(chunk.samples, dtype=np.float64).sum())
        count += len(chunk.samples)
    source.stop()
    return max(SILENT_DBFS, 10 * float(np.log10(power / count + 1e-12))) if count else None
