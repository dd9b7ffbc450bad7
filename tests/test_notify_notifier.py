"""From events to messages: durable at once, each destination at its own pace, nothing waits."""

import json
import threading
import uuid
from dataclasses import replace

import jsonschema
import pytest
from fixtures_detector import CONFIG
from fixtures_house import ROOT
from fixtures_notify import SECRET, Receiver, notify_settings
from fixtures_storage import alert, score, stream_info, until
from hypothesis import given
from hypothesis import strategies as st
from test_sinks import ALERTS

from notify.answers import Answers, CallAnswer
from notify.messages import Sender
from notify.notifier import Notifier
from notify.watched_journal import WatchedJournal
from notify.webhook import Webhook
from radd.errors import NotifyError, StorageError
from radd.types import AlertState, Call
from storage.journal import Journal
from stream.decision import DecisionSettings

SENDER = Sender("here", "https://radd.example/")
SCHEMA = json.loads((ROOT / "docs/notify.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
STREAM = str(uuid.uuid4())
CALLER = stream_info(
    id=STREAM, source="caller-1.wav", call=Call("CA123", "inbound", {"agent": "ann"})
)


def no_counts(stream):
    return {}


class Held:
    """A channel whose receiver answers only once it is let go."""

    kind, name, key, group_s = "webhook", "held", "held", 0.0

    def __init__(self):
        self.go, self.taken = threading.Event(), []

    def wants(self, message):
        return True

    def send(self, messages):
        if not self.go.wait(0.05):
            raise NotifyError("not yet")
        self.taken += messages
        return "taken"

    def close(self):
        pass


def notifier(directory, *channels, after_s=0.0, **changes):
    decision = DecisionSettings(**CONFIG["decision"])
    answers = Answers(after_s, decision) if after_s else None
    return Notifier(notify_settings(**changes), SENDER, directory, channels, answers)


def hook(receiver):
    return Webhook(receiver.url, SECRET, 5.0)


def types(receiver):
    return [message["type"] for message in receiver.messages]


@given(ALERTS, st.booleans(), st.floats(0, 4e9))
def test_every_alert_is_a_message_that_keeps_the_schema(event, known, now):
    event = replace(event, end=event.began + event.end)
    message = SENDER.alert(event, CALLER if known else None, now)
    VALIDATOR.validate(json.loads(json.dumps(message, allow_nan=False)))
    assert message["since_began_s"] == (event.end - event.began) / 16_000


def test_answers_and_samples_keep_the_schema():
    answer = SENDER.answer(CallAnswer(CALLER, "person", {"inbound": "person"}, 3.21), 1e9)
    for message in (answer, SENDER.sample(1e9)):
        VALIDATOR.validate(message)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(answer | {"verdict": "test"})


def test_an_alert_reaches_each_receiver_once_with_its_call_and_links(receiver, tmp_path):
    other = Receiver()
    opened = alert()
    with notifier(tmp_path, hook(receiver), hook(other), timeout_s=60.0) as notifies:
        notifies.begin(CALLER, dict)
        notifies.write(opened, STREAM)
        notifies.write(score(1), STREAM)
        notifies.write(alert(AlertState.CLOSE, of=opened), STREAM)
        notifies.end(STREAM)
    other.close()
    for each in (receiver, other):
        assert types(each) == ["alert.open", "alert.close"]
        first = each.messages[0]
        assert (first["call"], first["track"], first["metadata"]) == (
            "CA123",
            "inbound",
            {"agent": "ann"},
        )
        assert first["links"]["review"] == f"https://radd.example/#/review/{opened.id}"
        assert first["id"] == f"{opened.id}-open"
    assert notifies.counts()["webhook"] == {"sent": 4}


def test_a_write_never_waits_for_a_receiver_and_one_never_for_another(receiver, tmp_path):
    held = Held()
    with notifier(tmp_path, held, hook(receiver)) as notifies:
        for _ in range(5):
            notifies.write(alert())
        until(lambda: len(receiver.requests) == 5)
        assert held.taken == []
        held.go.set()
        until(lambda: len(held.taken) == 5)
    assert notifies.waiting() == {"inbox": 0, "webhook": 0}


def put_and_stop(directory, url):
    """The distributing thread does not run: what is in the inbox stays there."""
    notifies = notifier(directory, Webhook(url, SECRET, 5.0))
    notifies._inbox.__enter__()
    notifies.begin(CALLER, dict)
    notifies.write(alert(), STREAM)


def test_an_alert_that_was_written_before_a_kill_is_sent_after_it(receiver, tmp_path, killed_after):
    killed_after(put_and_stop, tmp_path, receiver.url)
    with notifier(tmp_path, hook(receiver), timeout_s=60.0):
        pass
    assert types(receiver) == ["alert.open"] and receiver.messages[0]["call"] == "CA123"


def opened_and_killed(settings, directory, url):
    """Killed between the journal and the inbox, the worst moment."""
    journal = Journal(settings, stream_info())
    watched = WatchedJournal(
        journal, [notifier(directory, Webhook(url, SECRET, 5.0))], [], no_counts
    )
    watched.__enter__()
    journal.write(alert(id="8a2f1a52-59f2-4c63-9e0c-6a7c9d8e0f11"))


def test_an_alert_that_only_the_journal_knew_is_sent_as_interrupted(
    receiver, tmp_path, local, killed_after
):
    killed_after(opened_and_killed, local, tmp_path / "notify", receiver.url)
    notifies = notifier(tmp_path / "notify", hook(receiver), timeout_s=60.0)
    with WatchedJournal(Journal(local, stream_info()), [notifies], [], no_counts) as journal:
        for event in journal.recovered:
            journal.write(event)
    (message,) = receiver.messages
    assert message["type"] == "alert.interrupted" and message["source"] is None
    assert message["alert"] == "8a2f1a52-59f2-4c63-9e0c-6a7c9d8e0f11"


class Order:
    """Writes down who is told of an event, in order."""

    recovered, problem = (), None

    def __init__(self, name, told):
        self.name, self.told = name, told

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass

    def begin(self, stream, counts):
        self.told.append((self.name, "begin"))

    def write(self, event, stream=None):
        self.told.append((self.name, getattr(event, "state", "score")))

    def end(self, stream, *interrupted):
        self.told.append((self.name, "end"))


def test_an_opening_alert_is_stored_first_and_everything_else_announced_first():
    told = []
    watched = WatchedJournal(Order("journal", told), [Order("watcher", told)], [CALLER], no_counts)
    with watched as journal:
        for event in (alert(), score(1), alert(AlertState.CLOSE)):
            journal.write(event, STREAM)
        journal.end(STREAM, False)
    assert told == [
        ("watcher", "begin"),
        ("journal", AlertState.OPEN),
        ("watcher", AlertState.OPEN),
        ("watcher", "score"),
        ("journal", "score"),
        ("watcher", AlertState.CLOSE),
        ("journal", AlertState.CLOSE),
        ("journal", "end"),
        ("watcher", "end"),
    ]


def test_each_call_is_answered_once_by_the_deadline_or_its_end(receiver, tmp_path):
    with notifier(tmp_path, hook(receiver), after_s=0.05, timeout_s=60.0) as notifies:
        notifies.begin(CALLER, dict)
        until(lambda: receiver.requests)
    with notifier(tmp_path, hook(receiver), after_s=3_600.0, timeout_s=60.0) as notifies:
        notifies.begin(CALLER, dict)
        notifies.write(alert(), STREAM)
        until(lambda: len(receiver.requests) == 3)
        notifies.begin(stream_info(id="other", source="line"), dict)
    found = [(m["type"], m["verdict"]) for m in receiver.messages]
    assert found[0] == ("call.answer", "no answer yet")
    assert sorted(found[1:3]) == [("alert.open", "synthetic"), ("call.answer", "synthetic")]
    assert found[3:] == [("call.answer", "no answer yet")]


def test_a_destination_that_is_no_longer_configured_is_reported(receiver, tmp_path, caplog):
    receiver.codes = [503] * 100
    with notifier(tmp_path, hook(receiver)) as notifies:
        notifies.write(alert())
        until(lambda: receiver.requests)
    with notifier(tmp_path):
        pass
    assert "holds notifications of a destination that is no longer configured" in caplog.text


def test_two_daemons_do_not_share_a_directory(tmp_path):
    with (
        notifier(tmp_path),
        pytest.raises(StorageError, match="in use by process"),
        notifier(tmp_path),
    ):
        pass
