"""RabbitMQ as the broker: quorum queues with a single active consumer, through pika.

Each side has one connection in a thread of its own, which is opened again whenever it is lost.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from dataclasses import asdict
from typing import Any

from fleet.broker import Delivered, Load, Revoked
from fleet.settings import FleetSettings
from radd.errors import BrokerUnreachable, ConfigError

try:
    import pika
except ImportError:
    raise ConfigError(
        "--publish and --consume need the package pika; pip install -e '.[fleet]'"
    ) from None

CONNECT_S = 10.0
RETRY_S = 0.5
ANSWER_S = 5.0
HEARTBEAT_S = 5  # a machine that vanished is noticed after two of them
PREFETCH = 20_000  # messages of a partition in one detector, bounds its memory to some 80 MB
DELIVERIES = 100  # more often than that, a message counts as poison
DEAD_MB = 64
ROLL_MS = 3_600_000  # after which the roll of detectors is deleted, if there are none
LOAD_S = 5.0  # an announcement counts for so long

log = logging.getLogger(__name__)
logging.getLogger("pika").setLevel(logging.CRITICAL)  # what matters is said here


class _Link:
    """A connection in a thread, with one channel for declarations."""

    def __init__(self, url: str, settings: FleetSettings):
        self.settings = settings
        self.problem: str | None = "not connected yet"
        self._parameters = _parameters(url, settings)
        self._connection: Any = None
        self._channel: Any = None
        self._ready, self._ending = threading.Event(), threading.Event()
        self._tried = threading.Event()
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def __enter__(self):
        self._thread.start()
        self._tried.wait(CONNECT_S)
        if not self._ready.is_set():
            self.__exit__()
            raise BrokerUnreachable(f"{self._where}: {self.problem}")
        return self

    def __exit__(self, *exc) -> None:
        self._ending.set()
        self._soon(lambda: self._connection.close())
        self._thread.join(ANSWER_S)

    @property
    def _where(self) -> str:
        return f"broker {self._parameters.host}:{self._parameters.port}"

    def _run(self) -> None:
        while not self._ending.is_set():
            self._connection = pika.SelectConnection(
                self._parameters,
                on_open_callback=lambda it: it.channel(on_open_callback=self._opened),
                on_open_error_callback=self._closed,
                on_close_callback=self._closed,
            )
            try:
                self._connection.ioloop.start()
            except pika.exceptions.AMQPError as error:
                self._say(repr(error))
            self._lost()
            self._ending.wait(RETRY_S)

    def _closed(self, connection, reason) -> None:
        self._say(_told(reason))
        connection.ioloop.stop()

    def _say(self, problem: str) -> None:
        if self._ready.is_set() and self.problem is None and not self._ending.is_set():
            log.warning("%s: %s; trying again", self._where, problem)
        self.problem = problem
        self._tried.set()

    def _soon(self, do: Callable[[], None]) -> bool:
        """Run `do` in the connection's thread, if there is a connection."""
        connection = self._connection
        if connection is None or not connection.is_open:
            return False

        def run() -> None:
            if connection.is_open:
                do()

        connection.ioloop.add_callback_threadsafe(run)
        return True

    def _opened(self, channel) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._channel_closed)
        prefix = self.settings.prefix
        channel.exchange_declare(f"{prefix}.load", "fanout")
        dead = {"x-queue-type": "quorum", "x-max-length-bytes": DEAD_MB * 1_000_000}
        channel.queue_declare(f"{prefix}.dead", durable=True, arguments=dead)
        for partition in range(self.settings.partitions):
            channel.queue_declare(
                self.settings.queue(partition),
                durable=True,
                arguments=_bounds(self.settings),
                callback=self._declared if partition == self.settings.partitions - 1 else None,
            )

    def _channel_closed(self, channel, reason) -> None:
        if self._connection.is_open:  # something that was to be declared exists with other limits
            self._say(_told(reason))
            self._connection.close()

    def _declared(self, frame) -> None:
        if self._ready.is_set():
            log.warning("%s: connected again", self._where)
        self.problem = None
        self._prepare(self._channel)
        self._ready.set()
        self._tried.set()

    def _prepare(self, channel) -> None:
        """The queues exist."""
        raise NotImplementedError

    def _lost(self) -> None:
        """The connection is gone."""
        raise NotImplementedError

    def _count(self, queue: str, answer: Callable[[int], None]) -> bool:
        def ask() -> None:
            self._channel.queue_declare(
                queue, passive=True, callback=lambda frame: answer(frame.method.consumer_count)
            )

        return self._soon(ask)


