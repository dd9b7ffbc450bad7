"""detect.py from a synthetic voice to its receivers: row, clip, webhook, mail, MQTT, each once."""

import subprocess
import sys
import urllib.request

import pytest
from fixtures_detect import of_type, read_event, wait_for
from fixtures_house import ROOT
from fixtures_notify import SECRET, free_port
from fixtures_patience import PATIENCE_S
from fixtures_storage import rows, until
from standardwebhooks.webhooks import Webhook as Verifier

from storage.tables import alerts, clips


def notify(command, **values):
    secret = {"RADD_NOTIFY_WEBHOOK_SECRET": SECRET, "RADD_NOTIFY_TIMEOUT_S": "60"}
    command.environ |= secret | {f"RADD_NOTIFY_{k.upper()}": v for k, v in values.items()}


def kept(command, table):
    return rows(f"sqlite:///{command.directory}/radd.db", table)


def test_a_synthetic_voice_is_stored_and_notified_once_everywhere(
    command, receiver, mailbox, mosquitto, subscriber, synthetic, suspicious_bundle
):
    notify(
        command,
        webhook=receiver.url,
        urls=mailbox.url,
        mqtt=mosquitto.url,
        name="here",
        console="https://radd.example",
        answer_after_s="3600",
    )
    events = command.events("--source", synthetic, "--bundle", suspicious_bundle)
    opened, closed = of_type(events, "alert")
    (row,) = kept(command, alerts)
    (clip,) = kept(command, clips)
    assert row["id"] == opened["id"] == closed["id"] and clip["sha256"] == row["clip_sha256"]
    found = sorted((message["type"], message["verdict"]) for message in receiver.messages)
    assert found == [
        ("alert.close", "synthetic"),
        ("alert.open", "synthetic"),
        ("call.answer", "synthetic"),
    ]
    for headers, body in receiver.requests:
        assert Verifier(SECRET.encode()).verify(body, headers)
    told = {message["type"]: message for message in receiver.messages}
    assert told["alert.open"]["alert"] == opened["id"]
    assert told["alert.open"]["began_s"] == opened["began"]
    assert told["alert.open"]["source"] == str(synthetic)
    assert told["alert.open"]["links"]["clip"].endswith(f"/v1/clips/{opened['id']}/sound")
    assert len(mailbox.mails) == 1
    until(lambda: len(subscriber.events()) == 3)
    assert subscriber.latest["radd/here/status"] == "offline"
    topics = [topic for topic, value in subscriber.messages if value == "ON"]
    assert len(topics) == 1 and subscriber.latest[topics[0]] == "OFF"


def test_a_killed_daemon_notifies_at_its_next_start(
    command, receiver, synthetic, suspicious_bundle
):
    receiver.codes = [503]
    notify(command, webhook=receiver.url)
    arguments = ("--source", synthetic, "--bundle", suspicious_bundle, "--realtime", "--json")
    daemon = command.start(*arguments)
    opened = wait_for(daemon, "alert", state="open")
    until(lambda: receiver.requests)
    daemon.kill()
    daemon.wait()
    attempts = len(receiver.requests)
    command.events("--source", synthetic, "--bundle", suspicious_bundle, "--duration", "0.5")
    ours = [message for message in receiver.messages if message.get("alert") == opened["id"]]
    assert [message["type"] for message in ours[attempts:]] == ["alert.open", "alert.interrupted"]
    assert ours[0]["id"] == ours[attempts]["id"]


def test_a_run_is_scraped_while_it_goes_on(command, synthetic, suspicious_bundle):
    pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")
    port = free_port()
    command.environ["RADD_METRICS_LISTEN"] = f"127.0.0.1:{port}"
    arguments = ("--source", synthetic, "--bundle", suspicious_bundle, "--realtime", "--json")
    daemon = command.start("--no-store", *arguments)
    wait_for(daemon, "alert", state="open")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
        text = answer.read().decode()
    assert "radd_detect_streams 1.0" in text
    assert 'radd_detect_alerts_total{state="open"} 1.0' in text
    assert [read_event(line) for line in daemon.stdout][-1]["type"] == "stopped"
    assert daemon.wait(PATIENCE_S) == 0


def test_nothing_of_notifications_is_imported_unless_configured():
    told = "import sys, app.commands.detect, app.notify; print(*sys.modules)"
    run = [sys.executable, "-c", told]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"apprise", "paho", "prometheus_client", "pipecat"} & set(done.stdout.split())


def test_a_test_message_reaches_each_destination_and_says_what_came_back(
    command, receiver, mailbox, mosquitto, subscriber
):
    notify(command, webhook=receiver.url, urls=mailbox.url, mqtt=mosquitto.url)
    done = command.run("--test-notify")
    assert done.returncode == 0, done.stderr
    hook, mail, broker = done.stdout.splitlines()
    assert hook.startswith("webhook http://127.0.0.1:") and ": 204 No Content in " in hook
    assert mail.startswith("apprise mailto") and mail.endswith(": sent")
    assert broker == f"mqtt {mosquitto.url}: acknowledged"
    assert "hidden" not in done.stdout + done.stderr
    assert [message["type"] for message in receiver.messages] == ["test"]
    assert len(mailbox.mails) == 1
    until(lambda: [event["type"] for event in subscriber.events()] == ["test"])
    assert len(subscriber.latest) == 1, "a test changes no state"


def test_a_test_message_that_does_not_arrive_is_exit_code_6(call, receiver):
    receiver.codes = [500]
    call.setenv("RADD_NOTIFY_WEBHOOK", receiver.url)
    call.setenv("RADD_NOTIFY_WEBHOOK_SECRET", SECRET)
    done = call.run("--test-notify")
    assert done.returncode == 6
    assert "answered 500 Internal Server Error, expected 2xx" in done.stdout
    assert done.stderr == "error: 1 destinations did not take the test message, see above\n"


@pytest.mark.parametrize(
    "section, key, value, said",
    [
        ("NOTIFY", "WEBHOOK", "https://radd.example", "webhook_secret has 0 characters"),
        ("NOTIFY", "WEBHOOK", "radd.example/hook", "webhook holds an address that is not https"),
        ("NOTIFY", "MQTT", "http://radd.example", "mqtt holds an address that is not mqtts"),
        ("NOTIFY", "MQTT", "mqtt://radd.example:x", "mqtt holds an address"),
        ("NOTIFY", "CONSOLE", "radd.example", "console holds an address that is not https"),
        ("NOTIFY", "MQTT_PREFIX", "radd/#", "a topic holds no"),
        ("NOTIFY", "ANSWER_AFTER_S", "-1", "expected a value from 0.0 to 3600.0"),
        ("METRICS", "LISTEN", "9464", "expected HOST:PORT, such as 127.0.0.1:9464"),
        ("METRICS", "LISTEN", ":9464", "expected HOST:PORT, such as 127.0.0.1:9464"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_expected(call, section, key, value, said):
    call.setenv(f"RADD_{section}_{key}", value)
    done = call.run("--test-notify")
    assert done.returncode == 2 and said in done.stderr and f"RADD_{section}_{key}" in done.stderr


def test_no_destination_is_an_error_of_the_test_and_of_nothing_else(call):
    done = call.run("--test-notify")
    assert done.returncode == 2 and "names no destination: set webhook, urls or mqtt" in done.stderr


def test_notifications_need_the_spool(call):
    call.setenv("RADD_NOTIFY_MQTT", "mqtt://radd.example")
    done = call.run("--source", "nothing.wav", "--no-store")
    assert done.returncode == 2 and "--no-store keeps no spool" in done.stderr
