"""What listening costs: latency of a hop, share of a core, memory, time to the first score; and what it would cost to
score a whole window anew at every chunk, with the same bundle in the same run.

    python bench/live.py [--minutes 5] [--hours H]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from radd.bundle import load_detector  # noqa: E402
from radd.detector import WINDOW_HOPS  # noqa: E402
from radd.files import load_speech  # noqa: E402
from radd.types import HOP_SAMPLES, AudioChunk, seconds  # noqa: E402
from settings import load  # noqa: E402
from stream.monitor import Monitor  # noqa: E402

TARGETS = {"p99 of a hop, ms": 60, "share of one core, %": 10, "peak memory, MB": 300, "start to first score, s": 2}


def main() -> None:
    arguments = parse()
    settings = load()
    detector = load_detector(ROOT / settings.model.bundle, settings.model, settings.gate)
    speech = load_speech(ROOT / "assets" / "demo.flac")
    hops = int(arguments.minutes * 60 * 16_000) // HOP_SAMPLES
    rows = stream(detector, settings, speech, hops)
    rows["start to first score, s"] = float(np.median([first_score() for _ in range(5)]))
    print("| one live stream | measured | target |\n|---|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value:.2f} | {'at most ' + str(TARGETS[name]) if name in TARGETS else ''} |")
    per_hop = whole_windows(detector, speech)
    print(f"| a 4 s window anew at every chunk: median of a hop, ms | {per_hop:.2f} | |")
    print(f"| ... times what the stream needs | {per_hop / rows['p50 of a hop, ms']:.1f} | |")
    if arguments.hours:
        endurance(detector, settings, speech, arguments.hours)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5, help="of sound to measure on, default 5")
    parser.add_argument("--hours", type=float, default=0, help="of sound to follow the memory over, default none")
    return parser.parse_args()


def chunks(speech: np.ndarray, hops: int):
    """The demo recording over and over; shifted by one sample each time round, so that the cache cannot help."""
    n = len(speech) // HOP_SAMPLES - 1
    for k in range(hops):
        shift = k // n % HOP_SAMPLES
        begin = k % n * HOP_SAMPLES + shift
        yield AudioChunk(speech[begin : begin + HOP_SAMPLES], k * HOP_SAMPLES, arrived=time.monotonic())


def stream(detector, settings, speech: np.ndarray, hops: int) -> dict[str, float]:
    monitor = Monitor(detector, settings.decision, settings.alerts, str(uuid.uuid4()))
    taken, cpu = [], time.process_time()
    for chunk in chunks(speech, hops):
        begun = time.perf_counter()
        monitor.feed(chunk)
        taken.append(1000 * (time.perf_counter() - begun))
    share = 100 * (time.process_time() - cpu) / seconds(hops * HOP_SAMPLES)
    return {
        "p50 of a hop, ms": float(np.median(taken)),
        "p99 of a hop, ms": float(np.percentile(taken, 99)),
        "share of one core, %": share,
        "peak memory, MB": memory_mb(),
    }


def whole_windows(detector, speech: np.ndarray, hops: int = 60) -> float:
    taken = []
    for k in range(hops):
        window = speech[k * HOP_SAMPLES : (k + WINDOW_HOPS) * HOP_SAMPLES] + np.float32(1e-6 * k)
        begun = time.perf_counter()
        detector.push(detector.start(), window, longest=True)
        taken.append(1000 * (time.perf_counter() - begun))
    return float(np.median(taken))


def first_score() -> float:
    """Seconds from the start of detect.py to its first score line, on a file at the speed of its sound."""
    command = [sys.executable, ROOT / "detect.py", "--json", "--no-store", "--realtime", "--source", ROOT / "assets/demo.flac"]
    begun = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if json.loads(line)["type"] == "score":
                break
        taken = time.monotonic() - begun
        process.terminate()
    return taken


def endurance(detector, settings, speech: np.ndarray, hours: float) -> None:
    monitor = Monitor(detector, settings.decision, settings.alerts, str(uuid.uuid4()))
    per_hour = int(3600 * 16_000) // HOP_SAMPLES
    begun, last = time.monotonic(), 0
    print("\n| hours of sound | memory now, MB | alerts |\n|---|---|---|")
    alerts = 0
    for k, chunk in enumerate(chunks(speech, int(hours * per_hour)), 1):
        alerts += sum(type(event).__name__ == "Alert" for event in monitor.feed(chunk))
        if (mark := int(4 * k / per_hour)) > last:
            last = mark
            print(f"| {k / per_hour:.2f} | {resident_mb():.1f} | {alerts} |", flush=True)
    print(f"{hours:g} h of sound in {time.monotonic() - begun:.0f} s")


def memory_mb() -> float:
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6


def resident_mb() -> float:
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[1]) * resource.getpagesize() / 1e6 if pages.exists() else memory_mb()


if __name__ == "__main__":
    main()
