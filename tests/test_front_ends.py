"""Front ends of networks that see spectra as pictures or bands."""

import numpy as np
import pytest

from radd.errors import ModelError
from radd.front_ends.log_bands import LogBands
from radd.front_ends.pictures import WHITE, Pictures
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ


def tone(hz: float, hops: int) -> np.ndarray:
    """A tone over a noise floor, float32."""
    n = np.arange(hops * HOP_SAMPLES)
    noise = np.random.default_rng(0).normal(0, 1e-3, len(n))
    return (0.3 * np.sin(2 * np.pi * hz / SAMPLE_RATE_HZ * n) + noise).astype(np.float32)


def test_bands_do_not_hear_a_gain_and_have_the_shape_they_name():
    front, sound = (
        LogBands(),
        np.random.default_rng(1).normal(0, 0.1, 16 * HOP_SAMPLES).astype(np.float32),
    )
    rows = front.rows(sound)
    assert rows.shape == (1, *front.shape(len(sound))) == (1, 127, 128) and rows.dtype == np.float32
    assert (
        np.abs(front.rows(0.5 * sound) - rows).mean() < 1e-3
    )  # the floor is heard in the deepest notches alone
    np.testing.assert_allclose(rows.mean(axis=1), 0, atol=1e-4)
    with pytest.raises(ModelError, match="bands = 100: expected a divisor"):
        LogBands(100)


def test_a_band_is_where_its_frequency_is():
    powers = LogBands().powers(tone(2000, 8))
    assert powers.mean(axis=0).argmax() in (31, 32)  # bands of 62.5 Hz


def test_pictures_are_five_crops_that_the_seed_chooses():
    front, sound = Pictures(), tone(2000, 79)
    rows = front.rows(sound)
    assert (
        rows.shape == (1, *front.shape(len(sound))) == (1, 5, 224, 224) and rows.dtype == np.float32
    )
    assert (
        rows.min() >= 0 and rows.max() <= WHITE and rows.mean(axis=(0, 1, 3)).argmax() in (55, 56)
    )  # of 35.7 Hz
    ramp = sound * np.linspace(0.01, 1, len(sound), dtype=np.float32)
    assert np.array_equal(front.rows(ramp), front.rows(ramp))
    assert not np.array_equal(front.rows(ramp), Pictures(seed=2).rows(ramp))
    with pytest.raises(ModelError, match="do not fit into a window of 16384"):
        front.shape(8 * HOP_SAMPLES)
