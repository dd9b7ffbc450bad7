"""A fleet: a small broker in memory that keeps the promises of fleet/broker.py, a real RabbitMQ,
and the messages of a call.
"""

import itertools
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest
from fixtures_detector import CONFIG, BrightnessDetector, monitor
from fixtures_patience import PATIENCE_S
from fixtures_storage import stream_info

from fleet.broker import Delivered, Revoked
from fleet.call_chunks import CallChunk, Track, encode
from fleet.detecting import FleetDetector
from fleet.judging import Judging
from fleet.settings import FleetSettings
from fleet.state_store import StateStore
from radd.bundle_info import UNSEALED
from radd.hot_swap import HotSwapDetector
from storage.commands import GivenCommands
from storage.fleet_journal import FleetJournal
from stream.command_poll import CommandPoll
from stream.engine import EngineSettings
from stream.hot_reload import NoReload

LOCAL = "amqp://guest:guest@127.0.0.1:5672/%2F"
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


class Bundled(BrightnessDetector):
    """The small detector with what a bundle's detector says of itself."""

    window_hops, period_hops = 32, 1
    bundle, usual_distance = UNSEALED, None


class MemoryBroker:
    """Ordered queues, each with a line of consumers of which the first is active. What a dead
    consumer leaves unacknowledged returns to its place; what one gives up comes later, after
    bring_back(): RabbitMQ delivers newer messages before it.
    """

    def __init__(self, partitions: int):
        self.queues = [deque() for _ in range(partitions)]
        self.lines = [[] for _ in range(partitions)]
        self.numbers = itertools.count()
        self.dead, self.loads = [], []
        self.given_up, self.is_slow = [], False

    def bring_back(self) -> None:
        """Deliver what detectors have given up, after what is there."""
        for partition, message in self.given_up:
            self.queues[partition].append(message)
        self.given_up.clear()

    def publish(self, partition: int, body: bytes) -> None:
        self.queues[partition].append((next(self.numbers), False, body))


class MemoryConsumer:
    """One detector's side of a MemoryBroker."""

    problem = None

    def __init__(self, broker: MemoryBroker):
        self.broker, self.unacknowledged, self.events = broker, {}, []
        self.members = (1, 0)
        for line in broker.lines:
            line.append(self)

    def take(self, timeout_s: float):
        taken, self.events = self.events, []
        for partition, line in enumerate(self.broker.lines):
            queue = self.broker.queues[partition]
            while line and line[0] is self and queue:
                number, again, body = queue.popleft()
                self.unacknowledged[number] = (partition, body)
                taken.append(Delivered(partition, 0, number, again, body))
        return taken

    def acknowledge(self, delivered: Delivered) -> None:
        self.unacknowledged.pop(delivered.tag, None)

    def reject(self, delivered: Delivered) -> None:
        self.broker.dead.append(self.unacknowledged.pop(delivered.tag)[1])

    def give_up(self, partition: int) -> None:
        newer = list(self.broker.queues[partition])
        self.broker.queues[partition].clear()
        self._return({partition})
        self.broker.given_up += [(partition, one) for one in self.broker.queues[partition]]
        self.broker.queues[partition] = deque(newer)
        self.broker.lines[partition].remove(self)
        self.broker.lines[partition].append(self)
        self.events.append(Revoked(partition))

    def announce(self, load) -> None:
        self.broker.loads.append(load)

    def count(self) -> None:
        self.members = (len(self.broker.lines[0]), self.members[1] + 1)

    def die(self) -> None:
        """As with kill -9."""
        self._return(set(range(len(self.broker.queues))))
        for line in self.broker.lines:
            line.remove(self)

    def _return(self, partitions: set[int]) -> None:
        for number, (partition, body) in sorted(self.unacknowledged.items(), reverse=True):
            if partition in partitions:
                self.broker.queues[partition].appendleft((number, True, body))
                del self.unacknowledged[number]


class Heard:
    """A display that keeps events, each with its stream."""

    closed = False

    def __init__(self):
        self.events = []

    def write(self, event, stream=None) -> None:
        self.events.append((stream, event))


def fleet_settings(**changes) -> FleetSettings:
    return FleetSettings(**CONFIG["fleet"] | {"partitions": 1, "save_s": 0.1} | changes)


