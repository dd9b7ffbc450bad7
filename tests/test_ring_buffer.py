import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.ring_buffer import RingBuffer


@pytest.mark.parametrize("capacity", [1, 2, 3, 7])
@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 20])
def test_every_fill_level_and_every_length_of_write(capacity, step):
    ring, history = RingBuffer(capacity), np.empty(0, np.float32)
    for _ in range(3 * capacity + 1):
        written = np.arange(len(history), len(history) + step, dtype=np.float32)
        ring.write(written)
        history = np.concatenate((history, written))
        assert (ring.total, len(ring)) == (len(history), min(len(history), capacity))
        for n in range(1, capacity + 1):
            assert np.array_equal(ring.last(n), history[-n:])


def test_what_last_returns_stays_when_more_is_written():
    ring = RingBuffer(4)
    ring.write(np.arange(4, dtype=np.float32))
    kept = ring.last(4)
    ring.write(np.full(4, 9, np.float32))
    assert kept.tolist() == [0, 1, 2, 3]
    assert kept.dtype == np.float32


def test_reset_forgets():
    ring = RingBuffer(4)
    ring.write(np.ones(6, np.float32))
    ring.reset()
    assert len(ring.last(4)) == 0
    ring.write(np.full(1, 2, np.float32))
    assert ring.last(4).tolist() == [2]


@pytest.mark.parametrize("n", [-1, 5])
def test_more_than_the_capacity_is_refused(n):
    with pytest.raises(ValueError, match="4 samples"):
        RingBuffer(4).last(n)


def test_no_capacity_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        RingBuffer(0)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 60)), max_size=30))
def test_it_holds_at_least_what_it_is_asked_to_hold_and_forgets_the_oldest_first(steps):
    ring, history = RingBuffer(50), np.empty(0, np.float32)
    for asked, length in steps:
        before = len(ring)
        ring.hold(asked)
        assert min(before, asked) <= len(ring) <= before
        expected = min(asked, len(ring) + length)
        written = np.arange(len(history), len(history) + length, dtype=np.float32)
        ring.write(written)
        history = np.concatenate((history, written))
        assert expected <= len(ring) <= 50
        assert np.array_equal(ring.last(50), history[len(history) - len(ring) :])


def test_what_is_not_held_takes_no_memory():
    ring = RingBuffer(1_000_000)
    ring.hold(1_000)
    ring.write(np.ones(500_000, np.float32))
    assert 1_000 <= len(ring) <= 2_000


def test_memory_grows_with_what_is_written():
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    ring = RingBuffer(1_000_000)
    ring.write(np.arange(1_000, dtype=np.float32))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 20_000, "not yet the four megabytes of its capacity"
    ring.write(np.arange(1_000, 400_000, dtype=np.float32))
    assert np.array_equal(ring.last(1_000_000), np.arange(400_000))
