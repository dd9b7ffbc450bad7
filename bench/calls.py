"""How many calls detect.py takes in: two-track Twilio calls in real time; calls that come and go.

    python bench/calls.py [--bundle models/default] [--calls 2 4 8] [--seconds 20] [--comers 100]
    python bench/calls.py --full

The daemon is detect.py itself, in a process of its own, with a listener on loopback. The simulator
is another process: it sends a recording as mu-law in frames of 20 ms, on both tracks of each call,
at the pace of the sound, and measures its own share of a processor. A line for each number of calls
says whether every frame was judged, and how long after its arrival. Then `--comers` calls, five in
a second, connect and hang up at random, and what is left of them is counted: memory, threads, open
files. Last, a daemon with database and webhook takes two calls: how long after its alert a webhook
arrives.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import multiprocessing
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import numpy as np
import websockets
from alerts import SECRET, receiver

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evaluation.tables import markdown
from radd.files import load_speech
from radd.resampling import resample
from radd.types import SAMPLE_RATE_HZ
from stream.capture.pcm import G711

ROOT = Path(__file__).resolve().parent.parent
FRAME = 160  # samples of 20 ms at 8 kHz
PORT = int(os.environ.get("BENCH_CALLS_PORT", "9843"))
URL = f"ws://127.0.0.1:{PORT}/calls"
TRACKS = ("inbound", "outbound")
APART = 37  # frames between the beginnings of two tracks in the recording: no two are alike
WARM_S = 3.0
Firsts = tuple[int, int]
"""the frame of the recording with which each track begins"""
TARGET_MS = 300
COMERS_PER_S, LONGEST_COMER_S, PARTS, FIRST = 5, 4.0, 5, 8
QUICK, FULL = ([1, 2, 4], 15, 100), ([4, 8, 12, 16, 20, 25], 60, 500)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", default="models/default")
    parser.add_argument("--calls", type=int, nargs="+", default=QUICK[0])
    parser.add_argument("--seconds", type=int, default=QUICK[1])
    parser.add_argument("--comers", type=int, default=QUICK[2])
    parser.add_argument("--full", action="store_true", help="25 calls, a minute each; 500 comers")
    asked = parser.parse_args()
    if asked.full:
        asked.calls, asked.seconds, asked.comers = FULL
    frames = mulaw_frames(load_speech(ROOT / "assets/demo.flac"))
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load} before this bench, bundle {asked.bundle}\n")
    with daemon(asked.bundle, 4 * max(asked.calls) + 40) as out:
        simulate(frames, 1, WARM_S)
        rows = [in_real_time(frames, calls, asked.seconds, out) for calls in asked.calls]
        heads = ("calls", "streams", "frames lost", "hops shed", "p50 ms", "p99 ms")
        heads += ("core per stream", "core for simulator")
        print(markdown(heads, rows))
        heads, rows = coming_and_going(frames, asked.comers, out)
        print("\n" + markdown(heads, rows) + "\n")
    print(webhooks(frames, 2, asked.seconds, asked.bundle))


def mulaw_frames(sound: np.ndarray) -> list[str]:
    """A recording, float32 (n,), as frames of 20 ms of mu-law in base64."""
    table = G711["mulaw"]
    order = np.argsort(table, kind="stable")
    narrow = resample(sound, SAMPLE_RATE_HZ, 8_000)
    codes = order[np.searchsorted(table[order], narrow).clip(0, 255)].astype(np.uint8).tobytes()
    whole = range(0, len(codes) - FRAME + 1, FRAME)
    return [base64.b64encode(codes[at : at + FRAME]).decode() for at in whole]


class Output:
    """What the daemon printed, and how much of it was looked at."""

    def __init__(self, path: Path, process: subprocess.Popen):
        self._path, self.process, self._at = path, process, 0

    def since(self) -> list[dict]:
        """The objects since the last call."""
        data = self._path.read_bytes()
        end = data.rfind(b"\n") + 1
        fresh, self._at = data[self._at : end], end
        return [json.loads(line) for line in fresh.splitlines()]

    def until_stopped(self, streams: int) -> list[dict]:
        """The objects until as many streams have ended."""
        found: list[dict] = []
        while sum(one["type"] == "stopped" for one in found) < streams:
            if self.process.poll() is not None:
                raise SystemExit(f"detect.py ended with {self.process.returncode}")
            time.sleep(0.2)
            found += self.since()
        return found

    def cpu_s(self) -> float:
        """Processor seconds that the daemon has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def until_calm(self) -> tuple[int, int]:
        """How many streams have begun and ended, once as many have ended as begun."""
        kinds: list[str] = []
        while not kinds or kinds.count("started") > kinds.count("stopped"):
            time.sleep(0.5)
            kinds += [one["type"] for one in self.since()]
        return kinds.count("started"), kinds.count("stopped")

    def counts(self) -> dict[str, int]:
        """What the daemon holds: memory in MB, threads, open files."""
        proc = Path(f"/proc/{self.process.pid}")
        pages = int((proc / "statm").read_text().split()[1])
        return {
            "memory": round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6),
            "threads": len(os.listdir(proc / "task")),
            "files": len(os.listdir(proc / "fd")),
        }


