"""What the index is worth: how a system left out of training is told once some of its clips are
confirmed, and what the retrieval cache saves.

    python bench/retrieval.py --data CORPUS [--data MORE] [--bundle DIR] > bench/retrieval.md

The systems are those of the dev side, which networks and index never met. Of each, 1, 5 and 20
clips are confirmed; the equal error rate is that of its other clips against bona fide ones, before
and after, with the same clips in both.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.settings import load
from radd.bundle import load_detector, load_known_voices
from radd.calibration import Calibration
from radd.dataset import DecodedClips, read_corpus
from radd.detector import WINDOW_HOPS, RaddDetector
from radd.encoder import BLOCK_SAMPLES, Encoder, OnnxEncoder
from radd.files import load_speech
from radd.index import BundleIndex
from radd.metrics import eer, error_rates
from radd.overlay import OverlaidIndex
from radd.types import HOP_SAMPLES, seconds
from training.closeness import overlay_of

ROOT = Path(__file__).resolve().parent.parent

KnownVoices = tuple[OnnxEncoder, BundleIndex, Calibration]
CONFIRMED = (1, 5, 20)
SCORED = 4  # clips of a system that must be left to score
CACHE_BLOCKS = 512
STREAMS = 8


def main() -> None:
    arguments = parse()
    bundle, settings = arguments.bundle.absolute(), load(environ={})
    with tempfile.TemporaryDirectory() as cache:
        clips = [clip for directory in arguments.data for clip in read_corpus(directory, "dev")]
        dev = DecodedClips(clips, arguments.cache or Path(cache), 1)
        detector = load_detector(bundle, settings.model, settings.gate)
        known = load_known_voices(bundle)
        print(
            f"`{detector.name}`; weight, offset and cap of confirmed references: "
            f"{known[2].closeness or 'none'}\n"
        )
        print("| what | before | after | change, 95 % interval over systems |\n|---|---|---|---|")
        for line in left_out(dev, known, detector, arguments):
            print(line, flush=True)
    for line in cached(bundle, settings):
        print(line, flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, action="append", required=True, metavar="DIR", help="corpora"
    )
    parser.add_argument("--bundle", type=Path, default=ROOT / "models" / "default", metavar="DIR")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keeps decoded audio for the next time"
    )
    parser.add_argument(
        "--at-least", type=int, default=25, metavar="N", help="clips a system needs, or fewer"
    )
    parser.add_argument(
        "--bonafide", type=int, default=200, metavar="N", help="bona fide clips, at most"
    )
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def left_out(
    dev: DecodedClips, known: KnownVoices, detector: RaddDetector, arguments: argparse.Namespace
) -> Iterator[str]:
    """Rows for each number of confirmed clips: means over the systems that have clips enough."""
    encoder, index, calibration = known
    rng = np.random.default_rng(arguments.seed)
    systems, real = defaultdict(list), []
    for i in rng.permutation(len(dev)):
        clip = dev.clips[i]
        group = real if clip.label == "bonafide" else systems[clip.source, clip.system]
        group.append(i)
    real = real[: arguments.bonafide]
    enough = [found for found in systems.values() if len(found) >= arguments.at_least]
    enough = enough or [found for found in systems.values() if len(found) > SCORED]
    heard = {
        i: listen(detector, encoder, dev.samples(i))
        for i in real + [i for found in enough for i in found]
    }
    for n in CONFIRMED:
        before, after, called = [], [], []
        for found in (found for found in enough if len(found) >= n + SCORED):
            overlaid = OverlaidIndex(index, overlay_of(dev, found[:n], encoder, index))
            plain = [np.array([heard[i].llr for i in side]) for side in (real, found[n:])]
            told = [
                np.array([heard[i].with_index(overlaid, calibration) for i in side])
                for side in (real, found[n:])
            ]
            for rates, sides in ((before, plain), (after, told)):
                rates.append(100 * eer(error_rates(*sides))[0])
            called.append([100 * (sides[0] < 0).mean() for sides in (plain, told)])
        if before:
            yield row(
                f"EER, %, with {n} clips confirmed, {len(before)} systems", before, after, rng
            )
            yield row("... bona fide clips called fake, %", *zip(*called, strict=True), rng)
        else:
            yield f"| EER, %, with {n} clips confirmed | no system has {n + SCORED} clips | | |"


@dataclass(frozen=True, slots=True)
class Heard:
    """The longest window of a clip, at most the first 4.096 s."""

    llr: float
    """by the bundle alone"""
    vectors: list[np.ndarray]
    """of the blocks in it"""

    def with_index(self, index: OverlaidIndex, calibration: Calibration) -> float:
        """The LLR with an overlay, which changes nothing but the closeness of the blocks."""
        if not self.vectors:
            return self.llr
        return calibration.overrule(self.llr, index.closeness(np.array(self.vectors)))


def listen(detector: RaddDetector, encoder: Encoder, samples: np.ndarray) -> Heard:
    whole = samples[: WINDOW_HOPS * HOP_SAMPLES]
    whole = np.pad(whole, (0, -len(whole) % HOP_SAMPLES))
    state = detector.start()
    llr = detector.push(state, whole, gated=False, longest=True)[-1].llr
    starts = [at * HOP_SAMPLES - BLOCK_SAMPLES for at, _ in state.blocks]
    return Heard(llr, [encoder.embed(whole[at : at + BLOCK_SAMPLES])[0] for at in starts])


def row(name: str, before: list[float], after: list[float], rng: np.random.Generator) -> str:
    changes = np.subtract(after, before)
    drawn = changes[rng.integers(len(changes), size=(2000, len(changes)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    change = f"{changes.mean():+.1f} ({low:+.1f} to {high:+.1f})"
    return f"| {name} | {np.mean(before):.1f} | {np.mean(after):.1f} | {change} |"


def cached(bundle: Path, settings) -> Iterator[str]:
    """A table of the cache: how often it hits, what a second of sound costs without and with it,
    what it changes.
    """
    speech = load_speech(ROOT / "assets" / "demo.flac")
    speech = speech[: len(speech) // BLOCK_SAMPLES * BLOCK_SAMPLES]
    pause = np.zeros(BLOCK_SAMPLES + 1, np.float32)
    cases = {
        "overlapping windows of one stream": [speech],
        "an announcement 4 times, whole blocks apart": [np.tile(speech, 4)],
        "an announcement 4 times, at any distance": [np.tile(np.concatenate([speech, pause]), 4)],
        f"{STREAMS} streams of the same sound": [speech] * STREAMS,
        f"{STREAMS} streams that began at different times": [
            speech[k * HOP_SAMPLES :] for k in range(STREAMS)
        ],
    }
    yield (
        "\n| the cache | blocks found in it, % | ms a second of sound, without | with | largest "
        "change of an LLR |"
    )
    yield "|---|---|---|---|---|"
    for name, streams in cases.items():
        llrs, costs = [], []
        for blocks in (0, CACHE_BLOCKS):
            detector = load_detector(
                bundle, replace(settings.model, cache_blocks=blocks), settings.gate
            )
            begun = time.perf_counter()
            judged = [j for sound in streams for j in heard(detector, sound)]
            costs.append(
                1000 * (time.perf_counter() - begun) / seconds(sum(len(sound) for sound in streams))
            )
            llrs.append([j.llr for j in judged if j.llr is not None])
        cache = detector.cache
        hits = 100 * cache.hits / (cache.hits + cache.misses)
        change = np.abs(np.subtract(*llrs)).max()
        yield f"| {name} | {hits:.0f} | {costs[0]:.1f} | {costs[1]:.1f} | {change:.0e} |"


def heard(detector: RaddDetector, sound: np.ndarray) -> list:
    """The judgements of a stream, hop by hop as a daemon hears it."""
    state, hops = (
        detector.start(),
        sound[: len(sound) // HOP_SAMPLES * HOP_SAMPLES].reshape(-1, HOP_SAMPLES),
    )
    return [judgement for hop in hops for judgement in detector.push(state, hop)]


if __name__ == "__main__":
    main()
