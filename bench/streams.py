"""How many live streams one core bears: latency from a chunk's arrival to its score, what is shed,
what each stream takes.

    taskset -c 0 python bench/streams.py [--seconds 20] [--rounds 3] [--streams 1 10 20 ...]
    [--together 40]

The streams run through detect.py's own loop, a thread a source, none kept, without a cache. Each
plays another part of the demo recording at the pace of its sound, a chunk of 128 ms each 128 ms.
They begin spread over 1.024 s, as calls do that have nothing to do with each other, and in the last
lines all at once: then all fill their blocks for the encoder together. The peer in the same run is
the same loop with one chunk a step: separate pushes without micro-batches.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event as Wait
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.settings import Settings, load
from radd.bundle import load_detector
from radd.encoder import BLOCK_SAMPLES
from radd.files import load_speech
from radd.parallel import processors
from radd.types import HOP_SAMPLES, AudioChunk, Detector, Score, Verdict, seconds
from stream.ending import Ending
from stream.event_journal import NoJournal
from stream.monitor import Monitor
from stream.run_counts import resident_mb
from stream.run_stream import Stream
from stream.runtime import Run, RunSettings

ROOT = Path(__file__).resolve().parent.parent

TARGET_STREAMS, TARGET_MS = 40, 50
TARGET_MB = 2
BLOCK_S = seconds(BLOCK_SAMPLES)
GOLDEN = 0.618034  # multiples of it spread evenly and never fall together
WARM_S = 5.0  # until windows are long and every stream has filled blocks
FURTHER = 40


class Paced:
    """A Source that plays `sound` over and over from its hop `first` on; `began` None: as fast as
    it is asked.
    """

    name, native_rate_hz, native_channels = "demo", 16_000, 1

    def __init__(self, sound: np.ndarray, first: int, hops: int, began: float | None):
        self.sound, self.first, self.hops, self.began = sound, first, hops, began
        self.chunks, self.stopped = 0, Wait()

    def __enter__(self) -> Paced:
        return self

    def __exit__(self, *exc) -> None:
        pass

    def __iter__(self) -> Iterator[AudioChunk]:
        whole = len(self.sound) // HOP_SAMPLES
        for k in range(self.hops):
            due = None if self.began is None else self.began + seconds((k + 1) * HOP_SAMPLES)
            if self.stopped.wait(0 if due is None else max(0.0, due - time.monotonic())):
                return
            self.chunks += 1
            at = (self.first + k) % whole * HOP_SAMPLES
            yield AudioChunk(self.sound[at : at + HOP_SAMPLES], k * HOP_SAMPLES, arrived=due)

    def stop(self) -> None:
        self.stopped.set()

    def stats(self) -> dict[str, int]:
        return {"chunks": self.chunks}


class Heard:
    """A display that keeps the latencies of the scores after WARM_S."""

    closed = False

    def __init__(self):
        self.latencies_ms: list[float] = []
        self.scores = self.measured = self.shed = 0

    def write(self, event, stream=None) -> None:
        if not isinstance(event, Score) or seconds(event.end) < WARM_S:
            return
        self.scores += 1
        self.measured += event.llr is not None
        if event.verdict is Verdict.SHED:
            self.shed += 1
        elif event.latency_ms is not None:
            self.latencies_ms.append(event.latency_ms)


class Measured(NamedTuple):
    p50_ms: float
    p99_ms: float
    shed: int
    scores: int
    measured: float
    """share of scores with a number"""
    share: float
    """of a core"""


def main() -> None:
    arguments = parse()
    settings = load(environ={})
    if arguments.resident is not None:
        print(resident(settings, *arguments.resident))
        return
    detector = load_detector(
        ROOT / settings.model.bundle, replace(settings.model, cache_blocks=0), settings.gate
    )
    sound = load_speech(ROOT / "assets" / "demo.flac")
    table(detector, settings, sound, arguments)
    print()
    memory()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seconds", type=float, default=20, help="of sound a stream and measurement, default 20"
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=3,
        help="whose medians are told, default 3; what is shed is added up",
    )
    parser.add_argument(
        "--streams", type=int, nargs="+", default=[1, 10, 20, 30, 40, 50], help="how many at once"
    )
    parser.add_argument(
        "--together", type=int, nargs="*", default=[40], help="... that begin at once"
    )
    parser.add_argument(
        "--resident", type=int, nargs=2, metavar=("STREAMS", "ALERTS"), help=argparse.SUPPRESS
    )
    return parser.parse_args()


def table(
    detector: Detector, settings: Settings, sound: np.ndarray, arguments: argparse.Namespace
) -> None:
    cores = processors()
    print(
        f"{cores} core{'s' * (cores > 1)}, load {os.getloadavg()[0]:.1f}; medians of "
        f"{arguments.rounds} rounds of {arguments.seconds:g} s of sound a stream\n"
    )
    print(
        "| live streams | begin | at once | p50, ms | p99, ms | hops shed | share of a core, % | "
        "with a number, % |"
    )
    print("|---|---|---|---|---|---|---|---|")
    borne = {}
    plans = [(streams, BLOCK_S) for streams in arguments.streams] + [
        (streams, 0.0) for streams in arguments.together
    ]
    for streams, spread_s in plans:
        for at_once in (settings.engine.streams_at_once, 1):
            rounds = [
                listen(detector, settings, sound, streams, spread_s, arguments.seconds, at_once)
                for _ in range(arguments.rounds)
            ]
            found = Measured(*np.median(rounds, axis=0))._replace(
                shed=sum(one.shed for one in rounds)
            )
            if spread_s:
                kept = found.p99_ms < TARGET_MS and not found.shed
                borne[at_once] = max(borne.get(at_once, 0), streams * kept)
            begin = "spread" if spread_s else "together"
            print(
                f"| {streams} | {begin} | {at_once} | {found.p50_ms:.1f} | {found.p99_ms:.1f} | "
                f"{found.shed} of {sum(one.scores for one in rounds)} | {100 * found.share:.0f} | "
                f"{100 * found.measured:.0f} |",
                flush=True,
            )
    told = " and ".join(f"{streams} with {at_once} in a step" for at_once, streams in borne.items())
    print(
        f"\nwith p99 under {TARGET_MS} ms and nothing shed: {told}; the target is {TARGET_STREAMS}"
    )


def listen(
    detector: Detector,
    settings: Settings,
    sound: np.ndarray,
    streams: int,
    spread_s: float,
    span_s: float,
    at_once: int,
) -> Measured:
    began, hops, heard = time.monotonic() + 0.5, round(span_s * 16_000 / HOP_SAMPLES), Heard()
    starts = [began + k * GOLDEN % 1 * spread_s for k in range(streams)]
    made = [
        stream_of(Paced(sound, 5 * k, hops, start), detector, settings)
        for k, start in enumerate(starts)
    ]
    cpu = time.process_time()
    with Ending() as ending:
        Run(
            made,
            detector,
            NoJournal,
            heard,
            ending,
            RunSettings(replace(settings.engine, streams_at_once=at_once)),
        ).listen()
    share = (time.process_time() - cpu) / span_s
    p50, p99 = (
        np.percentile(heard.latencies_ms, (50, 99)) if heard.latencies_ms else (np.nan, np.nan)
    )
    return Measured(
        p50, p99, heard.shed, heard.scores, heard.measured / max(1, heard.scores), share
    )


def stream_of(source: Paced, detector: Detector, settings: Settings) -> Stream:
    id = str(uuid.uuid4())
    return Stream(id, source, Monitor(detector, settings.decision, settings.alerts, id))


def memory() -> None:
    print(
        "| after 20 s of sound | resident, MB | each further stream, MB | target "
        "|\n|---|---|---|---|"
    )
    for alerts, name in ((0, "no alert open"), (1, "an alert of 20 s open in each")):
        one, many = (resident_of(streams, alerts) for streams in (1, 1 + FURTHER))
        print(
            f"| one stream, {name} | {one:.1f} | {(many - one) / FURTHER:.2f} | 200; {TARGET_MB} |",
            flush=True,
        )


def resident_of(streams: int, alerts: int) -> float:
    """`resident` in a process of its own, so that nothing but the streams differs; raises
    RuntimeError where it fails.
    """
    command = [sys.executable, __file__, "--resident", str(streams), str(alerts)]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        return float(done.stdout)
    except ValueError:
        said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise RuntimeError(
            f"{' '.join(command[1:])} ended with exit code {done.returncode}: {said[0]}"
        ) from None


def resident(settings: Settings, streams: int, alerts: int) -> float:
    """MB of this process after 20 s of so many streams, with an open alert in each or with none."""
    detector = load_detector(ROOT / settings.model.bundle, settings.model, settings.gate)
    sound = load_speech(ROOT / "assets" / "demo.flac")[60_000:380_000]
    most = settings.decision.max_llr
    decision = replace(
        settings.decision,
        drift_llr=0.0 if alerts else 0.99 * most,
        open_evidence=0.1 if alerts else 1000.0,
        close_bonafide_s=3600.0,
    )
    settings, found = replace(settings, decision=decision), []
    made = [
        stream_of(Paced(sound, 5 * k, len(sound) // HOP_SAMPLES, None), detector, settings)
        for k in range(streams)
    ]

    class Last(Heard):
        def write(self, event, stream=None) -> None:
            found.append(resident_mb()) if isinstance(event, Score) and event.end > len(
                sound
            ) - HOP_SAMPLES else None

    with Ending() as ending:
        Run(made, detector, NoJournal, Last(), ending, RunSettings(settings.engine)).listen()
    return max(found)


if __name__ == "__main__":
    main()
