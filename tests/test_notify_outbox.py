"""What waits for a receiver: delivered at least once, in order, also after a kill."""

import math

import pytest
from fixtures_notify import SECRET
from hypothesis import given, settings
from hypothesis import strategies as st

from notify.outbox import Outbox
from notify.webhook import Webhook
from radd.errors import MessageRefused, NotifyError

DAY_S = 86_400.0
HOUR_S = 3_600.0


class Time:
    """A clock that a test sets."""

    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now


class Flaky:
    """A channel that keeps what it takes; `fails` says whether it does not take it now."""

    kind, name, key = "webhook", "flaky", "flaky"

    def __init__(self, group_s=0.0, fails=lambda: None):
        self.group_s, self.fails, self.taken = group_s, fails, []

    def wants(self, message):
        return True

    def send(self, messages):
        if error := self.fails():
            raise error
        self.taken.append([message["id"] for message in messages])
        return "taken"

    def close(self):
        pass


def outbox(channel, directory, clock, give_up_s=DAY_S, quota_bytes=10_000_000):
    return Outbox(channel, directory, quota_bytes, give_up_s, clock)


def message(id):
    return {"type": "test", "id": str(id)}


class Rounds:
    """The rounds of an outbox at the moments at which its thread would begin them."""

    def __init__(self, box, clock):
        self.box, self.clock, self.due = box, clock, math.inf

    def put(self, id):
        self.box.put(message(id), self.clock.now)
        if self.box.courier.problem is None:
            self.due = self.clock.now

    def until(self, end):
        while self.due <= end:
            self.clock.now = max(self.due, self.clock.now)
            pause = self.box.courier.attempt()
            self.due = math.inf if pause is None else self.clock.now + pause
        self.clock.now = end


def test_a_receiver_that_is_down_for_an_hour_gets_everything_once_in_order(receiver, tmp_path):
    clock = Time()
    with outbox(Webhook(receiver.url, SECRET, 5.0), tmp_path, clock) as box:
        began, rounds = clock.now, Rounds(box, clock)
        receiver.codes = [503] * 10_000
        for number in range(60):
            rounds.put(number)
            rounds.until(began + 60 * (number + 1))
        attempts = len(receiver.requests)
        assert 60 <= attempts <= 120 and box.waiting == 60
        receiver.codes = []
        rounds.until(clock.now + 60)
        assert box.waiting == 0
    taken = [each["id"] for each in receiver.messages[attempts:]]
    assert taken == [str(number) for number in range(60)]
    assert box.counts == {"failed": attempts, "sent": 60}


def put_and_stop(directory, url):
    box = outbox(Webhook(url, SECRET, 5.0), directory, Time())
    box.__enter__()
    for number in range(3):
        box.put(message(number), 1_700_000_000.0)


def test_what_was_put_before_a_kill_is_delivered_after_it(receiver, tmp_path, killed_after):
    killed_after(put_and_stop, tmp_path, receiver.url)
    assert receiver.requests == []
    with outbox(Webhook(receiver.url, SECRET, 5.0), tmp_path, Time()) as box:
        assert box.courier.attempt() is None and box.waiting == 0
    assert [each["id"] for each in receiver.messages] == ["0", "1", "2"]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from(["put", "fails", "refused", "answers", "restart"]), max_size=40))
def test_nothing_is_lost_or_reordered_whatever_the_receiver_does(tmp_path_factory, plan):
    directory, clock, answer = tmp_path_factory.mktemp("outbox"), Time(), [None]
    channel = Flaky(fails=lambda: answer[0])
    box = outbox(channel, directory, clock).__enter__()
    put, refused = [], []
    for step in [*plan, "answers"]:
        if step == "put":
            put.append(str(len(put)))
            box.put(message(put[-1]), clock.now)
            continue
        if step == "restart":
            box.__exit__()
            box = outbox(channel, directory, clock).__enter__()
            continue
        answer[0] = {"fails": NotifyError("down"), "refused": MessageRefused("bad")}.get(step)
        if step == "refused":
            done = {id for ids in channel.taken for id in ids} | set(refused)
            refused += [id for id in put if id not in done]
        box.courier.attempt()
    box.__exit__()
    assert [id for ids in channel.taken for id in ids] == [i for i in put if i not in refused]


