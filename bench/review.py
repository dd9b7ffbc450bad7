"""How long review.py list takes on a MariaDB of its own with a million seconds of timeline and
100,000 clips, and how the database looks for them.

    python bench/review.py [--clips 100000] [--seconds 1000000]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from fixtures_mariadb import PASSWORD, USER, MariaDB

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from storage import tables
from storage.database import Database
from storage.review import STATES, Label, Question, Reviews

ROOT = Path(__file__).resolve().parent.parent

STREAMS, FLAC_BYTES, TOGETHER, TIMES = 50, 1_000, 2_000, 41
TARGET_MS = 100
BEGAN = datetime(2026, 1, 1)
SHARES = (0.6, 0.1, 0.2, 0.04, 0.01, 0.05)  # of STATES


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=1_000_000, help="rows of the timeline")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        server = MariaDB(directory)
        server.install()
        server.start()
        try:
            server.execute(f"CREATE USER {USER}@'%' IDENTIFIED BY %s", PASSWORD)
            server.execute(f"GRANT ALL ON `radd\\_%`.* TO {USER}@'%'")
            server.execute("CREATE DATABASE radd_bench")
            measure(server.url("radd_bench"), arguments.clips, arguments.seconds)
        finally:
            server.stop()


def measure(url: str, clips: int, seconds: int) -> None:
    database = Database(url)
    database.prepare()
    begun = time.monotonic()
    fill(database, clips, seconds)
    database.close()
    print(f"filled in {time.monotonic() - begun:.0f} s")
    report(url, clips)


def report(url: str, clips: int) -> None:
    print(
        f"{TIMES} runs each, MariaDB as the tests start it, load of the machine "
        f"{os.getloadavg()[0]:.1f}\n"
    )
    with Reviews(url, 1) as reviews:
        middle = reviews.list(Question(limit=1))[0]["id"]
        for _ in range(clips // 4_000):
            middle = reviews.list(Question(after=middle, limit=1_000))[-1]["id"]
        since = BEGAN + timedelta(days=90)
        questions = {
            "pending": Question(),
            "pending, page in the middle": Question(after=middle),
            "fake": Question(state="fake"),
            "one stream": Question(stream=reviews.list(Question(limit=1))[0]["stream_id"]),
            "the latest tenth": Question(since=since),
            "samples": Question(kind="sample"),
            "called fake by somebody": Question(state="conflict", label=Label.FAKE),
            "not labelled by ann": Question(state="unsure", unlabelled_by="ann"),
        }
        print(
            "| review.py list | median, ms | lowest, ms | highest, ms | target, ms | index | rows "
            "it may look at |"
        )
        print("|" + "---|" * 7)
        for name, question in questions.items():
            taken = [timed(reviews, question) for _ in range(TIMES)]
            plan = reviews.explain(question)
            used = ", ".join(dict.fromkeys(str(step["key"]) for step in plan))
            looked_at = " x ".join(str(step["rows"]) for step in plan)
            times = " | ".join(
                f"{value:.1f}" for value in (np.median(taken), min(taken), max(taken))
            )
            print(f"| {name} | {times} | {TARGET_MS} | {used} | {looked_at} |")
        print("\nEXPLAIN")
        for name, question in questions.items():
            for step in reviews.explain(question):
                told = (f"{key} {value}" for key, value in step.items() if value is not None)
                print(f"{name}: {', '.join(told)}")


def timed(reviews: Reviews, question: Question) -> float:
    begun = time.perf_counter()
    assert reviews.list(question)
    return 1000 * (time.perf_counter() - begun)


def fill(database: Database, clips: int, seconds: int) -> None:
    rng = np.random.default_rng(1)
    ids = [str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(STREAMS)]
    with database.transaction() as connection:
        connection.execute(
            tables.streams.insert(),
            [
                {
                    "id": id,
                    "state": "ended",
                    "source": f"call {i}",
                    "native_rate_hz": 16_000,
                    "host": "here",
                    "bundle": "bench",
                    "config_hash": "0" * 64,
                    "started_utc": BEGAN,
                }
                for i, id in enumerate(ids)
            ],
        )
    per_stream = seconds // STREAMS
    for start in range(0, seconds, TOGETHER):
        llrs = rng.normal(2, 3, TOGETHER)
        insert(
            database,
            tables.timeline,
            [
                {
                    "stream_id": ids[k // per_stream % STREAMS],
                    "second": k % per_stream,
                    "verdict": "bonafide",
                    "llr": float(llrs[k - start]),
                    "level_dbfs": -30.0,
                }
                for k in range(start, min(start + TOGETHER, per_stream * STREAMS))
            ],
        )
    for start in range(0, clips, TOGETHER):
        rows = [made(rng, ids) for _ in range(min(TOGETHER, clips - start))]
        for table, part in zip(
            (tables.clips, tables.alerts, tables.evidence), zip(*rows, strict=True), strict=True
        ):
            insert(database, table, list(part))
        insert(
            database,
            tables.labels,
            [
                {
                    "clip_sha256": alert["clip_sha256"],
                    "number": 1,
                    "label": str(rng.choice(list(Label))),
                    "reviewer": "bob",
                    "reason": "",
                    "labelled_utc": BEGAN,
                }
                for _, alert, _ in rows
                if alert["review"] not in ("pending", "expired")
            ],
        )
    with database.transaction() as connection:
        connection.execute(sa.text("ANALYZE TABLE alerts, clips, labels, streams"))


def made(rng: np.random.Generator, streams: list[str]) -> tuple[dict, dict, dict]:
    flac, id = rng.bytes(FLAC_BYTES), str(uuid.UUID(bytes=rng.bytes(16)))
    sha256, began = rng.bytes(32).hex(), int(rng.integers(100 * 86_400))
    clip = {
        "sha256": sha256,
        "state": "stored",
        "length_samples": 64_000,
        "size_bytes": FLAC_BYTES,
        "stored_utc": datetime.now(UTC).replace(tzinfo=None),
        "flac": flac,
    }
    alert = {
        "id": id,
        "stream_id": streams[int(rng.integers(len(streams)))],
        "clip_sha256": sha256,
        "state": "sample" if rng.random() < 0.05 else "close",
        "review": str(rng.choice(STATES, p=SHARES)),
        "began_samples": 0,
        "end_samples": 64_000,
        "began_utc": BEGAN + timedelta(seconds=began),
        "peak_p_spoof": 0.9,
        "min_llr": -2.2,
        "gaps": 0,
        "bundle": "bench",
        "clip_start_samples": 0,
        "informative": float(rng.random()),
    }
    return clip, alert, {"alert_id": id, "trace": "[]", "neighbours": "[]"}


def insert(database: Database, table: sa.Table, rows: list[dict]) -> None:
    if rows:
        with database.transaction() as connection:
            connection.execute(table.insert(), rows)


if __name__ == "__main__":
    main()