@contextmanager
def daemon(bundle: str, streams: int, webhook: str = "") -> Iterator[Output]:
    """detect.py that listens, with its output in a file; stores only what it sends to `webhook`."""
    command = [sys.executable, str(ROOT / "detect.py"), "--json", "--bundle", bundle]
    command += [] if webhook else ["--no-store"]
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "events.jsonl"
        environ = os.environ | {"RADD_CALLS_STREAMS": str(streams), "PYTHONPATH": str(ROOT)}
        environ |= {"RADD_CALLS_RECONNECT_S": "1", "RADD_MODEL_CACHE_BLOCKS": "0"}
        environ |= {"RADD_STORAGE_URL": f"sqlite:///{work}/radd.db"}
        environ |= {"RADD_NOTIFY_WEBHOOK": webhook, "RADD_NOTIFY_WEBHOOK_SECRET": SECRET}
        with path.open("wb") as file:
            process = subprocess.Popen(
                [*command, "--listen", f"twilio://127.0.0.1:{PORT}/calls"],
                stdout=file,
                env=environ,
                cwd=ROOT,
            )
        try:
            wait_for_port(process)
            yield Output(path, process)
        finally:
            process.terminate()
            process.wait()


def wait_for_port(process: subprocess.Popen) -> None:
    """Until the daemon listens."""
    while process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", PORT)) == 0:
                return
        time.sleep(0.2)
    raise SystemExit(f"detect.py ended with {process.returncode}")


def in_real_time(frames: list[str], calls: int, for_s: float, out: Output) -> tuple[str, ...]:
    """One row: so many calls at once."""
    out.since()
    spent_s = out.cpu_s()
    share = simulate(frames, calls, for_s)
    objects = out.until_stopped(calls * len(TRACKS))
    cores = (out.cpu_s() - spent_s) / for_s / (calls * len(TRACKS))
    totals = [one["totals"] for one in objects if one["type"] == "stopped"]
    sent_s = round(for_s * 50) / 50
    lost = sum(round((sent_s - one["sound_s"]) * 50) for one in totals)
    lost += sum(one["drops"] + round(one["lost_s"] * 50) for one in totals)
    ms = [one["latency_ms"] for one in objects if one["type"] == "score" and one["latency_ms"]]
    p50, p99 = np.percentile(ms, (50, 99))
    shed = sum(one["shed_hops"] + one["brief_hops"] for one in totals)
    ms_told = f"{p50:.0f}", f"{p99:.0f}"
    numbers = (calls, len(totals), lost, shed, *ms_told, f"{cores:.1%}", f"{share:.0%}")
    return tuple(map(str, numbers))


