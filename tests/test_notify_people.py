"""Mail as a real server gets it, and what people read in it."""

import email

import pytest
from fixtures_notify import free_port
from fixtures_storage import alert, stream_info

from notify.messages import Sender
from notify.people import MOST_LINES, People, as_text
from radd.errors import ConfigError, NotifyError
from radd.types import Call

# Apprise imports imghdr, which Python 3.11 calls deprecated
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")
SENDER = Sender("here", "https://radd.example")
CALLER = stream_info(id="s1", source="Wärme\r\nBcc: all@radd.example", call=Call("CA1", "inbound"))


def messages(count):
    return [SENDER.alert(alert(), CALLER, 1e9 + 60 * number) for number in range(count)]


def text_of(mail):
    parts = email.message_from_bytes(mail.content)
    plain = [part for part in parts.walk() if part.get_content_type() == "text/plain"]
    return parts, plain[0].get_payload(decode=True).decode()


def test_a_mail_says_what_was_heard_where_and_links_to_it(mailbox):
    (sent,) = messages(1)
    assert People(mailbox.url, 0.0).send([sent]) == "sent"
    (mail,) = mailbox.mails
    assert mail.rcpt_tos == ["ann@radd.example"]
    parts, text = text_of(mail)
    assert "synthetic voice with probability 97 %" in text and "call CA1, inbound" in text
    assert f"https://radd.example/#/review/{sent['alert']}" in text
    assert "An alert is a reason to look, not a proof." in text
    assert parts["Bcc"] is None and "radd.example" in parts["From"]


def test_many_alerts_are_one_mail_that_counts_them(mailbox):
    sent = messages(1_000)
    People(mailbox.url, 600.0).send(sent)
    _, text = text_of(mailbox.mails[0])
    assert len(mailbox.mails) == 1 and text.count("synthetic voice") == MOST_LINES
    assert f"and {1_000 - MOST_LINES} more" in text
    assert as_text(sent)[0] == "RADD: 1000 alerts on 1 streams in 999 min"


def test_people_are_told_of_alerts_once_and_not_of_answers(mailbox):
    people = People(mailbox.url, 0.0)
    wanted = {kind: people.wants({"type": f"alert.{kind}"}) for kind in ("open", "close")}
    assert wanted == {"open": True, "close": False}
    assert not people.wants({"type": "call.answer"}) and people.wants({"type": "test"})


def test_a_mail_server_that_does_not_answer_is_named_without_its_password(mailbox, capfd):
    url = f"mailto://ann:hidden@127.0.0.1:{free_port()}?to=ann@radd.example&from=radd@radd.example"
    with pytest.raises(NotifyError, match="did not take a message: .") as failure:
        People(url, 0.0).send([SENDER.sample(1e9)])
    assert "hidden" not in str(failure.value) + capfd.readouterr().err


def test_an_address_that_apprise_does_not_know_is_refused_without_being_shown(capfd):
    pytest.importorskip("apprise", reason="Apprise is not installed: pip install -e '.[notify]'")
    with pytest.raises(ConfigError, match=r"\(nosuch://...\) that Apprise") as failure:
        People("nosuch://hidden@host", 0.0)
    assert "hidden" not in str(failure.value) + capfd.readouterr().err
