"""Any rate and channel count becomes mono 16 kHz, and every sample is accounted for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radd.errors import AudioError
from radd.resampling import Converter
from radd.types import SAMPLE_RATE_HZ

RATES_HZ = st.sampled_from(
    [4_000, 8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000]
)


def noise(frames, channels, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (frames, channels)).astype(np.float32)


def convert(frames, rate_hz, sizes=None, **options):
    """The chunks of frames that are pushed in blocks of the given sizes, then in one of what is
    left.
    """
    converter = Converter(rate_hz, frames.shape[1], **options)
    blocks = np.split(frames, np.minimum(np.cumsum(sizes or [len(frames)]), len(frames)))
    return [*[converter.push(block) for block in blocks], converter.flush()]


def samples(chunks):
    return np.concatenate([chunk.samples for chunk in chunks])


@settings(deadline=None)
@given(
    RATES_HZ,
    st.integers(1, 8),
    st.integers(0, 40_000),
    st.lists(st.integers(0, 9_000), max_size=12),
)
def test_length_law_and_block_sizes_do_not_matter(rate_hz, channels, count, sizes):
    frames = noise(count, channels)
    chunks = convert(frames, rate_hz, sizes)
    whole = samples(chunks)
    assert len(whole) == (2 * count * SAMPLE_RATE_HZ + rate_hz) // (2 * rate_hz)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole, samples(convert(frames, rate_hz)))
    assert all(after.start == before.end for before, after in zip(chunks, chunks[1:], strict=False))


@given(st.integers(0, 9_000), st.lists(st.integers(0, 3_000), max_size=8))
def test_mono_16_khz_passes_bit_for_bit(count, sizes):
    frames = noise(count, 1)
    np.testing.assert_array_equal(samples(convert(frames, SAMPLE_RATE_HZ, sizes)), frames[:, 0])


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 44_100, 48_000, 192_000])
def test_a_tone_keeps_its_pitch_level_and_place(rate_hz):
    time_s = np.arange(rate_hz * 2) / rate_hz
    tone = 0.5 * np.sin(2 * np.pi * 1000 * time_s).astype(np.float32)
    heard = samples(convert(np.stack([tone, tone], axis=1), rate_hz))
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(len(heard)) / SAMPLE_RATE_HZ)
    np.testing.assert_allclose(heard[800:-800], expected[800:-800], atol=1e-3)


def test_channels_are_averaged():
    frames = noise(500, 6)
    np.testing.assert_allclose(
        samples(convert(frames, SAMPLE_RATE_HZ)), frames.mean(axis=1), atol=1e-7
    )


@settings(deadline=None)
@given(
    RATES_HZ,
    st.integers(1, 3),
    st.lists(st.integers(0, 4_000), max_size=4),
    st.sets(
        st.tuples(st.integers(0, 7_999), st.sampled_from([np.nan, np.inf, -np.inf, 1e30])),
        max_size=20,
    ),
)
def test_what_is_no_number_is_zero_and_counted_once(rate_hz, channels, sizes, damages):
    frames, clean = noise(8_000, channels), noise(8_000, channels)
    for place, value in damages:
        frames[place, place % channels], clean[place, place % channels] = value, 0
    chunks = convert(frames, rate_hz, sizes)
    assert sum(chunk.damaged for chunk in chunks) == len({place for place, _ in damages})
    assert all(chunk.damaged == 0 for chunk in chunks if not len(chunk.samples))
    np.testing.assert_array_equal(samples(chunks), samples(convert(clean, rate_hz)))


def test_the_first_chunk_with_samples_bears_the_start_and_the_cause():
    chunks = convert(noise(9_000, 1), 48_000, [10, 5_000], start=777, cause="unplugged")
    heard = [chunk for chunk in chunks if len(chunk.samples)]
    assert heard[0].start == 777
    assert [chunk.cause for chunk in heard] == ["unplugged"] + [None] * (len(heard) - 1)
    assert all(chunk.cause is None for chunk in chunks if not len(chunk.samples))


@pytest.mark.parametrize(
    ("rate_hz", "channels"), [(0, 1), (999, 1), (10**9, 1), (16_000, 0), (16_000, 5_000)]
)
def test_what_is_no_sound_is_refused(rate_hz, channels):
    with pytest.raises(AudioError, match="expected 1000 to"):
        Converter(rate_hz, channels)
