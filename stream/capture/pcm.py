"""Raw PCM: bytes in pieces of any size -> audio frames."""

from __future__ import annotations

import numpy as np

from radd.errors import ConfigError

PCM_FORMATS = {
    "u8": "u1",
    "s16le": "<i2",
    "s16be": ">i2",
    "s32le": "<i4",
    "s32be": ">i4",
    "f32le": "<f4",
    "f32be": ">f4",
    "f64le": "<f8",
}


class PcmFrames:
    """Regroups bytes into whole frames; raises ConfigError for an unknown format."""

    def __init__(self, pcm_format: str, channels: int):
        if pcm_format not in PCM_FORMATS:
            raise ConfigError(
                f"PCM format {pcm_format!r}: expected one of {', '.join(PCM_FORMATS)}"
            )
        self._dtype, self._channels = np.dtype(PCM_FORMATS[pcm_format]), channels
        self.frame_bytes = self._dtype.itemsize * channels
        self.rest = b""
        """bytes of the incomplete frame"""

    def push(self, data: bytes) -> np.ndarray:
        """The frames that `data` completes, float32 (n, channels), full scale +-1."""
        data = self.rest + data
        whole = len(data) // self.frame_bytes * self.frame_bytes
        self.rest = data[whole:]
        values = np.frombuffer(data[:whole], self._dtype).reshape(-1, self._channels)
        if values.dtype.kind == "f":
            return values.astype(np.float32)
        full_scale = 2.0 ** (8 * values.dtype.itemsize - 1)
        middle = full_scale if values.dtype.kind == "u" else 0.0
        return ((values - middle) / full_scale).astype(np.float32)
