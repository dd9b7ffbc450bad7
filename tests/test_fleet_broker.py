"""Gateways and detectors as processes on a real RabbitMQ."""

import os
import signal
import socket as socket_module
import time

import numpy as np
import pytest
from fixtures_detect import ROOT, of_type, read_event, wait_for
from fixtures_fleet import fleet_settings, free_port
from fixtures_notify import SECRET
from fixtures_patience import PATIENCE_S
from fixtures_storage import rows, until

from radd.errors import BrokerUnreachable, ConfigError
from radd.files import load_speech
from radd.types import AudioChunk
from storage.tables import alerts, call_states, streams

DEMO = ROOT / "assets/demo.flac"


@pytest.fixture
def fleet(command, fleet_url):
    """detect.py with a broker and names of its own."""
    url, prefix = fleet_url
    command.environ |= {
        "RADD_FLEET_URL": url,
        "RADD_FLEET_PREFIX": prefix,
        "RADD_FLEET_PARTITIONS": "1",
        "RADD_FLEET_SAVE_S": "0.3",
        "RADD_STORAGE_URL": f"sqlite:///{command.directory}/radd.db",
    }
    return command


def end(process) -> list[dict]:
    """End a detector as an operator does; all that it printed since."""
    process.send_signal(signal.SIGTERM)
    told = [read_event(line) for line in process.stdout]
    assert process.wait(PATIENCE_S) == 0, process.stderr.read()
    return told


def test_a_call_survives_a_kill_and_a_restart(fleet, suspicious_bundle):
    """The alert that is open when its detector is killed is closed by the last one, once."""
    url = fleet.environ["RADD_STORAGE_URL"]
    sound = (load_speech(DEMO) * 32_767).astype("<i2")

    def join(number: int):
        """One more detector, at the end of the line."""
        process = fleet.start("--consume", "--json", "--bundle", suspicious_bundle)
        until(lambda: in_line(fleet.environ) == number)
        return process

    def say(begin_s: int, end_s: int) -> None:
        gateway.stdin.write(sound[begin_s * 16_000 : end_s * 16_000].tobytes())
        gateway.stdin.flush()

    first = join(1)
    gateway = fleet.start("--publish", "--source", "-")
    say(0, 8)
    opened = wait_for(first, "alert", state="open")
    second = join(2)
    first.kill()
    say(8, 14)
    went_on = wait_for(second, "score")
    assert went_on["verdict"] == "spoof" and went_on["t"] <= 8.2
    third = join(2)
    assert of_type(end(second), "stopped")[0]["reason"] == "handed_over"
    say(14, 28)
    gateway.stdin.close()
    closed = wait_for(third, "alert", state="close")
    stopped = wait_for(third, "stopped")
    assert stopped["reason"] == "end" and stopped["totals"]["scores"] == 213
    assert gateway.wait(PATIENCE_S) == 0
    end(third)
    (row,), (stream,) = rows(url, alerts), rows(url, streams)
    assert row["id"] == opened["id"] == closed["id"] and row["state"] == "close"
    assert stream["state"] == "ended" and stream["scores"] == 213 and stream["gaps"] == 0


def test_a_takeover_notifies_with_the_same_key_and_answers_once(fleet, receiver, suspicious_bundle):
    """The first detector delivers nothing before it is killed; the second says it for it."""
    receiver.codes = [503]
    fleet.environ |= {
        "RADD_NOTIFY_WEBHOOK": receiver.url,
        "RADD_NOTIFY_WEBHOOK_SECRET": SECRET,
        "RADD_NOTIFY_TIMEOUT_S": "60",
        "RADD_NOTIFY_ANSWER_AFTER_S": "3600",
    }
    sound = (load_speech(DEMO) * 32_767).astype("<i2")
    arguments = ("--consume", "--json", "--bundle", suspicious_bundle)
    first = fleet.start(*arguments)
    until(lambda: in_line(fleet.environ) == 1)
    gateway = fleet.start("--publish", "--source", "-")
    gateway.stdin.write(sound[: 8 * 16_000].tobytes())
    gateway.stdin.flush()
    opened = wait_for(first, "alert", state="open")
    url = fleet.environ["RADD_STORAGE_URL"]
    until(lambda: any(row["sequence"] > 40 for row in rows(url, call_states)))
    second = fleet.start(*arguments)
    until(lambda: in_line(fleet.environ) == 2)
    first.kill()
    first.wait()
    said = len(receiver.messages)
    receiver.codes = [200]
    gateway.stdin.write(sound[8 * 16_000 : 12 * 16_000].tobytes())
    gateway.stdin.close()
    wait_for(second, "stopped")
    end(second)
    told = receiver.messages[said:]
    ids = [message["id"] for message in told]
    assert ids.count(f"{opened['id']}-open") == 1 and ids.count(f"{opened['id']}-close") == 1
    answers = [message for message in told if message["type"] == "call.answer"]
    assert [answer["verdict"] for answer in answers] == ["synthetic"]


