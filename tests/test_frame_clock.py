"""Lost frames are found by the clock; jitter and drift are not taken for a loss."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.capture.frame_clock import CONFIRM_S, FrameClock

RATE_HZ, BLOCK, TOLERANCE_S = 48_000, 6_144, 0.2
BLOCK_S = BLOCK / RATE_HZ


def listen(arrivals):
    """What the clock lets go on, as {number of the block: frames lost before it}, in order, and
    what it holds.
    """
    clock = FrameClock(RATE_HZ, TOLERANCE_S)
    passed = [
        each
        for i, arrived in enumerate(arrivals)
        for each in clock.push(i, (i + 1) * BLOCK, arrived)
    ]
    return passed, [number for number, _ in clock.release()]


def arrivals(blocks, drift=0.0, jitter_s=0.0, seed=0):
    steady = 1000.0 + np.arange(1, blocks + 1) * BLOCK_S * (1 + drift)
    return steady + np.random.default_rng(seed).uniform(0, jitter_s, blocks)


@settings(max_examples=25, deadline=None)
@given(st.floats(-5e-4, 5e-4), st.floats(0, 0.15), st.integers(0, 2**32 - 1))
def test_jitter_and_drift_never_make_a_gap_in_two_hours(drift, jitter_s, seed):
    passed, held = listen(arrivals(round(7200 / BLOCK_S), drift, jitter_s, seed))
    assert not held
    assert all(lost == 0 for _, lost in passed)


@settings(deadline=None)
@given(
    st.integers(2, 300),
    st.floats(0.3, 30),
    st.floats(-2e-4, 2e-4),
    st.floats(0, 0.05),
    st.integers(0, 2**32 - 1),
)
def test_a_loss_is_found_where_it_was_and_as_long_as_it_was(before, lost_s, drift, jitter_s, seed):
    times = arrivals(before + 100, drift, jitter_s, seed)
    times[before:] += lost_s
    passed, held = listen(times)
    assert [number for number, _ in passed] == list(range(before + 100)) and not held
    assert [number for number, lost in passed if lost] == [before]
    assert abs(passed[before][1] / RATE_HZ - lost_s) < 0.05 + jitter_s


@given(st.integers(2, 50), st.floats(0.3, 20))
def test_blocks_that_come_late_but_all_come_are_no_loss(before, stall_s):
    times = arrivals(before + 300)
    times[before:] = np.maximum(times[before:], times[before - 1] + stall_s)
    passed, held = listen(times)
    assert not any(lost for _, lost in passed)
    assert len(passed) + len(held) == before + 300


@given(st.lists(st.floats(0, 3), min_size=1, max_size=80))
def test_every_block_goes_on_once_and_in_order(pauses):
    passed, held = listen(1000.0 + np.cumsum(pauses))
    assert [number for number, _ in passed] + held == list(range(len(pauses)))
    assert all(lost >= 0 for _, lost in passed)


def test_nothing_is_held_longer_than_it_takes_to_confirm_a_loss():
    times = arrivals(40)
    times[20:] += 1.0
    clock = FrameClock(RATE_HZ, TOLERANCE_S)
    waiting_since = {}
    for i, arrived in enumerate(times):
        waiting_since[i] = arrived
        for number, _ in clock.push(i, (i + 1) * BLOCK, arrived):
            assert arrived - waiting_since.pop(number) <= CONFIRM_S + BLOCK_S
