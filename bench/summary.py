"""One table of what speed and size are worth: each question, its target, what was measured, and
beside it its peer in the same run.

    make bench                            or: python bench/summary.py [--quick]
    make bench ARGS="--corpus DIR --aasist DIR --weights FILE"

Each line comes from a program of its own (bench/README.md), which prints more. --corpus names a
corpus with protocol.eval.txt and flac/; the eval side says whether what is fast is also right.
--aasist and --weights name the checkout of AASIST that bench/offline.py asks for. What is not given
is left out, and the table says so. Below the table stands, for every line that misses its target,
the floor: operations over this core's measured rate of multiplying matrices, or bytes over its
measured bandwidth.
"""

from __future__ import annotations

import os

os.environ.update(
    OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1"
)  # read when numpy is imported

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import streams as many
from index import TARGETS_MS

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.settings import load
from evaluation.tables import markdown
from radd.bundle import load_detector
from radd.files import load_speech

ROOT = Path(__file__).resolve().parent.parent

HEADER = ("question", "target", "median", "p99 or figure", "peer in the same run", "met")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table; what was left out has no figures and says why."""

    question: str
    target: str
    median: str = ""
    figure: str = ""
    peer: str = ""
    met: bool | None = None
    floor: str = ""

    def cells(self) -> list[str]:
        met = "" if self.met is None else "yes" if self.met else "no"
        return [self.question, self.target, self.median, self.figure, self.peer, met]


def main() -> int:
    arguments = parse()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch), arguments)
        lines = [
            *live(bench),
            *streams(bench),
            *offline(bench),
            *accuracy(bench),
            *retrieval(bench),
        ]
        print(markdown(HEADER, [line.cells() for line in lines]))
        missed = [line for line in lines if line.met is False]
        if missed:
            print("\nFloors of what missed its target:\n")
            for line in missed:
                print(f"- {line.question}: {line.floor or 'none is known'}")
        for told in bench.problems:
            print(f"\n{told}", file=sys.stderr)
    return 1 if bench.problems else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="shorter runs: figures are rougher, and no million references",
    )
    parser.add_argument(
        "--corpus", type=Path, metavar="DIR", help="folder that holds protocol.eval.txt and flac/"
    )
    parser.add_argument(
        "--aasist", type=Path, metavar="DIR", help="folder that holds models/AASIST.py"
    )
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="that a config/*.conf there names"
    )
    parser.add_argument(
        "--clips",
        type=int,
        default=60,
        metavar="N",
        help="of the eval side for the peers, default 60",
    )
    return parser.parse_args()


class Bench:
    """Runs the programs and reads what they measured."""

    def __init__(self, scratch: Path, arguments: argparse.Namespace):
        self._scratch, self.arguments = scratch, arguments
        self.problems: list[str] = []

    def figures(self, program: str, *options: object) -> dict[str, Any] | None:
        """What `program --json` wrote; None where it failed, which is told at the end."""
        out = self._scratch / f"{Path(program).stem}.json"
        print(f"running {program}", file=sys.stderr, flush=True)
        command = [sys.executable, program, *map(str, options), "--json", str(out)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode or not out.exists():
            said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
            self.problems.append(f"{program} ended with exit code {done.returncode}: {said[0]}")
            return None
        return json.loads(out.read_text(encoding="utf-8"))

    def scored(self, protocol: Path, audio: Path) -> dict[str, Any] | None:
        """The metrics of `evaluate.py score`; None where it failed."""
        out = self._scratch / "run"
        print("running evaluate.py score", file=sys.stderr, flush=True)
        command = [
            sys.executable,
            "evaluate.py",
            "score",
            "--protocol",
            protocol,
            "--audio",
            audio,
            "--out",
            out,
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            self.problems.append(
                f"evaluate.py score ended with exit code {done.returncode}: {done.stderr.strip()}"
            )
            return None
        return json.loads((out / "metrics.json").read_text(encoding="utf-8"))

    def floor(self) -> dict[str, float] | None:
        """Of bench/floor.py, asked once."""
        if not hasattr(self, "_floor"):
            self._floor = self.figures("bench/floor.py")
        return self._floor


def left_out(question: str, target: str, why: str) -> Line:
    return Line(question, target, figure=f"left out: {why}")


def live(bench: Bench) -> list[Line]:
    asked = (
        ("CPU share of one core, one live stream", "at most 2.5 %"),
        ("chunk to score, p50 and p99", "3 and 15 ms"),
        ("start of detect.py to first score", "1 s"),
        ("peak memory of one stream", "200 MB"),
    )
    told = bench.figures("bench/live.py", "--minutes", 1 if bench.arguments.quick else 3)
    if told is None:
        return [left_out(*pair, "bench/live.py failed") for pair in asked]
    ours, anew = told["stream"], told["windows anew"]
    share, p50, p99 = (
        ours[name] for name in ("share of one core, %", "p50 of a hop, ms", "p99 of a hop, ms")
    )
    busy50, busy99 = (ours[f"{p} of a hop, processor time, ms"] for p in ("p50", "p99"))
    start, memory = ours["start to first score, s"], ours["peak memory, MB"]
    floor = bench.floor() if share > 2.5 or p50 > 3 or p99 > 15 else None
    least = (
        ""
        if floor is None
        else (
            f"{floor['stream, billion operations a second']:.2f} billion operations a second of "
            f"sound over {floor['operations, billion a second']:.0f} billion a second are "
            f"{floor['stream, % of a core']:.2f} % of a core"
        )
    )
    return [
        Line(
            *asked[0],
            figure=f"{share:.2f} %",
            peer=f"a 4 s window anew: {anew['share of one core, %']:.0f} %",
            met=share <= 2.5,
            floor=f"{least}; measured {share:.2f} %",
        ),
        Line(
            *asked[1],
            f"{p50:.2f} ms",
            f"{p99:.1f} ms",
            f"a 4 s window anew: {anew['p50 of a hop, ms']:.1f} and "
            f"{anew['p99 of a hop, ms']:.1f} ms",
            p50 <= 3 and p99 <= 15,
            f"{least}; of the processor's time a hop took {busy50:.2f} and {busy99:.1f} ms",
        ),
        Line(
            *asked[2],
            f"{start:.2f} s",
            met=start <= 1,
            floor="imports and loading of networks, no arithmetic",
        ),
        Line(
            *asked[3],
            figure=f"{memory:.0f} MB",
            met=memory <= 200,
            floor="runtimes and the files of the bundle",
        ),
    ]


def streams(bench: Bench) -> list[Line]:
    print("running bench/streams.py", file=sys.stderr, flush=True)
    span_s = 10 if bench.arguments.quick else 20
    settings = load(environ={})
    detector = load_detector(
        ROOT / settings.model.bundle, replace(settings.model, cache_blocks=0), settings.gate
    )
    sound = load_speech(ROOT / "assets" / "demo.flac")
    with one_core():
        ours, alone = (
            many.listen(
                detector, settings, sound, many.TARGET_STREAMS, many.BLOCK_S, span_s, at_once
            )
            for at_once in (settings.engine.streams_at_once, 1)
        )
    floor = bench.floor()
    least = (
        ""
        if floor is None
        else f"{many.TARGET_STREAMS} times {floor['stream, % of a core']:.2f} % of a core"
    )
    return [
        Line(
            f"{many.TARGET_STREAMS} live streams on one core",
            f"p99 under {many.TARGET_MS} ms, nothing shed",
            f"{ours.p50_ms:.1f} ms",
            f"{ours.p99_ms:.1f} ms, {ours.shed} of {ours.scores} shed",
            f"one chunk a step: {alone.p50_ms:.1f} and {alone.p99_ms:.1f} ms, {alone.shed} shed",
            ours.p99_ms < many.TARGET_MS and not ours.shed,
            f"{least}; measured {100 * ours.share:.0f} %",
        ),
        further(bench),
    ]


def further(bench: Bench) -> Line:
    question, target = "each further stream", f"{many.TARGET_MB} MB"
    try:
        one, all_ = (many.resident_of(n, 0) for n in (1, 1 + many.FURTHER))
    except RuntimeError as error:
        bench.problems.append(str(error))
        return left_out(question, target, "bench/streams.py failed")
    each = (all_ - one) / many.FURTHER
    return Line(
        question,
        target,
        figure=f"{each:.2f} MB",
        peer=f"the first: {one:.0f} MB",
        met=each <= many.TARGET_MB,
        floor="its windows of frames and of sound",
    )


@contextmanager
def one_core() -> Iterator[None]:
    """Nothing of this process runs on another core, where the system lets one choose."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def offline(bench: Bench) -> list[Line]:
    told = _beside_aasist(bench)
    lines = []
    for peer, target in (("AASIST in torch", 20), ("AASIST in ONNX Runtime", 7)):
        question = f"offline scoring beside {peer}, one core"
        if isinstance(told, str):
            lines.append(left_out(question, f"{target} times", told))
            continue
        ours, theirs = told["RADD"], told[peer]
        lines.append(
            Line(
                question,
                f"{target} times",
                f"{ours['median, ms']:.1f} ms a clip",
                f"{theirs['times']:.1f} times",
                f"{theirs['median, ms']:.0f} ms a clip",
                theirs["times"] >= target,
                f"decoding alone takes {told['RADD, decoding alone']['median, ms']:.1f} ms of our "
                f"{ours['median, ms']:.1f} ms",
            )
        )
    question = "the same comparison at equal or better EER"
    if isinstance(told, str):
        return [*lines, left_out(question, "yes", told)]
    ours, theirs = told["RADD"], told["AASIST in ONNX Runtime"]
    return [
        *lines,
        Line(
            question,
            "yes",
            figure=f"EER {ours['EER, %']:.1f} % of {ours['clips']} clips",
            peer=f"AASIST {theirs['EER, %']:.1f} %",
            met=ours["EER, %"] <= theirs["EER, %"],
        ),
    ]


