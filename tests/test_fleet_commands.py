"""Commands of the console to the calls of a fleet reach the detector that has the call, and stay
carried out when another one goes on with it.
"""

import numpy as np
import pytest
import sqlalchemy as sa
from fixtures_fleet import Detecting, MemoryBroker, messages, track
from fixtures_storage import rows
from test_fleet import CHUNKS, SOUND, is_over

from radd.types import HOP_SAMPLES
from storage.commands import give
from storage.database import Database
from storage.tables import gaps, stream_commands, streams
from stream.run_events import Stopped

WHOLE = len(SOUND) // HOP_SAMPLES * HOP_SAMPLES


@pytest.fixture
def broker():
    return MemoryBroker(1)


@pytest.fixture
def detecting(broker, local):
    """Makes detectors, and ends what a test has left of them."""
    made = []

    def make():
        made.append(Detecting(broker, local, len(made)))
        return made[-1]

    yield make
    for one in made:
        one.end()


class Console:
    """Gives commands as the console does."""

    def __init__(self, url: str):
        self.url, self.database = url, Database(url)

    def give(self, one: Detecting, action: str) -> None:
        """Give a command and wait until it is done."""
        given = give(self.database, track().id, action, "op")
        one.until(lambda: self.is_done(given.id))

    def is_done(self, id: str) -> bool:
        with self.database.transaction() as connection:
            done = sa.select(stream_commands.c.done_utc).where(stream_commands.c.id == id)
            return connection.scalar(done) is not None


@pytest.fixture
def console(local):
    made = Console(local.url)
    yield made
    made.database.close()


def heard(one, broker, sent) -> None:
    for body in sent:
        broker.publish(0, body)
    one.until(lambda: one.detector.is_idle and not any(broker.queues))


def begun(local):
    """Whether the database knows the stream."""
    return lambda: bool(rows(local.url, streams))


def test_a_pause_goes_on_in_the_next_detector(broker, detecting, local, console):
    sent = messages(track(), CHUNKS)
    first = detecting()
    heard(first, broker, sent[:60])
    first.until(begun(local))
    console.give(first, "pause")
    heard(first, broker, sent[60:80])
    first.consumer.die()
    second = detecting()
    heard(second, broker, sent[80:120])
    console.give(second, "resume")
    heard(second, broker, sent[120:])
    second.until(is_over(broker, second))
    spans = [
        (row["start_samples"], row["end_samples"], row["cause"]) for row in rows(local.url, gaps)
    ]
    assert spans[0][0] == 60 * HOP_SAMPLES and spans[-1][1] == 120 * HOP_SAMPLES
    assert {cause for *_, cause in spans} == {"paused by op"}
    assert sum(end - start for start, end, _ in spans) == 60 * HOP_SAMPLES
    (stream,) = rows(local.url, streams)
    assert stream["state"] == "ended" and stream["length_samples"] == WHOLE


@pytest.mark.parametrize("killed", [False, True])
def test_a_stopped_call_stays_stopped(killed, broker, detecting, local, console):
    sent = messages(track(), CHUNKS)
    first = one = detecting()
    heard(first, broker, sent[:60])
    first.until(begun(local))
    console.give(first, "stop")
    if killed:
        first.consumer.die()
        one = detecting()
    for body in sent[60:]:
        broker.publish(0, body)
    one.until(is_over(broker, one))
    reasons = [event.reason for _, event in first.display.events if isinstance(event, Stopped)]
    assert reasons == ["stopped"]
    (stream,) = rows(local.url, streams)
    assert (stream["state"], stream["length_samples"]) == ("ended", 60 * HOP_SAMPLES)
    assert not rows(local.url, gaps)


def test_a_command_to_a_call_that_changes_its_detector_is_carried_out_there(
    broker, detecting, local, console
):
    sent = messages(track(), CHUNKS)
    first = detecting()
    heard(first, broker, sent[:60])
    first.until(begun(local))
    given = give(console.database, track().id, "pause", "op")
    first.consumer.die()
    second = detecting()
    heard(second, broker, sent[60:90])
    second.until(lambda: console.is_done(given.id))
    heard(second, broker, sent[90:])
    second.until(is_over(broker, second))
    spans = rows(local.url, gaps)
    assert spans[-1]["end_samples"] >= WHOLE - 16_000
    assert np.all([row["cause"] == "paused by op" for row in spans])
