"""What listening costs: latency of a hop, share of a core, memory, time to the first score; and
what it would cost to score a whole window anew at every chunk, with the same bundle in the same
run.

    python bench/live.py [--minutes 5] [--hours H] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.settings import load
from radd.bundle import load_detector
from radd.detector import WINDOW_HOPS
from radd.files import load_speech
from radd.types import HOP_SAMPLES, AudioChunk, seconds
from stream.monitor import Monitor

ROOT = Path(__file__).resolve().parent.parent

TARGETS = {
    "p50 of a hop, ms": 3,
    "p99 of a hop, ms": 15,
    "share of one core, %": 2.5,
    "peak memory, MB": 200,
    "start to first score, s": 1,
}


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
        print(
            f"| {name} | {value:.2f} | "
            f"{'at most ' + str(TARGETS[name]) if name in TARGETS else ''} |"
        )
    anew = whole_windows(detector, speech)
    print(
        "| a 4 s window anew at every chunk: median of a hop, ms | "
        f"{anew['p50 of a hop, ms']:.2f} | |"
    )
    print(
        "| ... its share of one core, times what the stream needs | "
        f"{anew['share of one core, %'] / rows['share of one core, %']:.1f} | |"
    )
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"stream": rows, "windows anew": anew}, indent=1) + "\n", encoding="utf-8"
        )
    if arguments.hours:
        endurance(detector, settings, speech, arguments.hours)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes", type=float, default=5, help="of sound to measure on, default 5"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for other programs")
    parser.add_argument(
        "--hours", type=float, default=0, help="of sound to follow the memory over, default none"
    )
    return parser.parse_args()


def chunks(speech: np.ndarray, hops: int):
    """The demo recording over and over; shifted by one sample each time round, so that the cache
    cannot help.
    """
    n = len(speech) // HOP_SAMPLES - 1
    for k in range(hops):
        shift = k // n % HOP_SAMPLES
        begin = k % n * HOP_SAMPLES + shift
        yield AudioChunk(
            speech[begin : begin + HOP_SAMPLES], k * HOP_SAMPLES, arrived=time.monotonic()
        )


def stream(detector, settings, speech: np.ndarray, hops: int) -> dict[str, float]:
    monitor = Monitor(detector, settings.decision, settings.alerts, str(uuid.uuid4()))
    hop = iter(chunks(speech, hops))
    return timed(lambda: monitor.feed(next(hop)), hops) | {"peak memory, MB": memory_mb()}


def whole_windows(detector, speech: np.ndarray, hops: int = 60) -> dict[str, float]:
    windows = (
        speech[k * HOP_SAMPLES : (k + WINDOW_HOPS) * HOP_SAMPLES] + np.float32(1e-6 * k)
        for k in range(hops)
    )
    return timed(lambda: detector.push(detector.start(), next(windows), longest=True), hops)


def timed(do: Callable[[], object], hops: int) -> dict[str, float]:
    """What a hop takes that `do` does: by the clock and, where others use the machine too, of the
    processor.
    """
    clock, processor = [], []
    for _ in range(hops):
        begun = time.perf_counter(), time.process_time()
        do()
        clock.append(1000 * (time.perf_counter() - begun[0]))
        processor.append(1000 * (time.process_time() - begun[1]))
    return {
        "p50 of a hop, ms": float(np.median(clock)),
        "p99 of a hop, ms": float(np.percentile(clock, 99)),
        "p50 of a hop, processor time, ms": float(np.median(processor)),
        "p99 of a hop, processor time, ms": float(np.percentile(processor, 99)),
        "share of one core, %": 100 * sum(processor) / 1000 / seconds(hops * HOP_SAMPLES),
    }


def first_score() -> float:
    """Seconds from the start of detect.py to its first score line, on a file at the speed of its
    sound.
    """
    command = [
        sys.executable,
        ROOT / "detect.py",
        "--json",
        "--no-store",
        "--realtime",
        "--source",
        ROOT / "assets/demo.flac",
    ]
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
    return (
        int(pages.read_text().split()[1]) * resource.getpagesize() / 1e6
        if pages.exists()
        else memory_mb()
    )


if __name__ == "__main__":
    main()