def _beside_aasist(bench: Bench) -> dict[str, Any] | str:
    """The figures of bench/offline.py, or why there are none."""
    given = bench.arguments
    if not (given.corpus and given.aasist and given.weights):
        return "give --corpus DIR --aasist DIR --weights FILE"
    told = bench.figures(
        "bench/offline.py",
        "--protocol",
        given.corpus.absolute() / "protocol.eval.txt",
        "--audio",
        given.corpus.absolute() / "flac",
        "--aasist",
        given.aasist.absolute(),
        "--weights",
        given.weights.absolute(),
        "--clips",
        given.clips,
    )
    return told or "bench/offline.py failed"


def accuracy(bench: Bench) -> list[Line]:
    question, corpus = "EER on the whole eval side", bench.arguments.corpus
    manifest = json.loads(
        (ROOT / "models" / "default" / "manifest.json").read_text(encoding="utf-8")
    )
    measured = manifest["metrics"].get("eval side, one score a clip")
    if not measured:
        return [left_out(question, "", "the card has no figure to compare with")]
    low, high = measured["eer_percent_ci95"]
    target = f"within {low:.1f} to {high:.1f} % of the card"
    if not corpus:
        return [left_out(question, target, "give --corpus DIR")]
    told = bench.scored(corpus.absolute() / "protocol.eval.txt", corpus.absolute() / "flac")
    if told is None:
        return [left_out(question, target, "evaluate.py failed")]
    return [
        Line(
            question,
            target,
            figure=f"{told['eer_percent']:.1f} %",
            peer=f"the card: {measured['eer_percent']:.1f} %",
            met=told["eer_percent"] <= high,
            floor="no matter of speed: something judges otherwise than the card says",
        )
    ]


def retrieval(bench: Bench) -> list[Line]:
    targets = {
        n: target for n, target in TARGETS_MS.items() if n < 1_000_000 or not bench.arguments.quick
    }
    told = bench.figures("bench/index.py", "--sizes", *targets)
    lines = []
    for n, target in targets.items():
        question, wanted = f"retrieval among {n:,} references", f"{target:g} ms p99"
        if told is None:
            lines.append(left_out(question, wanted, "bench/index.py failed"))
            continue
        found = told[str(n)]
        p99 = found["search, p99, ms"]
        lines.append(
            Line(
                f"{question}, {found['searched']}, recall {found['recall@10']:.3f}",
                wanted,
                f"{found['search, p50, ms']:.2f} ms",
                f"{p99:.2f} ms",
                f"exact: {found['exact search, p50, ms']:.2f} and "
                f"{found['exact search, p99, ms']:.2f} ms",
                p99 <= target,
                f"reading what is scanned takes {found['... its floor, ms']:.2f} ms; measured "
                f"{p99:.2f} ms",
            )
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())
