"""Does a signal of "unlike anything known" make log likelihood ratios more honest where training
knows nothing?

    python bench/unknown.py --data CORPUS [--data MORE] --noise NOISE [--bundle DIR] [--clips 330] >
    bench/unknown.md

The first window of clips of the dev side is judged through conditions of listening. All that is
fitted is fitted on other sources and, but for the fusion as it ships, on all other conditions; then
the one left out is scored. A signal shrinks the LLR towards 0 the further the sound is from what is
known: `llr / (1 + exp(slope * (distance - middle)))`.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.probe import auc, statistics
from evaluation.conditions import CONDITIONS, through
from evaluation.tables import markdown
from generative.channel import Channel
from radd.bundle import FRAMES, SCORE, load_known_voices, read_manifest
from radd.cnn import SpectralCnn
from radd.dataset import Clip, DecodedClips, group_weights, read_corpus
from radd.detector import WINDOW_HOPS
from radd.encoder import BLOCK_SAMPLES, SPEECH_THRESHOLD, speech_blocks
from radd.files import load_speech
from radd.metrics import cllr, eer, error_rates
from radd.registry import version_of
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ
from radd.vad import BLOCK_SAMPLES as SPEECH_SAMPLES
from training.batches import clip_spectra
from training.fusion import balanced, logistic

ROOT = Path(__file__).resolve().parent.parent

KNOWN = ("clean", "channel")  # what the fusion that ships is fitted on; "channel" is as in training
MUSIC_SNR_DB, HALL_T60_S = 5.0, 1.5
NEAREST = 20  # references of either label that density looks at
TRAINED_ON = 500  # clips of the train side that tell where the frames of known speech lie
RIDGE = 0.01  # of the fusion with statistics of the recording
REPLICATES = 500


@dataclass(frozen=True, slots=True)
class Heard:
    """Windows of all clips through all conditions, one row each."""

    clip: np.ndarray
    condition: np.ndarray
    bonafide: np.ndarray
    source: np.ndarray
    parts: np.ndarray
    """(n, 3), see training.bundle_maker.Windows"""
    signals: dict[str, np.ndarray]
    """distances (n,), higher = less known"""
    statistics: np.ndarray
    """of the recording, see bench/probe.py (n, 20)"""


def main() -> None:
    arguments = parse()
    heard = listen(arguments)
    clips, sources = (len(np.unique(column)) for column in (heard.clip, heard.source))
    print(
        f"`{version_of(read_manifest(arguments.bundle))}`, {clips} clips of {sources} sources of "
        "the dev side.\n"
    )
    print(markdown(*as_shipped(heard)), end="\n\n")
    print(markdown(*compared(heard, arguments.seed)), end="\n\n")
    print(
        "The statistics of bench/probe.py alone tell the label of these clips, as they are, with "
        f"AUC {told_by_statistics(heard):.2f} on other sources."
    )


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
    add(
        "--noise",
        type=Path,
        required=True,
        help="recorded noises, music and rooms, with manifest.csv",
    )
    add("--bundle", type=Path, default=ROOT / "models" / "default")
    add("--clips", type=int, default=330, help="of the dev side, drawn as in training; default 330")
    add("--seed", type=int, default=1)
    return parser.parse_args()


def listen(arguments: argparse.Namespace) -> Heard:
    rng = np.random.default_rng(arguments.seed)
    train, dev = (
        drawn(arguments.data, side, n, rng)
        for side, n in (("train", TRAINED_ON), ("dev", arguments.clips))
    )
    conditions = all_conditions(arguments.noise)
    ear = Ear(arguments.bundle)
    with tempfile.TemporaryDirectory() as folder:
        decoded = DecodedClips(train, Path(folder), 1)
        spoken = [window(decoded, i) for i in range(len(decoded))]
        frames = [
            ear.frames(conditions["channel"](sound, decoded.clips[i].utt), speech)[0]
            for i, (sound, speech) in enumerate(spoken)
            if len(sound) >= BLOCK_SAMPLES
        ]
        known = LedoitWolf().fit(np.array(frames))
        decoded = DecodedClips(dev, Path(folder), 1)
        rows = []
        for i, clip in enumerate(decoded.clips):
            sound, speech = window(decoded, i)
            if (speech >= SPEECH_THRESHOLD).sum() * SPEECH_SAMPLES >= SAMPLE_RATE_HZ and len(
                sound
            ) >= BLOCK_SAMPLES:
                for name, alter in conditions.items():
                    altered = alter(sound, clip.utt)
                    rows.append(
                        (
                            i,
                            name,
                            clip.label == "bonafide",
                            clip.source,
                            *ear.judge(altered, speech, known),
                            statistics(altered),
                        )
                    )
    clip, condition, bonafide, source, parts, distances, told = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    names = "nearest reference", "density of references", "frames of the CNN", "the parts disagree"
    return Heard(
        clip, condition, bonafide, source, parts, dict(zip(names, distances.T, strict=True)), told
    )


def drawn(data: list[Path], side: str, n: int, rng: np.random.Generator) -> list[Clip]:
    """At most n clips, as many of either label, drawn by the weights of training."""
    clips = [clip for directory in data for clip in read_corpus(directory, side)]
    chosen = []
    for label in ("bonafide", "spoof"):
        of = [clip for clip in clips if clip.label == label]
        weights = group_weights(of)
        picked = rng.choice(len(of), min(n // 2, len(of)), False, weights / weights.sum())
        chosen += [of[i] for i in sorted(picked)]
    return chosen


def all_conditions(noise: Path) -> dict[str, Callable[[np.ndarray, str], np.ndarray]]:
    """Those of evaluate.py, and three more: music, a hall, and the random channels of training."""
    with (noise / "manifest.csv").open(newline="", encoding="utf-8") as lines:
        music = [
            load_speech(noise / row["path"])
            for row in csv.DictReader(lines)
            if row["kind"] == "music"
        ]
    channel = Channel.read(noise)

    def chance(name: str) -> np.random.Generator:
        return np.random.default_rng(list(name.encode()))

    def played(sound: np.ndarray, name: str) -> np.ndarray:
        rng = chance(name)
        piece = music[rng.integers(len(music))]
        piece = np.resize(np.roll(piece, -rng.integers(len(piece))), len(sound))
        return (sound + piece * rms(sound) / rms(piece) * 10 ** (-MUSIC_SNR_DB / 20)).astype(
            np.float32
        )

    def hall(sound: np.ndarray, name: str) -> np.ndarray:
        """Moorer 1979, with a tail as strong as the direct sound."""
        t = np.arange(round(HALL_T60_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        tail = chance(name).standard_normal(len(t)) * 10 ** (-3 * t / HALL_T60_S)
        tail /= np.sqrt(np.sum(tail**2))
        size = len(sound) + len(tail)
        wet = (
            sound
            + np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)[: len(sound)]
        )
        return (wet * rms(sound) / rms(wet)).astype(np.float32)

    own = {
        name: lambda sound, utt, name=name: through(name, sound, utt)
        for name in CONDITIONS
        if name != "telephone-alaw"
    }
    return own | {
        f"music{MUSIC_SNR_DB:g}": played,
        f"hall{HALL_T60_S:g}": hall,
        "channel": lambda sound, utt: channel(sound, chance(utt)),
    }


def rms(sound: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) + 1e-9


def window(clips: DecodedClips, index: int) -> tuple[np.ndarray, np.ndarray]:
    """The whole hops of a clip's first window, and their speech."""
    samples = clips.samples(index)
    n = min(len(samples) // HOP_SAMPLES, WINDOW_HOPS) * HOP_SAMPLES
    return samples[:n], clips.speech(index)[: n // SPEECH_SAMPLES]


class Ear:
    """The networks and the index of a bundle."""

    def __init__(self, bundle: Path) -> None:
        self._encoder, self._index, _ = load_known_voices(bundle)
        self._cnn = SpectralCnn(bundle / FRAMES, bundle / SCORE)

    def frames(self, sound: np.ndarray, speech: np.ndarray) -> tuple[np.ndarray, float]:
        """The CNN's mean frame over speech (width,), and its score."""
        frames = self._cnn.frames(self._cnn.start(), clip_spectra(sound, speech))
        return np.average(frames, axis=0, weights=speech + 1e-3), float(
            self._cnn.score(frames[None], speech[None])[0]
        )

    def judge(
        self, sound: np.ndarray, speech: np.ndarray, known: LedoitWolf
    ) -> tuple[list[float], list[float]]:
        """The parts' scores and the signals; without a block of speech the first block is looked
        up.
        """
        frame, spectrum = self.frames(sound, speech)
        told = []
        for at in list(speech_blocks(speech)) or [0]:
            vector, own = self._encoder.embed(sound[at : at + BLOCK_SAMPLES])
            sides = [
                [similarity for similarity, _ in side]
                for side in self._index.sides_near(vector, NEAREST)
            ]
            margin = np.mean(sides[0][:5]) - np.mean(sides[1][:5])
            told.append((own, margin, -max(side[0] for side in sides), -np.mean(sides)))
        own, margin, nearest, density = np.mean(told, axis=0)
        return [spectrum, own, margin], [
            nearest,
            density,
            known.mahalanobis(frame[None])[0] ** 0.5,
            abs(spectrum - own),
        ]


def as_shipped(heard: Heard) -> tuple[list[str], list[list[str]]]:
    """By condition: where the LLRs of the fusion lie, and what their best scale and offset would
    be.
    """
    llr, rows = np.empty(len(heard.clip)), []
    for learn, test in folds(heard):
        llr[test] = predicted(heard.parts, fused(heard, learn & np.isin(heard.condition, KNOWN)))[
            test
        ]
    for condition in dict.fromkeys(heard.condition):
        of = heard.condition == condition
        x, y = llr[of], heard.bonafide[of]
        scale, offset = logistic(
            x[:, None], y, np.where(y, 0.5 / y.sum(), 0.5 / (~y).sum()) * len(y), 1e4
        )
        best = scale * x + offset
        rows.append(
            [
                condition,
                f"{100 * eer(error_rates(x[y], x[~y]))[0]:.1f}",
                f"{x[y].mean():+.2f}",
                f"{x[~y].mean():+.2f}",
                f"{cllr(x[y], x[~y]):.3f}",
                f"{cllr(best[y], best[~y]):.3f}",
                f"{scale:.2f}",
                f"{offset:+.2f}",
            ]
        )
    header = [
        "heard",
        "EER %",
        "mean LLR of real",
        "of fake",
        "Cllr",
        "with the best scale and offset",
        "scale",
        "offset",
    ]
    return header, rows


def compared(heard: Heard, seed: int) -> tuple[list[str], list[list[str]]]:
    """Cllr of each way of making LLRs of the parts, by condition left out, with intervals by
    source.
    """
    conditions = list(dict.fromkeys(heard.condition))
    out = left_out(heard, conditions)
    first = next(iter(out))
    members = [np.flatnonzero(heard.source == s) for s in np.unique(heard.source)]
    rng, rows = np.random.default_rng(seed), []
    draws = [
        np.concatenate([members[k] for k in rng.integers(len(members), size=len(members))])
        for _ in range(REPLICATES)
    ]
    base = [costs(heard, out[first], conditions, of) for of in draws]
    for name, llr in out.items():
        by = costs(heard, llr, conditions, np.arange(len(llr)))
        changes = np.array(
            [costs(heard, llr, conditions, of) - b for of, b in zip(draws, base, strict=True)]
        )
        clean = conditions.index("clean")
        told = [""] * 2 if name == first else [ends(changes.mean(1)), ends(changes[:, clean])]
        rows.append([name, *(f"{cost:.3f}" for cost in by), f"{by.mean():.3f}", *told])
    return ["LLR", *conditions, "mean", "change, 95 %", "change when clean, 95 %"], rows


def ends(values: np.ndarray) -> str:
    low, high = np.percentile(values, [2.5, 97.5])
    return f"{low:+.3f} to {high:+.3f}"


def costs(heard: Heard, llr: np.ndarray, conditions: list[str], of: np.ndarray) -> np.ndarray:
    """Cllr in bits by condition, of the rows `of`."""
    x, y, condition = llr[of], heard.bonafide[of], heard.condition[of]
    return np.array([cllr(x[(condition == c) & y], x[(condition == c) & ~y]) for c in conditions])


def left_out(heard: Heard, conditions: list[str]) -> dict[str, np.ndarray]:
    """LLRs (n,) by the way they are made, each row by what was fitted on other sources and other
    conditions.
    """
    names = [
        "as it ships",
        "+ a scale",
        "+ a cap",
        *(f"+ {name}" for name in heard.signals),
        "fused on the other conditions too",
        "... and with statistics of the recording",
    ]
    out = {name: np.empty(len(heard.clip)) for name in names}
    for learn, test in folds(heard):
        known = learn & np.isin(heard.condition, KNOWN)
        llr = predicted(heard.parts, fused(heard, known))
        for condition in conditions:
            fit, to = learn & (heard.condition != condition), test & (heard.condition == condition)
            told = [
                llr,
                shrunk(heard, llr, fit, lambda x, p: x * np.exp(p[0]), (0.0,)),
                shrunk(heard, llr, fit, capped, (1.0,)),
            ]
            for distance in heard.signals.values():
                z = (distance - distance[known].mean()) / distance[known].std()
                told.append(shrunk(heard, llr, fit, lambda x, p, z=z: x * doubt(z, p), (0.0, 2.0)))
            told.append(predicted(heard.parts, fused(heard, fit)))
            scale = StandardScaler().fit(heard.statistics[fit])
            both = np.hstack([10 * heard.parts, scale.transform(heard.statistics).clip(-3, 3)])
            told.append(
                predicted(
                    both, logistic(both[fit], heard.bonafide[fit], weights(heard, fit), RIDGE)
                )
            )
            for name, values in zip(names, told, strict=True):
                out[name][to] = values[to]
    return out


def folds(heard: Heard) -> list[tuple[np.ndarray, np.ndarray]]:
    """Five times the rows of some sources and those of the others, as masks."""
    split = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(
        heard.parts, heard.bonafide, heard.source
    )
    rows = np.arange(len(heard.clip))
    return [(np.isin(rows, learn), np.isin(rows, test)) for learn, test in split]


def fused(heard: Heard, of: np.ndarray) -> tuple[float, ...]:
    return logistic(heard.parts[of], heard.bonafide[of], weights(heard, of))


def weights(heard: Heard, of: np.ndarray) -> np.ndarray:
    return balanced(heard.bonafide[of], heard.source[of], heard.clip[of])


def predicted(parts: np.ndarray, row: tuple[float, ...]) -> np.ndarray:
    return parts @ np.array(row[:-1]) + row[-1]


def capped(llr: np.ndarray, p: np.ndarray) -> np.ndarray:
    limit = np.exp(p[0])
    return limit * np.tanh(llr / limit)


def doubt(z: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Factors from 1, known, to 0, unlike anything known, of standardised distances."""
    return 1 / (1 + np.exp(np.clip(np.exp(p[0]) * (z - p[1]), -50, 50)))


def shrunk(
    heard: Heard, llr: np.ndarray, fit: np.ndarray, way: Callable, start: tuple[float, ...]
) -> np.ndarray:
    """LLRs after a way of shrinking whose parameters cost least on the rows `fit`."""
    y, w = heard.bonafide[fit], weights(heard, fit)

    def cost(p: np.ndarray) -> float:
        changed = way(llr, p)[fit]
        return float(w @ np.logaddexp(0, np.where(y, -changed, changed)))

    found = [
        minimize(cost, begin, method="Nelder-Mead")
        for begin in {start, tuple(s - 1 for s in start)}
    ]
    return way(llr, min(found, key=lambda f: f.fun).x)


def told_by_statistics(heard: Heard) -> float:
    """AUC of a logistic regression on the statistics of clean clips, on sources that it was not
    fitted on.
    """
    clean, scores = heard.condition == "clean", np.full(len(heard.clip), np.nan)
    for learn, test in folds(heard):
        of = learn & clean
        scale = StandardScaler().fit(heard.statistics[of])
        model = LogisticRegression(C=RIDGE, max_iter=2000).fit(
            scale.transform(heard.statistics[of]), heard.bonafide[of], weights(heard, of)
        )
        scores[test] = model.decision_function(scale.transform(heard.statistics[test]))
    return auc(scores[clean & heard.bonafide], scores[clean & ~heard.bonafide])


if __name__ == "__main__":
    main()
