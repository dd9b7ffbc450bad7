import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from radd.errors import AudioError
from radd.flac import clip_sha256, flac_bytes, flac_samples

SOUND = arrays(np.float32, st.integers(0, 3_000), elements=st.floats(-1, 1, width=32))


@given(SOUND)
def test_a_clip_comes_back_to_half_a_step_of_16_bit(samples):
    back = flac_samples(flac_bytes(samples))
    assert back.dtype == np.float32
    assert np.all(np.abs(back - np.minimum(samples, 1 - 2**-15)) <= 2**-16)


@given(SOUND)
def test_encoding_what_was_decoded_gives_the_same_bytes(samples):
    data = flac_bytes(samples)
    assert flac_bytes(flac_samples(data)) == data
    assert clip_sha256(samples) == hashlib.sha256(data).hexdigest()


def test_sound_beyond_full_scale_is_clipped_not_wrapped():
    assert flac_samples(flac_bytes(np.array([7, -7], np.float32))).tolist() == [1 - 2**-15, -1]


@pytest.mark.parametrize(
    "samples", [np.array([0, np.nan], np.float32), np.zeros((2, 2), np.float32)]
)
def test_what_is_no_clip_is_refused(samples):
    with pytest.raises(AudioError, match="expected finite samples"):
        flac_bytes(samples)


@given(st.binary(min_size=1, max_size=200))
def test_bytes_that_are_no_flac_are_refused(data):
    with pytest.raises(AudioError, match="damaged"):
        flac_samples(data)