class RabbitPublisher(_Link):
    """A Publisher: messages are confirmed by the majority of the queue's nodes."""

    def __init__(self, url: str, settings: FleetSettings):
        super().__init__(url, settings)
        self._waiting: deque[tuple[int, bytes, Callable[[bool], None]]] = deque()
        self._sent: OrderedDict[int, tuple[int, bytes, Callable[[bool], None]]] = OrderedDict()
        self._tag = 0
        self._confirms = False
        self._loads: dict[str, tuple[float, Load]] = {}

    def publish(self, partition: int, message: bytes, settled: Callable[[bool], None]) -> None:
        self._waiting.append((partition, message, settled))
        self._soon(self._send)

    def consumers(self, partition: int) -> int:
        answer: Future[int] = Future()
        if self._count(self.settings.queue(partition), answer.set_result):
            try:
                return answer.result(ANSWER_S)
            except NoAnswer:
                pass
        raise BrokerUnreachable(f"{self._where}: {self.problem or 'no answer'}")

    def loads(self) -> Sequence[Load]:
        fresh = time.monotonic() - LOAD_S
        return [load for heard, load in list(self._loads.values()) if heard > fresh]

    def _prepare(self, channel) -> None:
        self._tag = 0
        channel.confirm_delivery(self._settled)
        self._confirms = True

        def subscribe(frame) -> None:
            channel.queue_bind(frame.method.queue, f"{self.settings.prefix}.load")
            channel.basic_consume(frame.method.queue, self._announced, auto_ack=True)

        channel.queue_declare("", exclusive=True, callback=subscribe)
        self._send()

    def _send(self) -> None:
        properties = pika.BasicProperties(delivery_mode=2)
        while self._confirms and self._waiting and self._channel.is_open:
            item = self._waiting.popleft()
            self._tag += 1
            self._sent[self._tag] = item
            self._channel.basic_publish("", self.settings.queue(item[0]), item[1], properties)

    def _settled(self, frame) -> None:
        kept = isinstance(frame.method, pika.spec.Basic.Ack)
        last = frame.method.delivery_tag
        tags = [tag for tag in self._sent if tag <= last] if frame.method.multiple else [last]
        for tag in tags:
            self._sent.pop(tag)[2](kept)

    def _announced(self, channel, method, properties, body: bytes) -> None:
        said = json.loads(body)
        load = Load(**said | {"partitions": tuple(said["partitions"])})
        self._loads[load.detector] = (time.monotonic(), load)

    def _lost(self) -> None:
        self._confirms = False
        self._waiting.extendleft(reversed(self._sent.values()))
        self._sent.clear()


