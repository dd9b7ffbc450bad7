import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radd.types import HOP_SAMPLES, AudioChunk
from stream.windower import Windower

chunk_lengths = st.one_of(st.integers(0, 300), st.integers(0, 3 * HOP_SAMPLES))
losses = st.one_of(st.just(0), st.just(0), st.just(0), st.integers(1, 5 * HOP_SAMPLES))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(losses, chunk_lengths, st.booleans()), max_size=25))
def test_every_sample_is_in_a_hop_or_accounted_for(plan):
    windower, end, lost, dropped, hops, damaged_sound = Windower(), 0, 0, 0, [], np.zeros(0, bool)
    for loss, length, is_damaged in plan:
        start = end + loss
        end = start + length
        result = windower.push(
            AudioChunk(
                np.arange(start, end, dtype=np.float32),
                start,
                cause="unplugged",
                damaged=int(is_damaged),
            )
        )
        assert (result.gap is not None) == (loss > 0)
        if result.gap:
            assert (result.gap.start, result.gap.end, result.gap.cause) == (
                start - loss,
                start,
                "unplugged",
            )
        lost, dropped = lost + loss, dropped + result.unjudged
        damaged_sound = np.concatenate(
            (damaged_sound, np.zeros(loss, bool), np.full(length, is_damaged))
        )
        for i, hop in enumerate(result.samples):
            first = result.start + i * HOP_SAMPLES
            assert np.array_equal(hop, np.arange(first, first + HOP_SAMPLES, dtype=np.float32))
            assert (i < result.damaged) >= damaged_sound[first : first + HOP_SAMPLES].any()
            hops.append(hop)
        assert windower.end == end
        assert len(hops) * HOP_SAMPLES + dropped + lost + windower.pending == end


@settings(deadline=None, max_examples=50)
@given(st.lists(chunk_lengths, max_size=25))
def test_chunk_sizes_leave_no_trace(lengths):
    sound = np.random.default_rng(0).random(sum(lengths), np.float32)
    windower, end, hops = Windower(), 0, [np.empty((0, HOP_SAMPLES), np.float32)]
    for length in lengths:
        hops.append(windower.push(AudioChunk(sound[end : end + length], end)).samples)
        end += length
    whole = len(sound) - len(sound) % HOP_SAMPLES
    assert np.array_equal(np.concatenate(hops).reshape(-1), sound[:whole])


def test_only_the_hops_a_damaged_chunk_touches_are_damaged():
    windower = Windower()
    sound = np.zeros(HOP_SAMPLES, np.float32)
    assert windower.push(AudioChunk(sound, 0)).damaged == 0
    assert windower.push(AudioChunk(sound[:100], HOP_SAMPLES, damaged=1)).damaged == 0
    longer = windower.push(AudioChunk(np.zeros(3 * HOP_SAMPLES, np.float32), HOP_SAMPLES + 100))
    assert (longer.damaged, len(longer.samples)) == (1, 3)


def test_sound_told_twice_is_refused():
    windower = Windower()
    windower.push(AudioChunk(np.zeros(10, np.float32), 0))
    with pytest.raises(ValueError, match="expected 10 or later"):
        windower.push(AudioChunk(np.zeros(10, np.float32), 9))
