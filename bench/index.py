"""What retrieval costs at 10 thousand, 100 thousand and a million references, and whether it still
finds the nearest.

    python bench/index.py [--sizes 10000 100000 1000000] [--queries 300] [--bundle DIR] [--json
    FILE]

References are the bundle's own embeddings of real and fake speech; beyond those that there are,
jittered copies, each as far from its original as an embedding's nearest neighbour is in the median.
Queries are embeddings of the bundle that were left out, so no copy of them is there. Each index is
written and loaded as a bundle's is. Beside it, in the same run, the exact search of the same
references. Time is processor time of one thread, so that other programs count as little as
possible.
"""

from __future__ import annotations

import os
import sys

os.environ.update(
    OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1"
)  # read when numpy is imported

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from floor import bytes_a_second, timed

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evaluation.tables import markdown
from radd.bundle import REFERENCES, VECTORS
from radd.confirmed_side import RecordingKey
from radd.index import BundleIndex
from radd.index_sides import LABELS, ExactSide
from radd.overlay import Overlay
from radd.references import Reference, References, read_references, write_references

ROOT = Path(__file__).resolve().parent.parent

NEIGHBOURS = 10
CHANGED = 1000  # references that go, and that are confirmed, at once
TARGETS_MS = {10_000: 1.0, 100_000: 1.0, 1_000_000: 2.0}
EXACT_QUERIES = 60