def in_line(environ) -> int:
    """How many detectors there are."""
    import pika

    link = pika.BlockingConnection(pika.URLParameters(environ["RADD_FLEET_URL"]))
    try:
        queue = f"{environ['RADD_FLEET_PREFIX']}.detectors.1"
        return link.channel().queue_declare(queue, passive=True).method.consumer_count
    except pika.exceptions.ChannelClosedByBroker:
        return 0
    finally:
        link.close()


def test_a_call_of_a_listener_is_published_and_judged_as_that_call(fleet):
    from websockets.sync.client import connect

    port = free_port()
    detector = fleet.start("--consume", "--json")
    until(lambda: in_line(fleet.environ) == 1)
    gateway = fleet.start("--publish", "--listen", f"ws://127.0.0.1:{port}/call")
    until(lambda: is_open(port))
    sound = (load_speech(DEMO)[: 4 * 16_000] * 32_767).astype("<i2").tobytes()
    with connect(f"ws://127.0.0.1:{port}/call?format=s16le&rate=16000&call=CA7") as socket:
        for at in range(0, len(sound), 4_096):
            socket.send(sound[at : at + 4_096])
        socket.send('{"type": "close"}')
        started = wait_for(detector, "started")
        assert started["call"] == "CA7" and started["source"].startswith("ws CA7")
        assert wait_for(detector, "stopped")["totals"]["gaps"] == 0
    gateway.send_signal(signal.SIGTERM)
    assert gateway.wait(PATIENCE_S) == 0, gateway.stderr.read()
    end(detector)
    (stream,) = rows(fleet.environ["RADD_STORAGE_URL"], streams)
    assert (stream["call_id"], stream["state"]) == ("CA7", "ended")
    assert stream["length_samples"] == 4 * 16_000 // 2_048 * 2_048


def is_open(port: int) -> bool:
    """Whether somebody listens."""
    with socket_module.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_gateway_takes_no_call_that_nobody_hears(fleet):
    done = fleet.run("--publish", "--source", DEMO)
    assert done.returncode == 3
    assert "no detector consumes" in done.stderr and "--consume" in done.stderr


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("nats://127.0.0.1", 2, "expected amqp://"),
        ("amqp://127.0.0.1:1/%2F", 5, "127.0.0.1:1"),
        ("amqp://user:wrong@127.0.0.1:5672/%2F", 5, "broker 127.0.0.1:5672"),
    ],
)
def test_a_broker_that_cannot_be_used_is_named_without_its_password(fleet, url, code, said):
    done = fleet.run("--publish", url, "--source", DEMO)
    assert done.returncode == code and said in done.stderr
    assert "wrong" not in done.stderr and "Traceback" not in done.stderr


def test_a_detector_needs_the_database(fleet):
    done = fleet.run("--consume", "--no-store")
    assert done.returncode == 2 and "omit --no-store" in done.stderr


def test_nothing_of_the_broker_is_imported_without_a_fleet(command):
    command.environ["RADD_STORAGE_URL"] = f"sqlite:///{command.directory}/radd.db"
    imported = command.imported("--source", DEMO, "--duration", "1", "--json")
    assert "pika" not in imported


class Deaf:
    """A Publisher whose broker keeps nothing until it is told to."""

    problem = "no answer"

    def __init__(self):
        self.waiting = []

    def publish(self, partition, message, settled) -> None:
        self.waiting.append(settled)

    def consumers(self, partition) -> int:
        raise BrokerUnreachable(self.problem)

    def loads(self):
        return ()


def test_what_does_not_fit_the_gateways_buffer_is_a_gap_and_counted():
    from fixtures_fleet import track

    from fleet.gateway import Gateway, OutgoingTrack

    publisher, settings = Deaf(), fleet_settings(buffer_s=1.0)
    outgoing = OutgoingTrack(track(), publisher, settings)
    half = np.zeros(8_000, np.float32)
    for k in range(5):
        outgoing.offer(AudioChunk(half, 8_000 * k, arrived=time.monotonic()))
    assert len(publisher.waiting) == 1 and outgoing.lost_s == 2.0
    for settled in publisher.waiting:
        settled(True)
    outgoing.offer(AudioChunk(half, 40_000, arrived=time.monotonic()))
    assert len(publisher.waiting) == 2 and outgoing.lost_s == 2.0
    publisher.waiting[-1](False)
    assert outgoing.lost_s == 2.5
    gateway = Gateway(publisher, settings)
    assert "no answer" in gateway.refusal("call")
    publisher.problem = None
    assert "no answer" not in (gateway.refusal("call") or "")


def test_the_settings_of_a_fleet_are_checked():
    with pytest.raises(ConfigError, match="mulaw"):
        fleet_settings(samples="alaw")
    with pytest.raises(ConfigError, match="prefix"):
        fleet_settings(prefix="")
    with pytest.raises(ConfigError, match="RADD_FLEET_URL"):
        fleet_settings().address("")
    assert str(os.getpid()) in fleet_settings().process
