"""Whether /health answers while the console is attacked from other addresses of this machine.

python bench/attack.py [--minutes 5] [--attackers 4]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
LIMIT_MS = 100
PROBE_S = 0.1
PACE_S = 0.1  # between two attacks of one kind from one address
HELD = 300  # connections that each attacker tries to hold


def main() -> None:
    arguments = parse()
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, str(ROOT / "serve.py"), "--port", "0"]
        process = subprocess.Popen(
            command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            url = process.stdout.readline().removeprefix("RADD console: ").strip().rstrip("/")
            measure(url, arguments)
        finally:
            process.terminate()
            _, log = process.communicate()
    row("lines of log", log.count("\n"))
    row("tracebacks in it", log.count("Traceback"))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--attackers", type=int, default=4, help="addresses, each with all attacks")
    return parser.parse_args()


def measure(url: str, arguments: argparse.Namespace) -> None:
    context = multiprocessing.get_context("spawn")
    over, counted = context.Event(), context.Queue()
    attackers = [
        context.Process(target=attack_in_all_ways, args=(url, f"127.0.2.{n + 1}", over, counted))
        for n in range(arguments.attackers)
    ]
    print(f"| {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before | measured |\n|---|---|")
    row("/health alone: p50, p99, slowest, ms", told(probe(url, 10)))
    for attacker in attackers:
        attacker.start()
    try:
        taken = probe(url, 60 * arguments.minutes)
    finally:
        over.set()
    tried = sum((counted.get() for _ in attackers), Counter())
    row(f"/health in {arguments.minutes:g} minutes of attacks: asked", len(taken))
    row("p50, p99, slowest, ms", told(taken))
    row(f"answers that took {LIMIT_MS} ms or more, or did not come", late(taken))
    for name, count in sorted(tried.items()):
        row(f"attacks: {name}", count)


def row(name: str, value) -> None:
    print(f"| {name} | {value} |", flush=True)


def told(taken: list[float]) -> str:
    return ", ".join(f"{ms:.1f}" for ms in (*np.percentile(taken, [50, 99]), max(taken)))


def late(taken: list[float]) -> int:
    return sum(ms >= LIMIT_MS for ms in taken)


def probe(url: str, seconds: float) -> list[float]:
    """Milliseconds of each answer of /health, one connection each; infinite where none came."""
    taken, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        try:
            with connect(url, "127.0.0.1") as one:
                one.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answer = one.recv(4096)
            is_ok = answer.startswith(b"HTTP/1.1 200")
        except OSError:
            is_ok = False
        taken.append(1000 * (time.monotonic() - began) if is_ok else float("inf"))
        time.sleep(PROBE_S)
    return taken


def attack_in_all_ways(url: str, client: str, over, counted) -> None:
    """From one address, in a process of its own that leaves the processors to others."""
    os.nice(10)
    tried: Counter[str] = Counter()
    threads = [
        threading.Thread(target=attack, args=(one, url, client, over, tried)) for one in ATTACKS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted.put(tried)


def attack(one, url: str, client: str, over: threading.Event, tried: Counter[str]) -> None:
    """Attack in one way until it is over; whatever the console does to the connection is fine."""
    while not over.is_set():
        with suppress(OSError):
            one(url, client, over)
        over.wait(PACE_S)
        tried[one.__name__.replace("_", " ")] += 1


def connect(url: str, client: str) -> socket.socket:
    place = urlsplit(url)
    return socket.create_connection((place.hostname, place.port), 5, (client, 0))


def half_open_connections(url: str, client: str, over: threading.Event) -> None:
    """As many as are let in, each with half a head, until they are closed."""
    held = []
    try:
        while len(held) < HELD and not over.is_set():
            held.append(connect(url, client))
            held[-1].sendall(b"GET /health HTTP/1.1\r\nX-Slow: ")
    finally:
        over.wait(1)
        for one in held:
            one.close()


def large_bodies(url: str, client: str, over: threading.Event) -> None:
    """46 MB of JSON that say their length, for a route that takes a few bytes."""
    post(url, client, b"Content-Length: 46000000\r\n", b"[" * 1_000_000, over)


def large_bodies_in_chunks(url: str, client: str, over: threading.Event) -> None:
    """The same without a length."""
    chunk = b"10000\r\n" + b"[" * 65_536 + b"\r\n"
    post(url, client, b"Transfer-Encoding: chunked\r\n", chunk * 16, over)


def post(url: str, client: str, header: bytes, body: bytes, over: threading.Event) -> None:
    with connect(url, client) as one:
        one.sendall(b"POST /v1/session HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n")
        for _ in range(46):
            if not over.is_set():
                one.sendall(body)


def nested_bodies(url: str, client: str, over: threading.Event) -> None:
    """As much as is taken, as deep as can be."""
    body = b"[" * 130_000
    with connect(url, client) as one:
        head = b"POST /v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        one.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        one.recv(4096)
    over.wait(0.2)


def slow_bodies(url: str, client: str, over: threading.Event) -> None:
    """A byte at a time."""
    with connect(url, client) as one:
        one.sendall(b"POST /v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
        while not over.wait(0.5):
            one.sendall(b" ")


def answers_that_nobody_reads(url: str, client: str, over: threading.Event) -> None:
    with connect(url, client) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.sendall(b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        over.wait(5)


def half_sent_uploads(url: str, client: str, over: threading.Event) -> None:
    with connect(url, client) as one:
        one.sendall(
            b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000000\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
            b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        )
        one.sendall(bytes(5_000_000))
        over.wait(5)


def nonsense(url: str, client: str, over: threading.Event) -> None:
    """Bytes, hosts and times that are none."""
    heads = (
        random.randbytes(2_000),
        b"GET /health HTTP/1.1\r\nHost: [\r\n\r\n",
        b"GET /v1/clips?since=0001-01-01T00:00:00%2B14:00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    )
    with connect(url, client) as one:
        one.sendall(random.choice(heads))
        one.recv(4096)
    over.wait(0.05)


ATTACKS = (
    half_open_connections,
    large_bodies,
    large_bodies_in_chunks,
    nested_bodies,
    slow_bodies,
    answers_that_nobody_reads,
    half_sent_uploads,
    nonsense,
)

if __name__ == "__main__":
    main()