class Detecting:
    """A detector of a fleet in this process; die() leaves everything as a kill would."""

    def __init__(self, broker: MemoryBroker, storage, number: int, **changes):
        self.commands = CommandPoll(GivenCommands(storage.url), 0.02)
        settings = fleet_settings(name=f"detector-{number}", **changes)
        spool = storage.spool_directory.with_name(f"spool-{number}-{uuid.uuid4().hex}")
        self.consumer, self.display = MemoryConsumer(broker), Heard()
        self.store = StateStore(storage.url)
        own = replace(storage, spool=str(spool))
        self.journal = FleetJournal(own, settings.name, self.store.noted).__enter__()
        detector = HotSwapDetector(Bundled())
        judging = Judging(
            detector,
            lambda id: monitor(detector, id),
            lambda id: [],
            lambda track: stream_info(id=track.id, source=track.source, host=settings.name),
            EngineSettings(8, 0),
            NoReload(),
        )
        self.detector = FleetDetector(
            judging,
            self.consumer,
            self.store,
            self.journal,
            self.display,
            settings,
            self.commands.__enter__(),
        )

    def until(self, condition) -> None:
        """Step until something has happened."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"waited {PATIENCE_S} s in vain"
            self.detector.step()

    def close(self) -> None:
        self.detector.hand_over()
        self.consumer.die()
        if not self.consumer.broker.is_slow:
            self.consumer.broker.bring_back()
        self.end()

    def end(self) -> None:
        self.commands.__exit__()
        self.journal.__exit__(None)
        self.store.__exit__()


def track(call: str = "call-1", **changes) -> Track:
    return replace(Track(call, "inbound", 1_790_000_000.0, "a call", 8_000, 0), **changes)


def messages(of: Track, chunks, ended: bool = True) -> list[bytes]:
    """The messages of a track."""
    sent = [
        encode(CallChunk(of, k, chunk, of.opened + chunk.end / 16_000), "s16le")
        for k, chunk in enumerate(chunks)
    ]
    if ended:
        last = replace(chunks[-1], samples=chunks[-1].samples[:0], start=chunks[-1].end)
        sent.append(encode(CallChunk(of, len(sent), last, of.opened, ended=True), "s16le"))
    return sent


@pytest.fixture(scope="session")
def rabbitmq_url(tmp_path_factory):
    """A RabbitMQ that runs on this machine, or one of the tests' own."""
    pika = pytest.importorskip("pika", reason="pika, see the extra fleet, is not installed")
    try:
        pika.BlockingConnection(pika.URLParameters(LOCAL)).close()
        yield LOCAL
        return
    except pika.exceptions.AMQPError:
        pass
    if not SERVER.exists():
        pytest.skip("RabbitMQ is not installed")
    yield from _own_rabbitmq(pika, tmp_path_factory.mktemp("rabbitmq"))


def _own_rabbitmq(pika, directory: Path):
    port, distribution, names = (free_port() for _ in range(3))
    environ = os.environ | {
        "HOME": str(directory),
        "RABBITMQ_NODENAME": f"radd-{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "ERL_EPMD_PORT": str(names),
        "RABBITMQ_MNESIA_BASE": str(directory / "data"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
        "RABBITMQ_PID_FILE": str(directory / "pid"),
    }
    silent = subprocess.DEVNULL
    process = subprocess.Popen([SERVER], env=environ, stdout=silent, stderr=silent)
    url = f"amqp://guest:guest@127.0.0.1:{port}/%2F"
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            pika.BlockingConnection(pika.URLParameters(url)).close()
            break
        except pika.exceptions.AMQPError:
            time.sleep(0.2)
    else:
        pytest.skip("RabbitMQ did not start")
    yield url
    process.terminate()
    process.wait(PATIENCE_S)
    if epmd := shutil.which("epmd"):
        subprocess.run([epmd, "-port", str(names), "-kill"], capture_output=True, check=False)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def fleet_url(rabbitmq_url):
    """The broker, and a prefix of this test alone; what has it is gone after the test."""
    import pika

    prefix = f"radd-test-{uuid.uuid4().hex}"
    yield rabbitmq_url, prefix
    channel = pika.BlockingConnection(pika.URLParameters(rabbitmq_url)).channel()
    for name in ("calls.0of1", "dead", "detectors.1"):
        channel.queue_delete(f"{prefix}.{name}")
    channel.exchange_delete(f"{prefix}.load")
    channel.connection.close()
