"""Raw PCM and telephone codes (ITU-T G.711): bytes in pieces of any size -> audio frames."""

from __future__ import annotations

import numpy as np

from radd.errors import ConfigError

PCM_FORMATS = {
    "u8": "u1",
    "s16le": "<i2",
    "s16be": ">i2",
    "s24le": "<i4",
    "s32le": "<i4",
    "s32be": ">i4",
    "f32le": "<f4",
    "f32be": ">f4",
    "f64le": "<f8",
    "mulaw": "u1",
    "alaw": "u1",
}
"""the type of a sample in numpy; for s24le after a byte of zeros is added"""


def _mulaw() -> np.ndarray:
    """The sample that each code of mu-law stands for, float32 (256,), full scale +-1."""
    code = ~np.arange(256) & 0xFF
    size = (((code & 0x0F) * 2 + 33) << (code >> 4 & 7)) - 33
    return (np.where(code & 0x80, -size, size) / 8192).astype(np.float32)


def _alaw() -> np.ndarray:
    """The same for A-law."""
    code = np.arange(256) ^ 0x55
    segment, step = code >> 4 & 7, (code & 0x0F) * 2 + 1
    size = np.where(segment, (step + 32) << np.maximum(segment - 1, 0), step)
    return (np.where(code & 0x80, size, -size) / 4096).astype(np.float32)


G711 = {"mulaw": _mulaw(), "alaw": _alaw()}


class PcmFrames:
    """Regroups bytes into whole frames; raises ConfigError for an unknown format."""

    def __init__(self, pcm_format: str, channels: int):
        if pcm_format not in PCM_FORMATS:
            raise ConfigError(
                f"PCM format {pcm_format!r}: expected one of {', '.join(PCM_FORMATS)}"
            )
        self._format, self._channels = pcm_format, channels
        self._dtype = np.dtype(PCM_FORMATS[pcm_format])
        self.frame_bytes = (3 if pcm_format == "s24le" else self._dtype.itemsize) * channels
        self.rest = b""
        """bytes of the incomplete frame"""

    def push(self, data: bytes) -> np.ndarray:
        """The frames that `data` completes, float32 (n, channels), full scale +-1."""
        data = self.rest + data
        whole = len(data) // self.frame_bytes * self.frame_bytes
        self.rest = data[whole:]
        return self._floats(data[:whole]).reshape(-1, self._channels)

    def _floats(self, data: bytes) -> np.ndarray:
        if self._format == "s24le":
            padded = np.zeros((len(data) // 3, 4), np.uint8)
            padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            data = padded.tobytes()
        values = np.frombuffer(data, self._dtype)
        if self._format in G711:
            return G711[self._format][values]
        if values.dtype.kind == "f":
            return values.astype(np.float32)
        full_scale = 2.0 ** (8 * values.dtype.itemsize - 1)
        middle = full_scale if values.dtype.kind == "u" else 0.0
        return ((values - middle) / full_scale).astype(np.float32)