class RabbitConsumer(_Link):
    """A Consumer: a channel for each partition, because closing it gives the partition up."""

    def __init__(self, url: str, settings: FleetSettings):
        super().__init__(url, settings)
        self._inbox: deque[Delivered | Revoked] = deque()
        self._arrived = threading.Condition()
        self._seats: dict[int, Any] = {}
        self._epochs = [0] * settings.partitions
        self._settled: deque[tuple[Delivered, bool]] = deque()
        self.members = (1, 0)

    def take(self, timeout_s: float) -> list[Delivered | Revoked]:
        with self._arrived:
            self._arrived.wait_for(lambda: self._inbox, timeout_s)
            taken = list(self._inbox)
            self._inbox.clear()
        return taken

    def acknowledge(self, delivered: Delivered) -> None:
        self._settle(delivered, True)

    def reject(self, delivered: Delivered) -> None:
        self._settle(delivered, False)

    def give_up(self, partition: int) -> None:
        self._soon(lambda: self._leave(partition))

    def announce(self, load: Load) -> None:
        body = json.dumps(asdict(load)).encode()
        exchange = f"{self.settings.prefix}.load"
        self._soon(lambda: self._channel.basic_publish(exchange, "", body))

    def count(self) -> None:
        def counted(consumers: int) -> None:
            self.members = (max(1, consumers), self.members[1] + 1)

        self._count(self._roll, counted)

    @property
    def _roll(self) -> str:
        """A queue for no messages: all detectors consume it, and so the broker counts them."""
        return f"{self.settings.prefix}.detectors.{self.settings.partitions}"

    def _prepare(self, channel) -> None:
        channel.queue_declare(self._roll, durable=True, arguments={"x-expires": ROLL_MS})
        channel.basic_consume(self._roll, lambda *_: None)
        for partition in range(self.settings.partitions):
            self._sit(partition)

    def _sit(self, partition: int) -> None:
        """Get in the partition's line."""
        if not self._connection.is_open or self._ending.is_set():
            return
        self._epochs[partition] += 1
        epoch = self._epochs[partition]

        def receive(channel, method, properties, body: bytes) -> None:
            again = method.redelivered
            self._put(Delivered(partition, epoch, method.delivery_tag, again, body))

        def opened(channel) -> None:
            self._seats[partition] = channel
            channel.add_on_close_callback(lambda *_: self._left(partition))
            channel.add_on_cancel_callback(lambda _: channel.close())
            channel.basic_qos(prefetch_count=PREFETCH)
            channel.basic_consume(self.settings.queue(partition), receive)

        self._connection.channel(on_open_callback=opened)

    def _leave(self, partition: int) -> None:
        channel = self._seats.get(partition)
        if channel is not None and channel.is_open:
            channel.close()

    def _left(self, partition: int) -> None:
        self._seats.pop(partition, None)
        self._put(Revoked(partition))
        if self._connection.is_open:
            self._connection.ioloop.call_later(0.05, lambda: self._sit(partition))

    def _put(self, item: Delivered | Revoked) -> None:
        with self._arrived:
            self._inbox.append(item)
            self._arrived.notify()

    def _settle(self, delivered: Delivered, good: bool) -> None:
        is_first = not self._settled
        self._settled.append((delivered, good))
        if is_first:
            self._soon(self._flush)

    def _flush(self) -> None:
        while self._settled:
            delivered, good = self._settled.popleft()
            channel = self._seats.get(delivered.partition)
            if channel is None or self._epochs[delivered.partition] != delivered.epoch:
                continue  # the broker has taken it back
            if good:
                channel.basic_ack(delivered.tag)
            else:
                channel.basic_reject(delivered.tag, requeue=False)

    def _lost(self) -> None:
        self._settled.clear()
        self._seats.clear()
        for partition in range(self.settings.partitions):
            self._put(Revoked(partition))


def _parameters(url: str, settings: FleetSettings) -> Any:
    if not url.startswith(("amqp://", "amqps://")):
        scheme = url.partition("://")[0][:20]
        raise ConfigError(f"a broker with the scheme {scheme!r}; expected amqp:// or amqps://")
    try:
        parameters = pika.URLParameters(url)
    except (ValueError, TypeError, LookupError):  # their messages may hold the password
        raise ConfigError(
            "the broker's address is not valid; expected amqp://USER:PASSWORD@HOST:PORT/VHOST"
        ) from None
    if parameters.heartbeat is None:
        parameters.heartbeat = HEARTBEAT_S
    parameters.client_properties = {"connection_name": settings.process}
    return parameters


def _bounds(settings: FleetSettings) -> dict[str, Any]:
    return {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-overflow": "reject-publish",
        "x-max-length-bytes": settings.queue_mb * 1_000_000,
        "x-delivery-limit": DELIVERIES,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": f"{settings.prefix}.dead",
        "x-dead-letter-strategy": "at-least-once",
    }


def _told(reason) -> str:
    """What pika says, in one line and without the password."""
    text = getattr(reason, "reply_text", "") or str(reason) or type(reason).__name__
    return text.splitlines()[0][:300]
