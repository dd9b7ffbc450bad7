"""Receivers of notifications that tests start: an HTTP server, a mail server and an MQTT broker."""

import json
import shutil
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from fixtures_patience import PATIENCE_S
from fixtures_storage import until

from notify.settings import NotifySettings

SECRET = "a secret of more than 24 characters"
SAID = "Hello, this is your bank. Please confirm the transfer that I have told you about."
QUIET = {
    "webhook": "",
    "webhook_secret": SECRET,
    "urls": "",
    "mqtt": "",
    "mqtt_prefix": "radd",
    "mqtt_discovery": "homeassistant",
    "name": "here",
    "console": "https://radd.example",
    "answer_after_s": 0.0,
    "group_s": 0.0,
    "timeout_s": 5.0,
    "give_up_h": 72.0,
    "spool_quota_mb": 10,
}


def notify_settings(**changes):
    return NotifySettings(**QUIET | changes)


class Receiver:
    """Takes webhooks on a port of its own; `codes` are its next answers, then 204."""

    def __init__(self):
        self.requests, self.codes, self.headers = [], [], {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                body = self.rfile.read(int(self.headers["content-length"]))
                named = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append((named, body))
                self.send_response(receiver.codes.pop(0) if receiver.codes else 204)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            do_GET = do_POST  # noqa: N815

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?token=hidden"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def messages(self):
        return [json.loads(body) for _, body in self.requests]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


class Mailbox:
    """A mail server on a port of its own, which keeps what it is sent."""

    def __init__(self):
        from aiosmtpd.controller import Controller

        self.mails = []
        self.controller = Controller(self, hostname="127.0.0.1", port=free_port())
        self.controller.start()
        port = self.controller.port
        self.url = f"mailto://127.0.0.1:{port}?from=radd@radd.example&to=ann@radd.example"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.mails.append(envelope)
        return "250 taken"


@pytest.fixture
def mailbox():
    pytest.importorskip("apprise", reason="Apprise is not installed: pip install -e '.[notify]'")
    pytest.importorskip("aiosmtpd", reason="aiosmtpd is not installed: pip install -e '.[dev]'")
    made = Mailbox()
    yield made
    made.controller.stop()


class Mosquitto:
    """The real broker on a port of its own; stop() and start() as often as wanted."""

    def __init__(self, directory):
        self.program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        self.port = free_port()
        self.config = directory / "mosquitto.conf"
        self.config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        quiet = subprocess.DEVNULL
        command = [self.program, "-c", str(self.config)]
        self.process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
        until(self.answers)

    def stop(self):
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Subscriber:
    """A client of the broker that keeps the latest value of each topic, and all messages."""

    def __init__(self, port):
        from paho.mqtt.client import CallbackAPIVersion, Client

        self.latest, self.messages = {}, []
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.on_message = self.keep
        self.client.on_connect = lambda *_: self.client.subscribe("#", 1)
        self.subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.subscribed.wait(PATIENCE_S)

    def keep(self, client, data, message):
        self.latest[message.topic] = message.payload.decode()
        self.messages.append((message.topic, message.payload.decode()))

    def events(self):
        return [json.loads(text) for topic, text in self.messages if topic.endswith("/events")]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def mosquitto(tmp_path):
    pytest.importorskip("paho", reason="paho-mqtt is not installed: pip install -e '.[notify]'")
    made = Mosquitto(tmp_path)
    if made.program is None:
        pytest.skip("Mosquitto is not installed")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def subscriber(mosquitto):
    made = Subscriber(mosquitto.port)
    yield made
    made.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory):
    """A synthetic voice, made here."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("there is no synthetic voice: apt install espeak-ng")
    file = tmp_path_factory.mktemp("voice") / "bank.wav"
    subprocess.run(["espeak-ng", "-v", "en-us", "-w", str(file), SAID], check=True)
    return file