def test_all_alerts_of_a_bad_hour_are_two_messages(tmp_path):
    clock, channel = Time(), Flaky(group_s=HOUR_S)
    with outbox(channel, tmp_path, clock) as box:
        rounds, end = Rounds(box, clock), clock.now + HOUR_S
        for number in range(100):
            rounds.put(number)
            rounds.until(clock.now + 35)
        rounds.until(end)
        assert [len(ids) for ids in channel.taken] == [1, 99]
        rounds.until(end + 2 * HOUR_S)
        rounds.put("calm")
        rounds.until(clock.now)
    assert channel.taken[2:] == [["calm"]]


def test_a_group_is_sent_at_shutdown_and_not_held_back_by_a_clock_that_is_set(tmp_path):
    clock, channel = Time(), Flaky(group_s=HOUR_S)
    with outbox(channel, tmp_path, clock) as box:
        box.courier.start()
        box.put(message(1), clock.now)
        box.put(message(2), clock.now)
        assert box.courier.close(60)
    assert sorted(id for ids in channel.taken for id in ids) == ["1", "2"]
    with outbox(channel, tmp_path / "other", clock) as box:
        box.put(message(3), clock.now)
        box.courier.attempt()
        clock.now -= DAY_S
        box.put(message(4), clock.now)
        assert box.courier.attempt() is None
    assert channel.taken[-1] == ["4"]


def test_a_message_that_never_arrives_is_given_up_and_reported(tmp_path, caplog):
    clock, channel = Time(), Flaky(fails=lambda: NotifyError("down"))
    with outbox(channel, tmp_path, clock, give_up_s=HOUR_S) as box:
        rounds = Rounds(box, clock)
        rounds.put("old")
        rounds.until(clock.now + HOUR_S / 2)
        rounds.put("new")
        rounds.until(clock.now + HOUR_S / 2 + 60)
        assert box.counts["given_up"] == box.waiting == 1
        channel.fails = lambda: None
        rounds.until(clock.now + 60)
        assert channel.taken == [["new"]] and not box.waiting
    assert "flaky is not notified of old: it did not arrive within 1 h" in caplog.text
    assert caplog.text.count("it is tried again until it answers") == 1


def test_what_finds_no_space_is_dropped_counted_and_reported(tmp_path, caplog):
    with outbox(Flaky(), tmp_path, Time(), quota_bytes=8_192) as box:
        for number in range(3):
            box.put(message(number), 0.0)
        assert box.waiting == 2 and box.counts["dropped"] == 1
    assert "flaky is not notified of 2: the spool" in caplog.text


@pytest.mark.parametrize("asked_s, pause_s", [(0.0, 0.5), (300.0, 300.0)])
def test_the_pause_is_the_longer_of_the_own_and_the_asked_one(tmp_path, asked_s, pause_s):
    channel = Flaky(fails=lambda: NotifyError("busy", asked_s))
    with outbox(channel, tmp_path, Time()) as box:
        box.put(message(1), 0.0)
        box.put(message(2), 1_700_000_000.0)
        assert box.courier.attempt() == pause_s


def test_a_message_of_another_century_is_tried_once(tmp_path):
    """The clock of a machine may be wrong until it reaches a time server."""
    channel = Flaky()
    with outbox(channel, tmp_path, Time(), give_up_s=HOUR_S) as box:
        box.put(message(1), 0.0)
        box.courier.attempt()
    assert channel.taken == [["1"]] and box.counts == {"sent": 1}


def test_what_is_sent_while_the_outbox_closes_is_not_sent_again_and_again(tmp_path):
    channel = Flaky()
    with outbox(channel, tmp_path, Time()) as box:
        box.put(message(1), 0.0)
        channel.fails = lambda: box.__exit__()
        box.courier.attempt()
    assert channel.taken == [["1"]]


def test_a_fault_of_a_library_is_a_failure_that_may_pass_and_shows_no_address(tmp_path, caplog):
    channel = Flaky(fails=lambda: ValueError("https://user:hidden@host"))
    with outbox(channel, tmp_path, Time()) as box:
        box.put(message(1), 1_700_000_000.0)
        assert box.courier.attempt() == 0.5
        channel.fails = lambda: None
        assert box.courier.attempt() is None
    assert channel.taken == [["1"]]
    assert "flaky failed with ValueError" in caplog.text and "hidden" not in caplog.text