def main() -> None:
    arguments = parse()
    results = [measured(n, arguments.bundle, arguments.queries) for n in arguments.sizes]
    print(
        markdown(
            ["references", *(f"{n:,}" for n in arguments.sizes)],
            [[name, *(shown(result[name]) for result in results)] for name in results[0]],
        )
    )
    if arguments.json:
        arguments.json.write_text(
            json.dumps(dict(zip(arguments.sizes, results, strict=True)), indent=1) + "\n"
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=list(TARGETS_MS), metavar="N")
    parser.add_argument(
        "--queries",
        type=int,
        default=300,
        metavar="N",
        help="embeddings that are left out, default 300",
    )
    parser.add_argument("--bundle", type=Path, default=ROOT / "models" / "default", metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for other programs")
    return parser.parse_args()


def measured(n: int, bundle: Path, queries: int) -> dict[str, Any]:
    """All figures of an index of n references, by name."""
    asked, vectors, references = population(n, bundle, queries)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        np.save(directory / VECTORS, vectors)
        write_references(directory / REFERENCES, references)
        known = References(references)
        made_s, index = timed(lambda: BundleIndex("bench", vectors, known))
        index.save_clusters(directory)
        load_s, index = timed(
            lambda: BundleIndex.load(directory / VECTORS, directory / REFERENCES, "bench", "bench")
        )
        searched = latencies(index.search, asked)
        gone = {r.id for r in references[:CHANGED]}
        without_s, fewer = timed(lambda: index.without(gone))
        after = latencies(fewer.search, asked)
        confirm_s = confirming(vectors, known, asked)
        exact = [vectors[known.labels == label].astype(np.float32) for label in LABELS]
        peers = [
            ExactSide(side, known.part(np.flatnonzero(known.labels == label)))
            for label, side in zip(LABELS, exact, strict=True)
        ]
        exactly = latencies(
            lambda v, k: [peer.nearest(v, k) for peer in peers], asked[:EXACT_QUERIES]
        )
        rate = bytes_a_second()
        held, mapped = np.sum([side.memory() for side in index.sides], axis=0) / 1e6
        return {
            "searched": index.sides[0].kind,
            "search, p50, ms": np.median(searched),
            "search, p99, ms": np.percentile(searched, 99),
            "... target": TARGETS_MS.get(n, "none"),
            "... its floor, ms": 1000 * sum(side.scanned_bytes for side in index.sides) / rate,
            "exact search, p50, ms": np.median(exactly),
            "exact search, p99, ms": np.percentile(exactly, 99),
            "... its floor then, ms": 1000 * 4 * vectors.size / rate,
            "recall@10": recall(index, exact, asked),
            "memory, MB": held,
            "mapped from disk, MB": mapped,
            "making, s": made_s,
            "loading, s": load_s,
            f"removing {CHANGED:,}, ms": 1000 * without_s,
            "search then, p99, ms": np.percentile(after, 99),
            f"confirming {CHANGED:,} more beside as many confirmed ones, ms": 1000 * confirm_s,
        }


def population(
    n: int, bundle: Path, queries: int
) -> tuple[np.ndarray, np.ndarray, list[Reference]]:
    """Queries float32 (queries, width); vectors float16 (n, width) and their references."""
    rng = np.random.default_rng(0)
    known, told = (
        np.load(bundle / VECTORS).astype(np.float32),
        list(read_references(bundle / REFERENCES)),
    )
    order = rng.permutation(len(known))
    asked, chosen = known[order[:queries]], order[queries:][:n]
    some = known[chosen[:2000]]
    similar = some @ known[chosen].T
    similar[np.arange(len(some)), np.arange(len(some))] = -1
    near = float(np.median(similar.max(axis=1)))
    copied = rng.choice(chosen, max(0, n - len(chosen)))
    vectors = np.empty((n, known.shape[1]), np.float16)
    vectors[: len(chosen)] = known[chosen]
    for begin in range(0, len(copied), 50_000):
        original = known[copied[begin : begin + 50_000]]
        noise = rng.standard_normal(original.shape, np.float32)
        noise -= (noise * original).sum(axis=1, keepdims=True) * original
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        at = len(chosen) + begin
        vectors[at : at + len(original)] = near * original + np.sqrt(1 - near**2) * noise
    references = [told[i] for i in chosen] + [
        replace(told[i], id=f"copy-{k}") for k, i in enumerate(copied)
    ]
    return asked, vectors, references


def latencies(search: Callable, asked: np.ndarray) -> list[float]:
    """Of each query once, ms; the first ten are asked before, to wake the memory."""
    for v in asked[:10]:
        search(v, NEIGHBOURS)
    return [1000 * timed(lambda v=v: search(v, NEIGHBOURS))[0] for v in asked]


def confirming(vectors: np.ndarray, known: References, asked: np.ndarray) -> float:
    """Seconds until CHANGED newly confirmed references are in an overlay of all these."""
    there = {
        id: RecordingKey(label, None, 1)
        for id, label in zip((r.id for r in known), known.labels.tolist(), strict=True)
    }
    overlay = Overlay.empty("bench").changed(1, there, known, vectors, frozenset())
    came = References(Reference(f"new-{k}", "spoof", "-", "-", "-", 0.0) for k in range(CHANGED))
    fresh = np.resize(asked, (CHANGED, asked.shape[1]))
    then = there | {f"new-{k}": RecordingKey("spoof", None, 1) for k in range(CHANGED)}
    return timed(lambda: overlay.changed(2, then, came, fresh, frozenset()))[0]


def recall(index: BundleIndex, exact: list[np.ndarray], asked: np.ndarray) -> float:
    """Share of the true nearest of each side that are found, by their similarities."""
    found = []
    for vectors, hits in zip(
        exact, zip(*(index.sides_near(v, NEIGHBOURS) for v in asked), strict=True), strict=True
    ):
        least = np.full((len(asked), NEIGHBOURS), -2, np.float32)
        for begin in range(0, len(vectors), 20_000):
            both = np.concatenate([least, asked @ vectors[begin : begin + 20_000].T], axis=1)
            least = np.partition(both, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
        found += [
            np.mean([s >= limit - 1e-5 for s, _ in near])
            for near, limit in zip(hits, least.min(axis=1), strict=True)
        ]
    return float(np.mean(found))


def shown(value: Any) -> str:
    return (
        str(value) if isinstance(value, str) else f"{value:.4g}" if value < 100 else f"{value:,.0f}"
    )


if __name__ == "__main__":
    main()
