"""What the enrolment of a line is worth: people and fakes of one line are enrolled, and others of
the same line are scored.

    python bench/enrolment.py --data CORPUS [--condition gsm] [--draws 40] > bench/enrolment.md

All clips are those of the development set, sent through the line. Of people, one clip each of 20 is
enrolled, and those of the others are scored; of one page of fakes, 20 clips are enrolled, and its
others and those of all other pages are scored. Clips of the enrolled people and pages are never
scored.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.settings import load
from evaluation.conditions import CONDITIONS, through
from radd.bundle import BundledDetector, load_detector, load_known_voices
from radd.detector import WINDOW_HOPS
from radd.enrolled import LinePair, OperatingPoint, spread_of_fakes
from radd.files import load_speech
from radd.metrics import eer, error_rates
from radd.spread import Spread
from radd.types import HOP_SAMPLES
from retraining.enrolment import usual_edge
from retraining.operating_point import LineScores, point_of

ROOT = Path(__file__).resolve().parent.parent
ENROLLED = 20  # people, and fakes
SCORED = 4  # clips of a page that must be left


@dataclass(frozen=True, slots=True)
class Line:
    """All clips, as they sound on the line."""

    llr: np.ndarray
    is_real: np.ndarray
    speaker: np.ndarray
    page: np.ndarray
    passage: np.ndarray
    """one vector a clip, float32 (n, width)"""

    def enrolled(self, which: np.ndarray) -> LineScores:
        return LineScores(
            self.llr[which],
            self.is_real[which],
            self.speaker[which].tolist(),
            [self.passage[[i]] for i in which],
        )


def main() -> None:
    arguments = parse()
    settings = load(environ={})
    detector = load_detector(arguments.bundle, settings.model, settings.gate)
    spoof_p = settings.decision.spoof_p
    print(f"`{detector.name}`, {arguments.draws} draws of {ENROLLED} people and fakes.\n")
    for condition in arguments.condition or ["telephone-alaw", "gsm"]:
        line = heard(arguments.data, detector, condition)
        for row in table(line, arguments, condition, -np.log(spoof_p / (1 - spoof_p))):
            print(row, flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="a corpus")
    parser.add_argument("--bundle", type=Path, default=ROOT / "models" / "default", metavar="DIR")
    parser.add_argument("--condition", action="append", choices=CONDITIONS)
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def heard(data: Path, detector: BundledDetector, condition: str) -> Line:
    """The longest window of each clip, at most its first 4.096 s; clips without a block are left
    out.
    """
    with (data / "meta.csv").open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["split"] == "dev"]
    found: defaultdict[str, list] = defaultdict(list)
    for row in rows:
        sound = load_speech(data / "flac" / f"{row['utt']}.flac")[: WINDOW_HOPS * HOP_SAMPLES]
        sound = through(condition, sound, row["utt"])
        state = detector.start()
        whole = np.pad(sound, (0, -len(sound) % HOP_SAMPLES))
        judged = detector.push(state, whole, gated=False, longest=True)[-1]
        if not state.blocks:
            continue
        found["llr"].append(judged.llr)
        found["is_real"].append(row["label"] == "bonafide")
        found["speaker"].append(f"{row['source_repo']} {row['speaker']} {row['system']}")
        found["page"].append(row["source_repo"])
        passage = np.sum([block.vector for _, block in state.blocks], axis=0)
        found["passage"].append(passage / np.linalg.norm(passage))
    return Line(**{name: np.array(values) for name, values in found.items()})


def table(
    line: Line, arguments: argparse.Namespace, condition: str, alarm_llr: float
) -> Iterator[str]:
    """A table of means over the draws."""
    index = load_known_voices(arguments.bundle)[1]
    spread, edge = spread_of_fakes(index), usual_edge(arguments.bundle)
    rng = np.random.default_rng(arguments.seed)
    pages, counts = np.unique(line.page[~line.is_real], return_counts=True)
    pages = pages[counts >= ENROLLED + SCORED]
    results: defaultdict[str, list[list[float]]] = defaultdict(list)
    for draw in range(arguments.draws):
        page = pages[draw % len(pages)]
        people, fakes, scored = drawn(line, page, rng)
        points = {
            "as shipped": OperatingPoint(),
            "people enrolled": point_of(line.enrolled(people), edge, spread),
            "people and fakes enrolled": point_of(
                line.enrolled(np.concatenate([people, fakes])), edge, spread
            ),
        }
        for name, point in points.items():
            llrs = moved(line, point, spread, (people, fakes))
            results[name].append([*numbers(llrs, scored, alarm_llr), point.offset_llr])
    yield (
        f"\n## {condition}\n\n| | EER, same page, % | EER, other pages, % | people called fake, "
        "% | people below 0, % | fakes missed, same page, % | other pages, % | offset, nats |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    for name, values in results.items():
        mean = np.mean(values, axis=0)
        yield f"| {name} | " + " | ".join(f"{x:.1f}" for x in mean[:-1]) + f" | {mean[-1]:+.2f} |"


def drawn(
    line: Line, page: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, ...]]:
    """Enrolled people and fakes, and what is scored: other people, other fakes of the page, fakes
    of other pages.
    """
    speakers = rng.permutation(np.unique(line.speaker[line.is_real]))[:ENROLLED]
    people = np.array([rng.choice(np.flatnonzero(line.speaker == who)) for who in speakers])
    of_page = rng.permutation(np.flatnonzero(~line.is_real & (line.page == page)))
    others = np.flatnonzero(line.is_real & ~np.isin(line.speaker, speakers))
    elsewhere = np.flatnonzero(~line.is_real & (line.page != page))
    return people, of_page[:ENROLLED], (others, of_page[ENROLLED:], elsewhere)


def moved(
    line: Line, point: OperatingPoint, spread: Spread, pair: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """The LLRs of all clips at an operating point (n,)."""
    if not point.pair_weight:
        return point.scale * line.llr + point.offset_llr
    compared = LinePair(spread, *(line.passage[side] for side in pair))
    margins = [compared.margin(passage) for passage in line.passage]
    return np.array([point.llr(llr, m) for llr, m in zip(line.llr, margins, strict=True)])


def numbers(llrs: np.ndarray, scored: tuple[np.ndarray, ...], alarm_llr: float) -> list[float]:
    """The columns of the table, in %."""
    people, same, other = (llrs[which] for which in scored)
    return [
        *(100 * eer(error_rates(people, fakes))[0] for fakes in (same, other)),
        100 * (people < alarm_llr).mean(),
        100 * (people < 0).mean(),
        *(100 * (fakes >= alarm_llr).mean() for fakes in (same, other)),
    ]


if __name__ == "__main__":
    main()
