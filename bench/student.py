"""What a small network costs on each runtime beside the detector that taught it.

    python bench/student.py [--bundle DIR] [--teacher DIR] [--sound FILE] [--metrics RUNTIME=FILE
    ...]

All listen to the same sound in turns, hop by hop as detect.py does, speech detection included.
Times are of the processor, on one core. `--metrics` adds the error rates that evaluate.py measured
on a runtime; `teacher=FILE` is the teacher's.
"""

from __future__ import annotations

import os

os.environ.update(
    OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1"
)  # read when numpy is imported

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.settings import load
from evaluation.tables import interval, markdown, number
from radd.bundle import NETWORK, load_detector
from radd.errors import RaddError
from radd.files import load_speech
from radd.inference import RUNTIMES, file_for
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ, Detector

ROOT = Path(__file__).resolve().parent.parent

TEACHER = "teacher"
PIECE_HOPS = 40  # 5.12 s: a whole number of the windows that both judge


def main() -> int:
    arguments = parse()
    try:
        print(table(arguments))
    except RaddError as error:
        print(f"bench/student.py: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--bundle",
        type=Path,
        default=ROOT / "models" / "student",
        metavar="DIR",
        help="with a file for each runtime",
    )
    add("--teacher", type=Path, default=ROOT / "models" / "default", metavar="DIR")
    add(
        "--sound",
        type=Path,
        default=ROOT / "assets" / "demo.flac",
        metavar="FILE",
        help="of 11 s at least",
    )
    add(
        "--metrics",
        type=measured,
        action="append",
        default=[],
        metavar="RUNTIME=FILE",
        help="metrics.json of evaluate.py",
    )
    return parser.parse_args()


def measured(text: str) -> tuple[str, dict]:
    name, _, file = text.partition("=")
    if name not in (*RUNTIMES, TEACHER):
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected RUNTIME=FILE with one of {', '.join(RUNTIMES)}, {TEACHER}"
        )
    try:
        return name, json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def table(arguments: argparse.Namespace) -> str:
    """The table as Markdown, a row a runtime and the teacher last."""
    settings, metrics = load(), dict(arguments.metrics)
    model = replace(settings.model, cache_blocks=0)
    bundles = {runtime: arguments.bundle for runtime in RUNTIMES} | {TEACHER: arguments.teacher}
    detectors = {
        name: load_detector(
            bundle, replace(model, runtime=name if name in RUNTIMES else "auto"), settings.gate
        )
        for name, bundle in bundles.items()
    }
    costs = milliseconds(detectors, load_speech(arguments.sound))
    rows = []
    for name, bundle in bundles.items():
        networks = [file_for(bundle / NETWORK, name)] if name in RUNTIMES else bundle.glob("*.onnx")
        size = sum(file.stat().st_size for file in networks)
        known = metrics.get(name, {})
        rows.append(
            [
                name,
                *error_rates(known),
                f"{size / 1000:,.0f}",
                f"{costs[name]:.2f}",
                f"{costs[TEACHER] / costs[name]:.1f}",
            ]
        )
    return markdown(
        [
            "runs on",
            "EER, %",
            "95 % interval",
            "Cllr, bit",
            "networks, kB",
            "ms a second of sound",
            "times cheaper",
        ],
        rows,
    )


def milliseconds(detectors: dict[str, Detector], sound: np.ndarray) -> dict[str, float]:
    """By name, the median processor time that a second of `sound` costs, float32 (samples,), 16
    kHz.
    """
    hops = sound[: len(sound) // (PIECE_HOPS * HOP_SAMPLES) * PIECE_HOPS * HOP_SAMPLES].reshape(
        -1, HOP_SAMPLES
    )
    states = {name: detector.start() for name, detector in detectors.items()}
    taken: dict[str, list[float]] = {name: [] for name in detectors}
    for piece in np.split(hops, len(hops) // PIECE_HOPS):
        for name, detector in detectors.items():
            begun = time.process_time()
            for hop in piece:
                detector.push(states[name], hop, gated=False)
            taken[name].append(1000 * (time.process_time() - begun) / (piece.size / SAMPLE_RATE_HZ))
    return {
        name: float(np.median(times[1:])) for name, times in taken.items()
    }  # windows are short in the first piece


def error_rates(known: dict) -> list[str]:
    return [
        number(known.get("eer_percent"), 1),
        interval(known.get("eer_percent_ci95"), 1),
        number(known.get("cllr_bits"), 2),
    ]


if __name__ == "__main__":
    sys.exit(main())
