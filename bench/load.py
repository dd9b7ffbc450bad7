"""What the console bears: many people who check recordings at once, many live streams, memory over
time.

python bench/load.py [--users 50] [--seconds 60] [--streams 20] [--queue 64] [--minutes 10]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx2
import numpy as np
import websockets

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from radd.files import encoded, load_speech
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ

ROOT = Path(__file__).resolve().parent.parent

RECORDING_S = 10
RNG = np.random.default_rng(0)


def main() -> None:
    arguments = parse()
    with tempfile.TemporaryDirectory() as directory:
        environ = os.environ | {
            "RADD_SERVE_REQUESTS_A_MINUTE": "1000000",
            "RADD_SERVE_QUEUE": str(2 * arguments.queue),  # one client has half of the places
            "RADD_SERVE_STREAMS": str(2 * arguments.streams),
            "RADD_SERVE_SOUND_H": "100000",
        }
        command = [sys.executable, str(ROOT / "serve.py"), "--port", "0"]
        process = subprocess.Popen(
            command, cwd=directory, env=environ, stdout=subprocess.PIPE, text=True
        )
        try:
            url = process.stdout.readline().removeprefix("RADD console: ").strip().rstrip("/")
            asyncio.run(measure(url, process.pid, arguments))
        finally:
            process.terminate()
            process.wait()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--users",
        type=int,
        default=50,
        help=f"each checks a recording of {RECORDING_S} s, then the next",
    )
    add(
        "--seconds",
        type=float,
        default=60,
        help="of each of the first two parts; 0 leaves them out",
    )
    add("--streams", type=int, default=20, help="live streams in real time")
    add(
        "--minutes",
        type=int,
        default=10,
        help="of the third part: both at once, with a tenth of the users",
    )
    add(
        "--queue",
        type=int,
        default=64,
        help="[serve] queue; below the number of users some are told to come later",
    )
    return parser.parse_args()


async def measure(url: str, pid: int, arguments: argparse.Namespace) -> None:
    speech = load_speech(ROOT / "assets" / "demo.flac")
    await check(url, speech, 2, 5)
    print(f"| {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before | measured |\n|---|---|")
    row("memory at the start, MB", memory_mb(pid))
    if arguments.seconds:
        answers, taken = await check(url, speech, arguments.users, arguments.seconds)
        row(
            f"recordings of {RECORDING_S} s, {arguments.users} users at once: answers by status",
            dict(answers),
        )
        row("recordings a second", answers[200] / arguments.seconds)
        row("p50, p95 of an answer, s", percentiles(taken))
        row("memory after it, MB", memory_mb(pid))
        delays, missing = await listen(url, speech, arguments.streams, arguments.seconds)
        row(f"{arguments.streams} streams in real time: scores that did not come", missing)
        row("p50, p95 from a packet to its score, s", percentiles(delays))
        row("memory after it, MB", memory_mb(pid))
    if arguments.minutes:
        await endure(url, pid, speech, arguments)


async def endure(url: str, pid: int, speech: np.ndarray, arguments: argparse.Namespace) -> None:
    """Recordings and streams at once, and the memory at the end of each minute."""
    users, seconds = max(1, arguments.users // 10), 60.0 * arguments.minutes
    checking = asyncio.create_task(check(url, speech, users, seconds))
    listening = asyncio.create_task(listen(url, speech, arguments.streams, seconds))
    held = []
    for _ in range(arguments.minutes):
        await asyncio.sleep(60)
        held.append(memory_mb(pid))
    (answers, _), (delays, missing) = await checking, await listening
    row(
        f"{users} users and {arguments.streams} streams for {arguments.minutes} minutes: answers "
        "by status",
        dict(answers),
    )
    row("scores, and those that did not come", f"{len(delays)}, {missing}")
    row("memory at the end of each minute, MB", ", ".join(f"{mb:.0f}" for mb in held))
    row("memory when all have gone, MB", memory_mb(pid))


def row(name: str, value) -> None:
    print(f"| {name} | {f'{value:.2f}' if isinstance(value, float) else value} |", flush=True)


def percentiles(values: list[float]) -> str:
    return (
        ", ".join(f"{value:.3f}" for value in np.percentile(values, [50, 95])) if values else "none"
    )


def memory_mb(pid: int) -> float:
    """Resident memory of a process, without its children."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def unique(speech: np.ndarray) -> np.ndarray:
    """The speech as nobody has heard it: from another place on, with noise of its own at -60
    dBFS.
    """
    noise = RNG.normal(0, 1e-3, len(speech)).astype(np.float32)
    return np.clip(np.roll(speech, int(RNG.integers(len(speech)))) + noise, -1, 1)


async def check(
    url: str, speech: np.ndarray, users: int, seconds: float
) -> tuple[Counter[int], list[float]]:
    """Answers by status, and how long each good one took. No sound is sent twice: what was encoded
    before would be answered from the cache.
    """
    answers, taken, end = Counter(), [], time.monotonic() + seconds

    async def user(client: httpx2.AsyncClient) -> None:
        while time.monotonic() < end:
            samples = unique(speech)[: RECORDING_S * SAMPLE_RATE_HZ]
            recording = encoded(samples, SAMPLE_RATE_HZ, "FLAC", "PCM_16")
            began = time.monotonic()
            answer = await client.post("/v1/predict", files={"file": ("recording.flac", recording)})
            answers[answer.status_code] += 1
            if answer.status_code == 200:
                taken.append(time.monotonic() - began)
            else:
                await asyncio.sleep(float(answer.headers.get("retry-after", 1)))

    limits = httpx2.Limits(max_connections=users)
    async with httpx2.AsyncClient(base_url=url, timeout=300, limits=limits) as client:
        await asyncio.gather(*(user(client) for _ in range(users)))
    return answers, taken


async def listen(
    url: str, speech: np.ndarray, streams: int, seconds: float
) -> tuple[list[float], int]:
    """How long each score took from the packet that completed it, and how many did not come."""
    hops = int(seconds * SAMPLE_RATE_HZ) // HOP_SAMPLES
    delays, missing, over = [], 0, time.monotonic() + seconds

    async def stream(number: int) -> None:
        nonlocal missing
        sent, came = [], 0
        async with websockets.connect(
            f"ws{url.removeprefix('http')}/v1/stream", ping_interval=None
        ) as socket:

            async def speak() -> None:
                began = time.monotonic() + number * HOP_SAMPLES / SAMPLE_RATE_HZ / streams
                for hop in range(hops):
                    await asyncio.sleep(
                        max(0.0, began + hop * HOP_SAMPLES / SAMPLE_RATE_HZ - time.monotonic())
                    )
                    if time.monotonic() > over:  # it could not keep up
                        break
                    at = hop * HOP_SAMPLES % (len(speech) // HOP_SAMPLES * HOP_SAMPLES)
                    if not at:  # it begins, or begins again as other sound
                        pcm = (unique(speech) * 32_767).astype("<i2")
                    sent.append(time.monotonic())
                    await socket.send(pcm[at : at + HOP_SAMPLES].tobytes())
                await socket.send(json.dumps({"type": "close"}))

            speaking = asyncio.create_task(speak())
            async for message in socket:
                if json.loads(message)["type"] == "score":
                    delays.append(time.monotonic() - sent[came])
                    came += 1
            await speaking
        missing += len(sent) - came

    await asyncio.gather(*(stream(number) for number in range(streams)))
    return delays, missing


if __name__ == "__main__":
    main()
