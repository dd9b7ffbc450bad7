"""The queue behind the callback: bounded, the oldest goes first, nothing goes uncounted."""

import threading

from fixtures_patience import PATIENCE_S
from hypothesis import given
from hypothesis import strategies as st

from stream.capture.capture_queue import Block, CaptureQueue


def block(number):
    return Block(b"", 1, number, float(number))


@given(st.integers(1, 20), st.integers(0, 60))
def test_a_full_inbox_keeps_the_newest_and_counts_the_rest(length, count):
    inbox = CaptureQueue(length)
    for number in range(count):
        inbox.put(block(number))
    kept = [inbox.take(0).first for _ in range(len(inbox))]
    assert kept == list(range(count))[-length:]
    assert inbox.drops == count - len(kept)


def test_an_empty_inbox_gives_nothing_in_time():
    assert CaptureQueue(3).take(0.001) is None


def test_wake_ends_a_wait():
    inbox, found = CaptureQueue(3), []
    waiting = threading.Thread(target=lambda: found.append(inbox.take(2 * PATIENCE_S)))
    waiting.start()
    inbox.wake()
    waiting.join(PATIENCE_S)
    assert found == [None]


def test_blocks_of_another_thread_come_in_order_and_all_are_accounted_for():
    inbox, count = CaptureQueue(8), 5_000

    def fill():
        for number in range(count):
            inbox.put(block(number))

    callback = threading.Thread(target=fill)
    callback.start()
    taken = []
    while callback.is_alive() or len(inbox):
        taken += [each.first for each in [inbox.take(0.01)] if each]
    assert taken == sorted(set(taken))
    assert len(taken) + inbox.drops == count
