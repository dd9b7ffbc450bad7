"""A fleet on a real broker: what it costs beside one daemon, and what happens when detectors die.

    python bench/fleet.py [--quick] [--streams 6] [--kills 100] [--broker amqp://...]
    [--database mysql+mysqlconnector://root@127.0.0.1/radd_bench]

One gateway in this process publishes the streams, each another part of the demo recording at the
pace of its sound; detectors are processes of detect.py --consume. First 1, 2 and 4 of them judge
undisturbed, beside the same streams in one daemon without a broker. Then random detectors are
killed with -9 and started again, two of three at once as with their machine, and all are ended and
started again one after the other. The
alerts in the database are compared with those of monitors that nobody disturbed. The last line is
one JSON object. The database is emptied; without --database it is SQLite in a temporary directory.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.installation import Installation, installation
from bench.streams import Paced, listen
from fleet.gateway import Gateway
from fleet.rabbitmq import RabbitPublisher
from radd.files import load_speech
from radd.types import HOP_SAMPLES, Alert, AlertState, AudioChunk, Call
from storage.database import Database
from storage.tables import alerts, streams, timeline
from stream.monitor import Monitor

ROOT = Path(__file__).resolve().parents[1]
BROKER = "amqp://guest:guest@127.0.0.1:5672/%2F"
TICKS = os.sysconf("SC_CLK_TCK")
PARTS = ("cost", "restart", "machine", "kills")
HEAD = (
    "| detectors | streams | p50, ms | p99, ms | shed | core a stream |\n|---|---|---|---|---|---|"
)
WARM_S = 6.0
NEAR = 16_000  # samples within which two alerts are the same


class PacedCall(Paced):
    """A call that plays a part of the sound."""

    def __init__(self, sound: np.ndarray, first: int, hops: int, began: float | None):
        super().__init__(sound, first, hops, began)
        self.call = Call(uuid.uuid4().hex, "1")
        self.name = self.call.id


@dataclass
class Worker:
    """One detector process, and what it prints."""

    process: subprocess.Popen
    scores: list[tuple[float, str, int, float | None]] = field(default_factory=list)
    """(wall clock, stream, end of the hop in samples, latency in ms)"""

    started: list[tuple[float, str]] = field(default_factory=list)
    """(wall clock, stream) of each call that began or went on here"""

    def read(self) -> None:
        """Note every score as it is printed, and the calls that begin or go on here."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            if event["type"] == "started":
                self.started.append((time.time(), event["stream"]))
            if event["type"] == "score":
                end = round(event["t"] * 16_000)
                self.scores.append((time.time(), event["stream"], end, event["latency_ms"]))

    def cpu_s(self) -> float:
        """CPU seconds so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, stat[11:13])) / TICKS


class Fleet:
    """The detectors of one part of the bench, with names of their own in the broker."""

    def __init__(self, arguments: argparse.Namespace, database: str, bundle: Path):
        self.prefix = f"radd-bench-{uuid.uuid4().hex[:8]}"
        self.database, self.broker, self.bundle = database, arguments.broker, bundle
        self.workers: list[Worker] = []
        self.environ = os.environ | {
            "RADD_FLEET_URL": self.broker,
            "RADD_FLEET_PREFIX": self.prefix,
            "RADD_FLEET_PARTITIONS": "8",
            "RADD_STORAGE_URL": database,
            "RADD_MODEL_OVERLAY_S": "0",
            "OMP_NUM_THREADS": "1",
            # what is shed changes what alerts: only with nothing shed can both be compared
            "RADD_ENGINE_LATE_MS": "0",
        }

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *exc) -> None:
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait()
        self._delete_queues()

    def start(self) -> Worker:
        """One more detector; ready once it prints or waits in line."""
        command = [sys.executable, ROOT / "detect.py", "--consume", "--json", "--bundle"]
        process = subprocess.Popen(
            [*map(str, command), str(self.bundle)],
            env=self.environ,
            cwd=tempfile.gettempdir(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        worker = Worker(process)
        threading.Thread(target=worker.read, daemon=True).start()
        self.workers.append(worker)
        return worker

    def wait_for(self, count: int) -> None:
        """Wait until so many detectors are there."""
        deadline = time.monotonic() + 120
        while self._members() < count:
            assert time.monotonic() < deadline, "the detectors do not start"
            time.sleep(0.2)

    def running(self) -> list[Worker]:
        """The detectors that have not ended."""
        return [worker for worker in self.workers if worker.process.poll() is None]

    def scores(self) -> list[tuple[float, str, int, float | None, int]]:
        """What all have printed, with the number of the detector."""
        return sorted((*score, k) for k, w in enumerate(self.workers) for score in w.scores)

    def loaded(self) -> list[tuple[float, str]]:
        """When calls began or went on, in all detectors."""
        return sorted(each for worker in self.workers for each in worker.started)

    def _members(self) -> int:
        import pika

        link = pika.BlockingConnection(pika.URLParameters(self.broker))
        try:
            roll = f"{self.prefix}.detectors.8"
            return link.channel().queue_declare(roll, passive=True).method.consumer_count
        except pika.exceptions.ChannelClosedByBroker:
            return 0
        finally:
            link.close()

    def _delete_queues(self) -> None:
        import pika

        channel = pika.BlockingConnection(pika.URLParameters(self.broker)).channel()
        names = [f"calls.{k}of8" for k in range(8)] + ["dead", "detectors.8"]
        for name in names:
            channel.queue_delete(f"{self.prefix}.{name}")
        channel.exchange_delete(f"{self.prefix}.load")
        channel.connection.close()


class Calls:
    """The streams of one part, published by threads until they end."""

    def __init__(self, here: Installation, fleet: Fleet, sound, count: int, seconds: float):
        from dataclasses import replace

        settings = replace(here.settings.fleet, url=fleet.broker, prefix=fleet.prefix, partitions=8)
        self.hops = round(seconds * 16_000 / HOP_SAMPLES)
        began = time.monotonic() + 0.5
        self.sources = [
            PacedCall(sound, 37 * k, self.hops, began + 1.024 * k / count) for k in range(count)
        ]
        self.publisher = RabbitPublisher(fleet.broker, settings).__enter__()
        gateway = Gateway(self.publisher, settings)
        self.threads = [
            threading.Thread(target=gateway.carry, args=(source, lambda _: None))
            for source in self.sources
        ]
        for thread in self.threads:
            thread.start()

    def join(self) -> None:
        """Wait until all have ended and the broker has them."""
        for thread in self.threads:
            thread.join()
        self.publisher.__exit__(None, None, None)

    @property
    def going_on(self) -> bool:
        return any(thread.is_alive() for thread in self.threads)


def judged_all(database: str, count: int) -> None:
    """Wait until every call has ended in the database."""
    deadline = time.monotonic() + 120
    store = Database(database)
    ended = sa.select(sa.func.count()).where(streams.c.state == "ended")
    while time.monotonic() < deadline:
        with store.transaction() as connection:
            if connection.scalar(ended) >= count:
                break
        time.sleep(0.3)
    store.close()


def emptied(database: str) -> str:
    """The database without rows."""
    store = Database(database)
    store.prepare()
    with store.transaction() as connection:
        for table in (alerts, timeline, streams):
            connection.execute(table.delete())
    store.close()
    return database


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    return tuple(round(float(np.percentile(values, p)), 1) for p in (50, 99)) if values else (0, 0)


def undisturbed(here, bundle: Path, fleet_of, sound, count: int, seconds: float) -> dict:
    """Latency and CPU of 1, 2 and 4 detectors, and of one daemon without a broker."""
    found: dict[str, Any] = {}
    detector = here.load(bundle)
    alone = listen(detector, here.settings, sound, count, 1.024, seconds, 8)
    found["daemon"] = (
        round(alone.p50_ms, 1),
        round(alone.p99_ms, 1),
        round(alone.share / count, 3),
    )
    print(
        f"| no broker | {count} | {alone.p50_ms:.1f} | {alone.p99_ms:.1f} | {alone.shed} | "
        f"{alone.share / count:.3f} |",
        flush=True,
    )
    for detectors in (1, 2, 4):
        with fleet_of() as fleet:
            for _ in range(detectors):
                fleet.start()
            fleet.wait_for(detectors)
            emptied(fleet.database)
            before = sum(worker.cpu_s() for worker in fleet.workers)
            own = time.process_time()
            calls = Calls(here, fleet, sound, count, seconds)
            calls.join()
            used = sum(worker.cpu_s() for worker in fleet.workers) - before
            own = time.process_time() - own
            judged_all(fleet.database, count)
            scores = [s for s in fleet.scores() if s[2] > WARM_S * 16_000]
            late = [s[3] for s in scores if s[3] is not None]
            p50, p99 = percentiles(late)
            share = used / seconds / count
            busy = len({s[4] for s in scores})
            found[str(detectors)] = (p50, p99, round(share, 3), round(own / seconds / count, 4))
            print(
                f"| {detectors} ({busy} busy) | {count} | {p50} | {p99} | - | {share:.3f} |",
                flush=True,
            )
    return found


def expected(here, bundle: Path, source: PacedCall, sound: np.ndarray) -> list[int]:
    """Where the alerts of a call begin, judged by a monitor that nobody disturbs."""
    detector, whole = here.load(bundle), len(sound) // HOP_SAMPLES
    monitor = Monitor(detector, here.settings.decision, here.settings.alerts, str(uuid.uuid4()))
    events = []
    for k in range(source.hops):
        at = (source.first + k) % whole * HOP_SAMPLES
        heard = np.rint(sound[at : at + HOP_SAMPLES] * 32_768).clip(-32_768, 32_767) / 32_768
        events += monitor.feed(AudioChunk(heard.astype(np.float32), k * HOP_SAMPLES))
    return [e.began for e in events if isinstance(e, Alert) and e.state is AlertState.OPEN]


def compared(here, bundle: Path, calls: Calls, sound, database: str) -> dict[str, int]:
    """Alerts that are missing or twice, and hops without their score, in the database."""
    store = Database(database)
    with store.transaction() as connection:
        stored = defaultdict(list)
        for call, began in connection.execute(
            sa.select(streams.c.call_id, alerts.c.began_samples).join(alerts)
        ):
            stored[call].append(began)
        scores = dict(connection.execute(sa.select(streams.c.call_id, streams.c.scores)).all())
        states = connection.execute(
            sa.select(alerts.c.state, sa.func.count()).group_by(alerts.c.state)
        ).all()
    store.close()
    lost = doubled = total = 0
    for source in calls.sources:
        wanted, got = expected(here, bundle, source, sound), stored[source.call.id]
        matches = [sum(abs(began - other) < NEAR for other in got) for began in wanted]
        lost += matches.count(0)
        doubled += len(got) - sum(n > 0 for n in matches)
        total += len(wanted)
    missing = sum(calls.hops - (scores.get(s.call.id) or 0) for s in calls.sources)
    return {
        "alerts": total,
        "alerts_lost": lost,
        "alerts_doubled": doubled,
        "scores_missing": missing,
        "alerts_open": dict(states).get("open", 0),
    }


def begun(here, fleet: Fleet, sound, streams: int, seconds: float, *, detectors: int) -> Calls:
    """Calls that go on in a fleet of so many detectors and an empty database."""
    for _ in range(detectors):
        fleet.start()
    fleet.wait_for(detectors)
    emptied(fleet.database)
    return Calls(here, fleet, sound, streams, seconds)


def taken_over(
    here, bundle: Path, fleet: Fleet, sound, calls: Calls, kills: list[tuple[float, int]]
) -> dict:
    """What is lost at the end of calls whose detectors were killed, and how soon others went on."""
    calls.join()
    judged_all(fleet.database, len(calls.sources))
    gaps = judged_again(fleet.scores(), fleet.loaded(), kills)
    result = compared(here, bundle, calls, sound, fleet.database)
    return {"calls_taken_over": len(gaps)} | result | seconds_of(gaps)


def killed(here, bundle: Path, fleet: Fleet, sound, arguments) -> dict:
    """Random detectors are killed with -9 and started again."""
    rng = np.random.default_rng(7)
    calls = begun(here, fleet, sound, arguments.streams, arguments.kill_seconds, detectors=3)
    time.sleep(4)
    kills, until = [], time.monotonic() + arguments.kill_seconds - 10
    while len(kills) < arguments.kills and time.monotonic() < until:
        judging = [w for w in fleet.running() if w.scores and w.scores[-1][0] > time.time() - 2]
        if not judging:
            time.sleep(0.2)
            continue
        victim = judging[int(rng.integers(len(judging)))]
        victim.process.send_signal(signal.SIGKILL)
        kills.append((time.time(), fleet.workers.index(victim)))
        fleet.start()
        time.sleep(float(rng.uniform(0.5, 1.5)))
        fleet.wait_for(2)
    return {"kills": len(kills)} | taken_over(here, bundle, fleet, sound, calls, kills)


def seconds_of(gaps: list[tuple[float, float]]) -> dict[str, float]:
    """Percentiles of what judged_again() found."""
    return {
        f"seconds_until_{what}_p{p}": round(float(np.percentile(column, p)), 2)
        for what, column in zip(("loaded", "judged"), zip(*gaps, strict=True), strict=False)
        for p in (50, 95)
    }


def judged_again(
    scores: list, loaded: list[tuple[float, str]], kills: list[tuple[float, int]]
) -> list[tuple[float, float]]:
    """For each call of each killed detector: seconds until the one that judges it next had its
    state, and until that one printed a score of it.
    """
    gaps = []
    for when, victim in kills:
        recent = {s[1] for s in scores if s[4] == victim and when - 1.0 < s[0] <= when + 0.3}
        for stream in recent:
            later = [s[0] for s in scores if s[1] == stream and s[4] != victim and s[0] > when]
            if later:
                has = [at for at, of in loaded if of == stream and when < at <= min(later)]
                gaps.append((max(has, default=when) - when, min(later) - when))
    return gaps


def lost(here, bundle: Path, fleet: Fleet, sound, arguments) -> dict:
    """Two of three detectors are killed at once, as when their machine is lost."""
    calls = begun(here, fleet, sound, arguments.streams, arguments.seconds + 10, detectors=3)
    time.sleep(8)
    busy = sorted(fleet.running(), key=lambda worker: -len(worker.scores))[:2]
    for worker in busy:
        worker.process.send_signal(signal.SIGKILL)
    kills = [(time.time(), fleet.workers.index(worker)) for worker in busy]
    return {"killed_at_once": 2} | taken_over(here, bundle, fleet, sound, calls, kills)


def rolled(here, bundle: Path, fleet: Fleet, sound, arguments) -> dict:
    """All detectors are ended and started again, one after the other."""
    calls = begun(here, fleet, sound, arguments.streams, arguments.seconds + 20, detectors=2)
    time.sleep(4)
    for worker in list(fleet.running()):
        fleet.start()
        fleet.wait_for(3)
        worker.process.send_signal(signal.SIGTERM)
        worker.process.wait(60)
        time.sleep(1)
    calls.join()
    judged_all(fleet.database, len(calls.sources))
    ends = defaultdict(list)
    for _, stream, end, *_ in fleet.scores():
        ends[stream].append(end)
    twice = sum(len(e) - len(set(e)) for e in ends.values())
    missing = sum(calls.hops - len(set(e)) for e in ends.values())
    return {"restarted": 2, "scores_missing": missing, "scores_twice": twice} | {
        f"database_{name}": value
        for name, value in compared(here, bundle, calls, sound, fleet.database).items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="20 kills and shorter streams")
    parser.add_argument("--streams", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--kill-seconds", type=float, default=420.0)
    parser.add_argument("--broker", default=BROKER)
    parser.add_argument("--database", default=None)
    parser.add_argument("--bundle", type=Path, default=ROOT / "models/default")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seconds, arguments.kills, arguments.kill_seconds = 15.0, 20, 75.0
    with tempfile.TemporaryDirectory() as directory:
        database = arguments.database or f"sqlite:///{directory}/radd.db"
        here = installation(bundle=arguments.bundle)
        sound = load_speech(ROOT / "assets/demo.flac")
        bundle = arguments.bundle

        def fleet_of() -> Fleet:
            return Fleet(arguments, database, bundle)

        print(f"load {os.getloadavg()[0]:.1f}", flush=True)
        parts: dict[str, Any] = {}
        if "cost" in arguments.parts:
            print(HEAD, flush=True)
            parts["latency_p50_p99_ms_core_a_stream"] = undisturbed(
                here, bundle, fleet_of, sound, arguments.streams, arguments.seconds
            )
        if "restart" in arguments.parts:
            with fleet_of() as fleet:
                parts["rolling_restart"] = rolled(here, bundle, fleet, sound, arguments)
            print(f"rolling restart: {json.dumps(parts['rolling_restart'])}", flush=True)
        if "machine" in arguments.parts:
            with fleet_of() as fleet:
                parts["machine"] = lost(here, bundle, fleet, sound, arguments)
            print(f"a lost machine: {json.dumps(parts['machine'])}", flush=True)
        if "kills" in arguments.parts:
            with fleet_of() as fleet:
                parts = killed(here, bundle, fleet, sound, arguments) | parts
        print(json.dumps(parts))


if __name__ == "__main__":
    main()