def coming_and_going(frames: list[str], calls: int, out: Output) -> tuple[tuple, list]:
    """What is left of calls that connect and hang up at random: before, and after each part."""
    out.since()
    simulate(frames, FIRST, 1.0, seed=0)
    begun, ended = out.until_calm()
    held = out.counts()
    heads = ("calls", "streams begun", "ended", *held)
    rows = [(str(FIRST), str(begun), str(ended), *_words(held))]
    for part in range(1, PARTS + 1):
        simulate(frames, calls // PARTS, calls / PARTS / COMERS_PER_S, seed=part)
        more_begun, more_ended = out.until_calm()
        time.sleep(1)
        begun, ended = begun + more_begun, ended + more_ended
        come = FIRST + part * (calls // PARTS)
        rows.append((str(come), str(begun), str(ended), *_words(out.counts())))
    return heads, rows


def _words(counts: dict[str, int]) -> list[str]:
    return [f"{count} MB" if name == "memory" else str(count) for name, count in counts.items()]


def webhooks(frames: list[str], calls: int, for_s: float, bundle: str) -> str:
    """How long after an alert opened its webhook arrived."""
    took_ms: list[float] = []

    def taken(message: dict) -> None:
        if message["type"] == "alert.open":
            made = datetime.fromisoformat(message["time"]).timestamp()
            took_ms.append(1_000 * (time.time() - made))

    server = receiver(taken)
    with daemon(bundle, 4 * calls, f"http://127.0.0.1:{server.server_port}") as out:
        simulate(frames, calls, for_s)
        objects = out.until_stopped(calls * len(TRACKS))
    server.shutdown()
    opened = sum(one["type"] == "alert" and one["state"] == "open" for one in objects)
    if not took_ms:
        return "no alert was raised: nothing is known of webhooks"
    p50, p99 = np.percentile(took_ms, (50, 99))
    arrived = f"{len(took_ms)} webhooks for {opened} alerts of {calls} calls"
    return f"{arrived}: after {p50:.0f} ms (p50), {p99:.0f} ms (p99; target < {TARGET_MS})"


def simulate(frames: list[str], calls: int, for_s: float, seed: int | None = None) -> float:
    """Run the simulator in a process of its own; its share of a core."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=simulator, args=(frames, calls, for_s, seed, sending))
    process.start()
    sending.close()  # so that a simulator that dies ends the wait
    share = receiving.recv()
    process.join()
    return share


def simulator(frames: list[str], calls: int, for_s: float, seed: int | None, sending) -> None:
    """Send calls for `for_s`, or with a seed calls that begin at random within it; tells its
    share.
    """
    began = time.perf_counter()
    asyncio.run(send_all(frames, calls, for_s, seed))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    sending.send((usage.ru_utime + usage.ru_stime) / (time.perf_counter() - began))


async def send_all(frames: list[str], calls: int, for_s: float, seed: int | None) -> None:
    rng, stamp = random.Random(seed), time.time_ns()
    async with asyncio.TaskGroup() as group:
        for number in range(calls):
            lasts_s = for_s if seed is None else rng.uniform(0, LONGEST_COMER_S)
            waits_s = number / calls if seed is None else rng.uniform(0, for_s)
            breaks = seed is not None and rng.random() < 0.5
            call = f"CA{stamp}-{number}"
            firsts = APART * 2 * number, APART * (2 * number + 1)
            group.create_task(send_call(frames, call, waits_s, lasts_s, breaks, firsts))


async def send_call(
    frames: list[str], call: str, waits_s: float, lasts_s: float, breaks: bool, firsts: Firsts
) -> None:
    """One call at the pace of its sound; less if the daemon has no place for it or its tracks: it
    says so on stderr.
    """
    await asyncio.sleep(waits_s)
    with suppress(websockets.InvalidStatus, websockets.ConnectionClosed):
        async with websockets.connect(URL, compression=None, open_timeout=30) as connection:
            await send_sound(connection, frames, call, lasts_s, firsts)
            if not breaks:
                await connection.send(json.dumps({"event": "stop"}))
                await connection.wait_closed()


async def send_sound(
    connection: websockets.ClientConnection,
    frames: list[str],
    call: str,
    lasts_s: float,
    firsts: Firsts,
) -> None:
    start = {"callSid": call, "tracks": TRACKS}
    await connection.send(json.dumps({"event": "start", "start": start}))
    began = time.monotonic()
    for number in range(round(lasts_s * 50)):
        await asyncio.sleep(max(0.0, began + number / 50 - time.monotonic()))
        for track, first in zip(TRACKS, firsts, strict=True):
            media = {"track": track, "chunk": str(number + 1), "timestamp": str(20 * number)}
            media["payload"] = frames[(first + number) % len(frames)]
            await connection.send(json.dumps({"event": "media", "media": media}))


if __name__ == "__main__":
    main()
