"""Two brokers under the load of calls: RabbitMQ's quorum queues beside NATS JetStream, on loopback.

    python bench/broker.py [--calls 100] [--seconds 10]

Each simulated call publishes 4,096 bytes every 128 ms, durably and with confirmation; one consumer
acknowledges each chunk. Printed for each broker: latency from publication to delivery, CPU seconds
of the broker and of the client for 1,000 chunks, the time until a second consumer has the chunks of
one that was killed, and what a consumer that acknowledges nothing leaves to the publisher. Needs
the packages pika and nats-py and both servers at their usual ports.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import struct
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

CHUNK_BYTES, CHUNK_S = 4_096, 0.128
RABBIT = "amqp://guest:guest@127.0.0.1:5672/%2F?heartbeat=5"
NATS = "nats://127.0.0.1:4222"
QUEUE, STREAM, SUBJECT = "radd.bench.broker", "RADD_BENCH", "radd.bench.0"
BOUND_BYTES = 4_000_000
QUORUM = {
    "x-queue-type": "quorum",
    "x-single-active-consumer": True,
    "x-overflow": "reject-publish",
    "x-max-length-bytes": BOUND_BYTES,
}
TICKS = os.sysconf("SC_CLK_TCK")


def chunk() -> bytes:
    return struct.pack("d", time.time()) + bytes(CHUNK_BYTES - 8)


def age_ms(body: bytes) -> float:
    return 1000 * (time.time() - struct.unpack("d", body[:8])[0])


def cpu_s(program: str) -> float:
    """CPU seconds so far of all processes with this name."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if name == program:
            total += sum(map(int, rest.split()[11:13])) / TICKS
    return total


class Pace:
    """When the next chunk of any of `calls` is due; calls are spread evenly over a chunk."""

    def __init__(self, calls: int, seconds: float):
        self.every_s = CHUNK_S / calls
        self.count = round(seconds / self.every_s)
        self.began = time.monotonic()

    def wait_s(self, k: int) -> float:
        return self.began + k * self.every_s - time.monotonic()


def rabbit_consume(pipe, acknowledge: bool) -> None:
    """Consume in a process of its own until killed; sends the age of each chunk."""
    import pika

    channel = pika.BlockingConnection(pika.URLParameters(RABBIT)).channel()
    channel.basic_qos(prefetch_count=2_000)
    pipe.send("ready")
    for method, _, body in channel.consume(QUEUE):
        pipe.send((time.time(), age_ms(body)))
        if acknowledge:
            channel.basic_ack(method.delivery_tag)


class Rabbit:
    """A quorum queue with a single active consumer, and confirms that arrive while publishing."""

    program, consume = "beam.smp", staticmethod(rabbit_consume)

    def __enter__(self) -> Rabbit:
        import pika

        self.blocking = pika.BlockingConnection(pika.URLParameters(RABBIT)).channel()
        self.blocking.queue_delete(QUEUE)
        self.blocking.queue_declare(QUEUE, durable=True, arguments=QUORUM)
        return self

    def __exit__(self, *exc) -> None:
        self.blocking.queue_delete(QUEUE)
        self.blocking.connection.close()

    def publish(self, pace: Pace) -> tuple[int, list[float]]:
        """Publish at this pace: refused chunks, and milliseconds to each confirmation."""
        import pika

        sent, refused, confirmed = {}, [], []
        properties = pika.BasicProperties(delivery_mode=2)

        def settled(frame) -> None:
            tags = (
                [t for t in sent if t <= frame.method.delivery_tag]
                if frame.method.multiple
                else [frame.method.delivery_tag]
            )
            for tag in tags:
                began = sent.pop(tag)
                if isinstance(frame.method, pika.spec.Basic.Nack):
                    refused.append(tag)
                confirmed.append(1000 * (time.monotonic() - began))
            if state["k"] == pace.count and not sent:
                connection.close()

        state = {"k": 0}

        def push() -> None:
            while state["k"] < pace.count and pace.wait_s(state["k"]) <= 0:
                state["k"] += 1
                sent[state["k"]] = time.monotonic()
                channel.basic_publish("", QUEUE, chunk(), properties)
            if state["k"] < pace.count:
                connection.ioloop.call_later(max(0.0, pace.wait_s(state["k"])), push)

        def opened(it) -> None:
            nonlocal channel
            channel = it
            it.confirm_delivery(
                settled, lambda _: (setattr(pace, "began", time.monotonic()), push())
            )

        channel = None
        connection = pika.SelectConnection(
            pika.URLParameters(RABBIT),
            on_open_callback=lambda it: it.channel(on_open_callback=opened),
            on_close_callback=lambda it, _: it.ioloop.stop(),
        )
        connection.ioloop.start()
        return len(refused), confirmed


def nats_consume(pipe, acknowledge: bool) -> None:
    """Like rabbit_consume."""
    asyncio.run(_nats_consume(pipe, acknowledge))


async def _nats_consume(pipe, acknowledge: bool) -> None:
    import nats

    client = await nats.connect(NATS)
    subscription = await client.jetstream().pull_subscribe(SUBJECT, "bench", STREAM)
    pipe.send("ready")
    while True:
        try:
            messages = await subscription.fetch(16, timeout=1)
        except TimeoutError:
            continue
        for message in messages:
            pipe.send((time.time(), age_ms(message.data)))
            if acknowledge:
                await message.ack()


