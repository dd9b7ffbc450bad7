"""Clips as FLAC bytes: 16 kHz, mono, 16 bit."""

from __future__ import annotations

import hashlib

import numpy as np

from radd.errors import AudioError
from radd.files import decoded, encoded
from radd.types import SAMPLE_RATE_HZ

FULL_SCALE = 32_768  # 16-bit samples


def flac_bytes(samples: np.ndarray) -> bytes:
    """Encode audio as FLAC: float32 (n,), full scale +-1, 16 kHz; rounded to 16 bit, clipped at
    full scale.

    Equal samples give equal bytes, and encoding the output of `flac_samples` gives the same bytes
    again. No samples give no bytes. Raises AudioError if the audio is not one-dimensional or
    contains NaN or Inf.
    """
    if samples.ndim != 1 or not np.all(np.isfinite(samples)):
        raise AudioError(
            f"a clip of shape {samples.shape} cannot be stored: expected finite samples of shape "
            "(n,)"
        )
    scaled = np.rint(np.asarray(samples, np.float64) * FULL_SCALE)
    pcm = np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return encoded(pcm, SAMPLE_RATE_HZ, "FLAC", "PCM_16")


def flac_samples(data: bytes, longest_s: float | None = None) -> np.ndarray:
    """Decode the output of `flac_bytes`: float32 (n,), full scale +-1, 16 kHz.

    Raises AudioError for bytes that are not FLAC, or have another rate or number of channels.
    """
    if not data:
        return np.zeros(0, np.float32)
    longest = None if longest_s is None else round(longest_s * SAMPLE_RATE_HZ)
    pcm, rate_hz = decoded(data, "int16", longest)
    if rate_hz != SAMPLE_RATE_HZ or pcm.shape[1] != 1:
        raise AudioError(
            f"a stored clip has {rate_hz} Hz, {pcm.shape[1]} channels: expected {SAMPLE_RATE_HZ} "
            "Hz "
            "mono"
        )
    return pcm[:, 0].astype(np.float32) / FULL_SCALE


def clip_sha256(samples: np.ndarray) -> str:
    """The id of a clip: SHA-256 of its FLAC bytes, 64 hexadecimal digits. Raises AudioError like
    `flac_bytes`.
    """
    return hashlib.sha256(flac_bytes(samples)).hexdigest()
