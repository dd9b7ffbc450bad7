"""What one core of this machine can do at most, and what the networks ask of it: the floor below a
figure.

python bench/floor.py [--json FILE]
"""

from __future__ import annotations

import os
import sys

os.environ.update(
    OMP_NUM_THREADS="1",
    OPENBLAS_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    ORT_DISABLE_TELEMETRY="1",
)  # read when numpy and onnxruntime are imported

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from radd.types import HOP_SAMPLES, seconds

ROOT = Path(__file__).resolve().parent.parent

HOPS = 160  # of the demo recording, that the networks' operations are counted on
SIDE = 1024  # of the square matrices that are multiplied
LOAD_MB = 256  # that are read


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for other programs")
    out = parser.parse_args().json
    rate, (operations, by_kind) = operations_a_second(), asked_a_second()
    print(
        f"float32 multiplications of matrices: {rate / 1e9:.1f} billion operations a second on "
        "one core"
    )
    print(f"memory read: {bytes_a_second() / 1e9:.1f} GB/s")
    print(
        f"one live stream: {operations / 1e9:.3f} billion operations a second of sound, a floor of "
        f"{100 * operations / rate:.2f} % of a core; time by kind: {by_kind}"
    )
    if out:
        figures = {
            "operations, billion a second": rate / 1e9,
            "stream, billion operations a second": operations / 1e9,
            "stream, % of a core": 100 * operations / rate,
        }
        out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def timed(do: Callable) -> tuple[float, Any]:
    """Seconds of this thread's processor time, and what came out."""
    begun = time.thread_time()
    result = do()
    return time.thread_time() - begun, result


def operations_a_second() -> float:
    """Float32 operations, multiplications and additions, in the best of several products of
    matrices.
    """
    a = np.random.default_rng(0).standard_normal((SIDE, SIDE)).astype(np.float32)
    return 2 * SIDE**3 / min(timed(lambda: a @ a)[0] for _ in range(8))


def bytes_a_second() -> float:
    """That one thread reads from memory, in the best of several passes."""
    numbers = np.ones(LOAD_MB * 1_000_000 // 4, np.float32)
    return numbers.nbytes / min(timed(numbers.max)[0] for _ in range(5))


def asked_a_second() -> tuple[float, str]:
    """The operations of all networks in a second of one live stream, and in which kinds of layer
    the time goes.
    """
    from app.settings import load
    from radd.bundle import load_detector
    from radd.files import load_speech

    made, kept = onnxruntime.InferenceSession, []
    with tempfile.TemporaryDirectory() as scratch:

        def profiled(
            path: str, options: onnxruntime.SessionOptions, **others
        ) -> onnxruntime.InferenceSession:
            options.enable_profiling, options.profile_file_prefix = True, f"{scratch}/{len(kept)}"
            kept.append(made(path, options, **others))
            return kept[-1]

        onnxruntime.InferenceSession = profiled
        try:
            settings = load()
            detector = load_detector(ROOT / settings.model.bundle, settings.model, settings.gate)
        finally:
            onnxruntime.InferenceSession = made
        sound, state = load_speech(ROOT / "assets" / "demo.flac"), detector.start()
        hops = np.resize(sound, HOPS * HOP_SAMPLES).reshape(HOPS, HOP_SAMPLES)
        for hop in hops:
            detector.push(state, hop)
        events = [
            event
            for session in kept
            for event in json.loads(Path(session.end_profiling()).read_text())
        ]
    kernels = [
        event
        for event in events
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")
    ]
    if not kernels:
        raise SystemExit(
            "the networks' runtime has told nothing of its kernels: run this with [model] runtime "
            "onnx"
        )
    times = Counter()
    for event in kernels:
        times[event["args"]["op_name"]] += event["dur"]
    whole = sum(times.values())
    by_kind = ", ".join(
        f"{kind} {100 * taken / whole:.0f} %" for kind, taken in times.most_common(4)
    )
    return sum(operations(event["args"]) for event in kernels) / seconds(
        HOPS * HOP_SAMPLES
    ), by_kind


def operations(node: dict[str, Any]) -> float:
    """Multiplications and additions of a layer with weights; others count for nothing."""
    inputs, outputs = (
        [next(iter(told.values())) for told in node[key] if told]
        for key in ("input_type_shape", "output_type_shape")
    )
    kind = node["op_name"]
    if "Conv" in kind:
        return 2 * prod(outputs[0]) * prod(inputs[1][1:])
    if "MatMul" in kind or "Gemm" in kind:
        return 2 * prod(outputs[0]) * inputs[0][-1]
    if kind in ("LSTM", "GRU"):
        return 2 * prod(inputs[0][:2]) * (prod(inputs[1][1:]) + prod(inputs[2][1:]))
    return 0.0


if __name__ == "__main__":
    main()