class Nats:
    """A file-backed stream with a durable pull consumer; unacknowledged chunks return after 5 s."""

    program, consume = "nats-server", staticmethod(nats_consume)

    def __enter__(self) -> Nats:
        asyncio.run(self._prepare())
        return self

    def __exit__(self, *exc) -> None:
        asyncio.run(self._delete())

    async def _prepare(self) -> None:
        import nats
        from nats.js.api import ConsumerConfig, DiscardPolicy, RetentionPolicy, StreamConfig

        await self._delete()
        client = await nats.connect(NATS)
        await client.jetstream().add_stream(
            StreamConfig(
                STREAM,
                subjects=[SUBJECT],
                retention=RetentionPolicy.WORK_QUEUE,
                discard=DiscardPolicy.NEW,
                max_bytes=BOUND_BYTES,
            )
        )
        await client.jetstream().add_consumer(
            STREAM, ConsumerConfig(durable_name="bench", ack_wait=5, max_ack_pending=2_000)
        )
        await client.close()

    async def _delete(self) -> None:
        import nats

        client = await nats.connect(NATS)
        with suppress(nats.js.errors.NotFoundError):
            await client.jetstream().delete_stream(STREAM)
        await client.close()

    def publish(self, pace: Pace) -> tuple[int, list[float]]:
        """Like Rabbit.publish."""
        return asyncio.run(self._publish(pace))

    async def _publish(self, pace: Pace) -> tuple[int, list[float]]:
        import nats

        client = await nats.connect(NATS)
        stream, waiting, refused, confirmed = client.jetstream(), set(), [], []

        async def one() -> None:
            began = time.monotonic()
            try:
                await stream.publish(SUBJECT, chunk(), timeout=5)
            except (nats.js.errors.APIError, nats.errors.TimeoutError):
                refused.append(1)
            confirmed.append(1000 * (time.monotonic() - began))

        pace.began = time.monotonic()
        for k in range(pace.count):
            await asyncio.sleep(max(0.0, pace.wait_s(k)))
            task = asyncio.create_task(one())
            waiting.add(task)
            task.add_done_callback(waiting.discard)
        await asyncio.gather(*waiting)
        await client.close()
        return len(refused), confirmed


def consumer(broker, acknowledge: bool = True):
    """A consumer's process, ready, and the pipe of what it received."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=broker.consume, args=(theirs, acknowledge))
    process.start()
    assert ours.recv() == "ready"
    return process, ours


def received(pipe) -> list[tuple[float, float]]:
    out = []
    while pipe.poll(0.5):
        out.append(pipe.recv())
    return out


def load(broker, calls: int, seconds: float) -> dict:
    """Latencies and CPU under a steady load."""
    process, pipe = consumer(broker)
    before, own = cpu_s(broker.program), time.process_time()
    got: list = []
    reader = multiprocessing.dummy.Pool(1).apply_async(lambda: got.extend(drained(pipe, seconds)))
    refused, confirmed = broker.publish(Pace(calls, seconds))
    own, server = time.process_time() - own, cpu_s(broker.program) - before
    reader.wait()
    used = consumer_cpu(process.pid)
    process.kill()
    process.join()
    ages = [age for _, age in got]
    thousands = len(confirmed) / 1000
    return {
        "chunks": len(confirmed),
        "received": len(ages),
        "refused": refused,
        "latency_ms_p50_p99": [round(float(np.percentile(ages, p)), 1) for p in (50, 99)],
        "confirmed_ms_p50_p99": [round(float(np.percentile(confirmed, p)), 1) for p in (50, 99)],
        "broker_cpu_s_per_1000": round(server / thousands, 3),
        "publisher_cpu_s_per_1000": round(own / thousands, 3),
        "consumer_cpu_s_per_1000": round(used / thousands, 3),
    }


def drained(pipe, seconds: float) -> list:
    until, out = time.monotonic() + seconds + 2, []
    while time.monotonic() < until:
        if pipe.poll(0.2):
            out.append(pipe.recv())
    return out


def consumer_cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / TICKS


def fail_over(broker) -> dict:
    """Seconds until a waiting consumer has the unacknowledged chunks of one that was killed."""
    first, pipe = consumer(broker, acknowledge=False)
    broker.publish(Pace(10, 1.0))
    held = len(received(pipe))
    second, other = consumer(broker)
    first.kill()
    killed = time.time()
    got: list = []
    while len(got) < held and time.time() < killed + 30:
        if other.poll(0.2):
            got.append(other.recv()[0])
    for process in (first, second):
        process.kill()
        process.join()
    return {
        "held": held,
        "again": len(got),
        "first_after_s": round(min(got) - killed, 2),
        "all_after_s": round(max(got) - killed, 2),
    }


def slow(broker) -> dict:
    """A consumer that acknowledges nothing, and twice the audio that the bound allows."""
    process, pipe = consumer(broker, acknowledge=False)
    pace = Pace(400, 2 * BOUND_BYTES / CHUNK_BYTES * CHUNK_S / 400)
    refused, _ = broker.publish(pace)
    delivered = len(received(pipe))
    process.kill()
    process.join()
    return {"published": pace.count, "refused": refused, "delivered": delivered}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    chosen = parser.parse_args()
    for name, kind in (("rabbitmq", Rabbit), ("nats", Nats)):
        for measure in (lambda b: load(b, chosen.calls, chosen.seconds), fail_over, slow):
            with kind() as broker:
                print(name, json.dumps(measure(broker)), flush=True)


if __name__ == "__main__":
    import multiprocessing.dummy

    main()
