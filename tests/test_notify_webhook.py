"""Webhooks: what a receiver gets, and what each of its answers means."""

import json

import pytest
import standardwebhooks
from fixtures_notify import SECRET, free_port
from standardwebhooks.webhooks import Webhook as Verifier

from notify.webhook import Webhook
from radd.errors import MessageRefused, NotifyError

MESSAGE = {"type": "test", "id": "id-1", "text": "à é"}
NOW = 1_700_000_000.5


def sent(receiver, secret=SECRET, **options):
    return Webhook(receiver.url, secret, 5.0, **options).send([MESSAGE])


@pytest.mark.parametrize("secret", [SECRET, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_a_receiver_can_verify_signature_time_and_key_of_a_message(receiver, secret):
    assert sent(receiver, secret).startswith("204 No Content in ")
    headers, body = receiver.requests[0]
    verifier = Verifier(secret if secret.startswith("whsec_") else secret.encode())
    assert verifier.verify(body, headers)
    assert json.loads(body) == MESSAGE
    assert headers["idempotency-key"] == headers["webhook-id"] == "id-1"
    with pytest.raises(standardwebhooks.webhooks.WebhookVerificationError):
        verifier.verify(body + b" ", headers)


def test_the_signature_is_made_anew_for_each_attempt(receiver):
    sent(receiver, clock=lambda: NOW)
    sent(receiver, clock=lambda: NOW + 60)
    first, second = (headers["webhook-signature"] for headers, _ in receiver.requests)
    assert first != second
    assert [headers["webhook-timestamp"] for headers, _ in receiver.requests] == [
        "1700000000",
        "1700000060",
    ]


@pytest.mark.parametrize("code", [400, 413, 422])
def test_a_message_that_the_receiver_rejects_is_refused_for_good(receiver, code):
    receiver.codes = [code]
    with pytest.raises(MessageRefused, match=f"answered {code} "):
        sent(receiver)


@pytest.mark.parametrize("code", [301, 302, 307, 401, 403, 404, 408, 410, 429, 500, 503])
def test_every_other_answer_is_a_failure_that_may_pass_and_no_redirect_is_followed(receiver, code):
    receiver.codes, receiver.headers = [code], {"Location": "/elsewhere"}
    with pytest.raises(NotifyError, match=f"answered {code} ") as failure:
        sent(receiver)
    assert not isinstance(failure.value, MessageRefused)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "said, wait_s",
    [
        ("120", 120.0),
        ("999999", 3_600.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 59.5),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
        ("soon", 0.0),
    ],
)
def test_the_receiver_may_ask_for_a_pause(receiver, said, wait_s):
    receiver.codes, receiver.headers = [503], {"Retry-After": said}
    with pytest.raises(NotifyError) as failure:
        sent(receiver, clock=lambda: NOW)
    assert failure.value.retry_after_s == pytest.approx(wait_s)


def test_an_error_names_the_host_and_no_secret_of_the_address():
    hook = Webhook(f"http://user:word@127.0.0.1:{free_port()}/path?token=hidden", SECRET, 5.0)
    with pytest.raises(NotifyError, match="does not answer: .*refused") as failure:
        hook.send([MESSAGE])
    assert not {"hidden", "word", "path"} & set(str(failure.value).replace("/", " ").split())
    assert "hidden" not in hook.name + hook.key


def test_an_answer_that_is_no_http_is_a_failure(tmp_path):
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"no http at all\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        hook = Webhook(f"http://127.0.0.1:{server.getsockname()[1]}", SECRET, 5.0)
        with pytest.raises(NotifyError, match="does not answer"):
            hook.send([MESSAGE])
        thread.join()


def test_user_and_password_of_the_address_are_sent_as_basic_authentication(receiver):
    address = receiver.url.replace("://", "://ann:p%40ss@")
    Webhook(address, SECRET, 5.0).send([MESSAGE])
    assert receiver.requests[0][0]["authorization"] == "Basic YW5uOnBAc3M="
