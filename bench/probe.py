"""Does the channel tell the label? A logistic regression on what a recording's channel leaves, and
on nothing else.

    python bench/probe.py --data DIR [--data DIR] [--noise DIR] [--clips 4000]

Looks at the train side: whole clips as they are in the corpora, and crops as the networks meet them
in training. Five folds share no source; intervals hold 95 % of 1000 bootstrap replicates drawn by
source. AUC 0.5 is chance.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.settings import load
from evaluation.tables import markdown
from generative.channel import Channel
from radd.dataset import DecodedClips, read_corpus
from radd.metrics import eer, error_rates
from radd.types import SAMPLE_RATE_HZ
from training.batches import Batches

FRAME = 512
QUIET_DB = 40.0  # so far under the loud frames counts as silence
FLOOR = 1e-12
EDGES_HZ = (3400, 4000, 5500, 7000, 7600, 8001)
GROUPS = {
    "bandwidth": ("3.4-4 kHz", "4-5.5 kHz", "5.5-7 kHz", "7-7.6 kHz", "7.6-8 kHz"),
    "level": ("RMS", "peak", "crest"),
    "silence": ("share", "leading", "trailing", "zeros", "longest run of zeros"),
    "noise floor": ("under the voice", "in dBFS", "brightness"),
    "clipping": ("near the peak", "longest run at the peak"),
    "tilt": ("150-3400 Hz", "under 100 Hz"),
}


def main() -> None:
    arguments = parse()
    rng = np.random.default_rng(arguments.seed)
    corpora = [clip for directory in arguments.data for clip in read_corpus(directory, "train")]
    with tempfile.TemporaryDirectory() as folder:
        clips = DecodedClips(corpora, arguments.work or Path(folder), arguments.jobs)
        chosen = rng.choice(len(clips), arguments.clips, p=clips.sampling_weights())
        tables = measured(clips, chosen, arguments)
    bonafide = np.array([clips.clips[i].label == "bonafide" for i in chosen])
    sources = np.unique([clips.clips[i].source for i in chosen], return_inverse=True)[1]
    print(
        f"{bonafide.sum()} bona fide and {(~bonafide).sum()} spoof clips of {sources.max() + 1} "
        "sources\n"
    )
    rows, first = [], 0
    for name, features in [*GROUPS.items(), ("all", sum(GROUPS.values(), ()))]:
        columns = slice(first, first + len(features)) if name != "all" else slice(None)
        first += len(features)
        told = [figures(table[:, columns], bonafide, sources, rng) for table in tables]
        rows.append([name, ", ".join(features) if name != "all" else "", *sum(told, [])])
    print(markdown(["group", "statistics", "raw: AUC", "EER %", "trained on: AUC", "EER %"], rows))
    if arguments.single:
        names = [
            f"{group}: {feature}" for group, features in GROUPS.items() for feature in features
        ]
        rows = [
            [name, *(f"{auc(table[bonafide, k], table[~bonafide, k]):.3f}" for table in tables)]
            for k, name in enumerate(names)
        ]
        print("\nEach statistic by itself, AUC of bona fide being higher\n")
        print(markdown(["statistic", "raw", "trained on"], rows))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        action="append",
        required=True,
        help="a corpus; may be given many times",
    )
    add("--noise", type=Path, help="recorded noises and rooms, as train.py fit has them")
    add(
        "--work",
        type=Path,
        help="directory that keeps decoded audio, as train.py fit has it; default none",
    )
    add("--clips", type=int, default=4000, help="how many, drawn as in training; default 4000")
    add("--seed", type=int, default=1)
    add("--jobs", type=int, default=1)
    add("--single", action="store_true", help="also tell what each statistic says by itself")
    return parser.parse_args()


def measured(
    clips: DecodedClips, chosen: np.ndarray, arguments: argparse.Namespace
) -> list[np.ndarray]:
    """Statistics (n, features) of the chosen clips, raw and as they are trained on."""
    recipe = load().training
    noise = Channel.read(arguments.noise, recipe.rawboost)
    batches = Batches(clips, noise, 2, int(recipe.crop_s * SAMPLE_RATE_HZ), arguments.seed)
    raw = [statistics(clips.samples(i)) for i in chosen]
    met = [
        statistics(batches.crop(i, np.random.default_rng([arguments.seed, k]))[0])
        for k, i in enumerate(chosen)
    ]
    return [np.array(raw), np.array(met)]


def statistics(samples: np.ndarray) -> list[float]:
    """What GROUPS names, of samples float32 (n,): levels in dB, times in seconds, rare shares as
    decimal logarithms.
    """
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    level = decibel((frames**2).mean(1))
    loud = float(np.percentile(level, 95))
    heard = np.flatnonzero(level > loud - QUIET_DB)
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME))) ** 2
    voice, pause = (
        power[level > loud - 20].mean(0),
        power[np.argsort(level)[: max(1, len(level) // 10)]].mean(0),
    )
    f = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE_HZ)

    def band(spectrum, low, high):
        return float(decibel(spectrum[(f >= low) & (f < high)].mean()))

    middle = band(voice, 300, 3400)
    peak = float(np.abs(samples).max()) + FLOOR
    near = np.abs(samples) >= 0.98 * peak
    inside = (f >= 150) & (f < 3400)
    faint = float(np.percentile(level, 5))
    seconds = FRAME / SAMPLE_RATE_HZ
    return [
        *(
            band(voice, low, high) - middle
            for low, high in zip(EDGES_HZ, EDGES_HZ[1:], strict=False)
        ),
        loud,
        20 * np.log10(peak),
        20 * np.log10(peak) - loud,
        1 - len(heard) / len(level),
        heard[0] * seconds,
        (len(level) - 1 - heard[-1]) * seconds,
        np.log10(np.mean(samples == 0) + 1e-4),
        np.log10(longest(samples == 0) + 1),
        faint - loud,
        faint,
        band(pause, 3400, 8001) - band(pause, 300, 3400),
        np.log10(near.mean()),
        np.log10(longest(near)),
        np.polyfit(np.log2(f[inside]), decibel(voice[inside]), 1)[0],
        band(voice, 0, 100) - middle,
    ]


def decibel(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(power + FLOOR)


def longest(marks: np.ndarray) -> int:
    """Length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], marks, [False]))))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def figures(
    x: np.ndarray, bonafide: np.ndarray, sources: np.ndarray, rng: np.random.Generator
) -> list[str]:
    """AUC and EER of held-out scores, each with its interval."""
    scores = np.empty(len(x))
    for learn, test in StratifiedGroupKFold(5).split(x, bonafide, sources):
        model = make_pipeline(
            StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
        )
        scores[test] = model.fit(x[learn], bonafide[learn]).decision_function(x[test])
    members = [np.flatnonzero(sources == k) for k in range(sources.max() + 1)]
    drawn = []
    for _ in range(1000):
        again = np.concatenate([members[k] for k in rng.integers(len(members), size=len(members))])
        drawn.append(both(scores[again], bonafide[again]))
    ends = np.percentile(drawn, [2.5, 97.5], axis=0)
    area, rate = both(scores, bonafide)
    return [
        f"{area:.3f} ({ends[0, 0]:.3f} to {ends[1, 0]:.3f})",
        f"{100 * rate:.1f} ({100 * ends[0, 1]:.1f} to {100 * ends[1, 1]:.1f})",
    ]


def both(scores: np.ndarray, bonafide: np.ndarray) -> tuple[float, float]:
    return auc(scores[bonafide], scores[~bonafide]), eer(
        error_rates(scores[bonafide], scores[~bonafide])
    )[0]


def auc(bonafide: np.ndarray, spoof: np.ndarray) -> float:
    """Probability that a bona fide clip has the higher value, ties counting half."""
    order = np.sort(spoof)
    return float(
        (np.searchsorted(order, bonafide) + np.searchsorted(order, bonafide, "right")).mean()
        / 2
        / len(order)
    )


if __name__ == "__main__":
    main()
