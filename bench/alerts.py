"""How long after an alert a receiver has its webhook, and how long the audio path is held up.

    python bench/alerts.py [--alerts 200] [--every 0.1] [--directory DIR]

Every alert has a clip of 10 s. It goes through the journal with an SQLite database, the inbox and
the outbox to a receiver on this machine, as in detect.py. The floor is two synced writes to the
same disk, which durable delivery needs: the inbox and the outbox.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.settings import load
from evaluation.tables import markdown
from notify.messages import Sender
from notify.notifier import Notifier
from notify.watched_journal import WatchedJournal
from notify.webhook import Webhook
from radd.types import SAMPLE_RATE_HZ, Alert, AlertState
from storage.journal import Journal
from storage.records import StreamInfo
from storage.spool.durable import write_whole

TARGET_MS = 300.0
SECRET = "the secret of a benchmark, no other"
PATIENCE_S = 60.0


def main() -> None:
    arguments = parse()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        arrived, held = measured(Path(directory), arguments.alerts, arguments.every)
        floor = [_timed(lambda: _two_writes(Path(directory))) for _ in range(arguments.alerts)]
    rows = [
        ["alert to webhook", *figures(arrived), f"p99 < {TARGET_MS:.0f}"],
        ["... its floor: two synced writes", *figures(floor), ""],
        ["journal and inbox, in the audio path", *figures(held), ""],
    ]
    print(markdown([f"{arguments.alerts} alerts", "p50, ms", "p99, ms", "target"], rows))


def measured(directory: Path, alerts: int, every_s: float) -> tuple[list[float], list[float]]:
    """Seconds from each alert to its webhook, and seconds that each write took."""
    settings = load()
    storage = replace(settings.storage, url=f"sqlite:///{directory}/radd.db")
    arrivals: dict[str, float] = {}
    server = receiver(lambda message: arrivals.update({message["id"]: time.monotonic()}))
    hook = Webhook(f"http://127.0.0.1:{server.server_port}", SECRET, PATIENCE_S)
    notifier = Notifier(settings.notify, Sender("bench", ""), directory / "notify", [hook])
    stream = stream_info()
    began, held = {}, []
    with WatchedJournal(Journal(storage, stream), [notifier], [stream], lambda id: {}) as journal:
        for number in range(alerts):
            alert = made(number)
            began[f"{alert.id}-open"] = time.monotonic()
            held.append(_timed(lambda alert=alert: journal.write(alert, stream.id)))
            journal.write(replace(alert, state=AlertState.CLOSE), stream.id)
            time.sleep(every_s)
    server.shutdown()
    return [arrivals[id] - at for id, at in began.items()], held


def receiver(taken: Callable[[dict], object]) -> ThreadingHTTPServer:
    """A server of webhooks that calls `taken` with each message at once."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802
            body = self.rfile.read(int(self.headers["content-length"]))
            taken(json.loads(body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def made(number: int) -> Alert:
    """An alert about 10 s of noise."""
    noise = np.random.default_rng(number).normal(0, 0.1, 10 * SAMPLE_RATE_HZ)
    clip = noise.astype(np.float32)
    id = str(uuid.uuid4())
    return Alert(id, AlertState.OPEN, 0, len(clip), 0.97, -4.5, clip, 0, (), (), 0)


def stream_info() -> StreamInfo:
    now = datetime.now(UTC)
    return StreamInfo(str(uuid.uuid4()), "bench", None, 16_000, "here", "none", "0" * 64, now)


def figures(times_s: list[float]) -> list[str]:
    """Median and 99th percentile in milliseconds."""
    return [f"{1_000 * np.percentile(times_s, p):.1f}" for p in (50, 99)]


def _two_writes(directory: Path) -> None:
    for name in ("first", "second"):
        write_whole(directory / name, b"x" * 1_000, synced=True)


def _timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--alerts", type=int, default=200)
    parser.add_argument("--every", type=float, default=0.1, metavar="S")
    parser.add_argument("--directory", type=Path, help="on the disk to measure")
    return parser.parse_args()


if __name__ == "__main__":
    main()
