"""What each part of training and of the detector is worth: rows that each add one part to the row
before, over seeds.

    python bench/ablation.py --data CORPUS [--data MORE] --noise NOISE --copies DIR \
        --engines DIR --gan DIR --vae DIR --work build/ablation [--start BUNDLE | --first 1500] \
        [--seeds 1 2 3] [--steps 400] [--rate 0.0016] [--clips 300] [--jobs 2]
    python bench/ablation.py --data CORPUS [--data MORE] --bundle models/default \
        --work build/ablation [--clips 300] --seeds
    python bench/ablation.py --work build/ablation --table > bench/ablation.md

For each seed the network on the spectrum learns plainly for --first steps, or is that of the bundle
--start, and from there every row learns for --steps more, as train.py fit learns but in fewer and
smaller steps, so that no row pays for the beginning that all have in common; then the dev and the
eval side (protocol.eval.txt of a corpus) are scored as they are and through fixed conditions of
listening, one window a clip, and the equal error rates go into one file in --work. A run whose file
is there is not repeated, and one that was killed goes on. Encoder and retrieval need far longer
learning to tell anything: with --bundle the parts of a detector that has learned at full length are
judged, and --seeds without a number learns nothing beside that. What is worth keeping is decided on
the dev side; the eval side is there to be reported.
"""

from __future__ import annotations

import os

os.environ.update(
    OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1"
)  # read when numpy is imported

import argparse
import json
import multiprocessing
import re
import shutil
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.stats import ttest_1samp
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.settings import load
from evaluation.audio_folder import AudioFolder
from evaluation.conditions import through
from evaluation.tables import markdown
from generative.channel import CODECS, Channel
from radd.bundle import FRAMES, SCORE, load_known_voices, read_manifest
from radd.cnn import SpectralCnn
from radd.dataset import Clip, DecodedClips, read_corpus
from radd.detector import WINDOW_HOPS
from radd.encoder import BLOCK_SAMPLES, OnnxEncoder, speech_blocks
from radd.errors import ConfigError, RaddError
from radd.index import BundleIndex
from radd.metrics import eer, error_rates
from radd.registry import version_of
from radd.trials import UNKNOWN, read_protocol
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ
from radd.vad import BLOCK_SAMPLES as SPEECH_SAMPLES
from training.batches import Batch, Batches, clip_spectra
from training.export import export_cnn
from training.joint import spectral_loss
from training.learn import TrainingPlan, learn
from training.networks.spectral import SpectralNetwork
from training.networks.warm_start import spectral_network

FIRST, CHAIN = "plain", ("channel", "RawBoost", "codecs")
CORPORA = ("copies", "engines", "GAN", "VAE")
PARTS = ("spectrum", "encoder", "retrieval")  # of the detector, fused with those before
RAWBOOST = 0.5
BATCH, CROP_SAMPLES = 16, 2 * BLOCK_SAMPLES
LATER = 1000  # added to the seed, so that a row's own batches are not those that it began with
CONDITIONS = ("clean", "telephone-mulaw", "noise10")
ALL = "all"
LEARNED = "bundle.json"  # in --work, beside the files of rows
REPLICATES = 500
# by the name of a system; the first pattern that it holds counts, and a name without any has no
# family
FAMILIES = {
    "voice conversion": r"vc(?!tk)|conversion|VQ-VAE|Disentangled",
    "codec": r"codec|lyra",
    "text to speech": r"tts|taco|speech|spch|pitch|vits|hmm|transformer|WaveGrad2|silero|VALL",
    "vocoder": r"GAN|WaveGlow|WaveNet|WaveGrad|WaveRNN|nsf|vocod",
}

_sides: dict[str, Side] = {}  # what runs read but do not change, shared by their processes
_clips: dict[str, DecodedClips] = {}


def main() -> int:
    arguments = parse()
    try:
        if arguments.table:
            print(tables(arguments.work))
        else:
            measure(arguments)
    except RaddError as error:
        print(f"bench/ablation.py: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--work",
        type=Path,
        required=True,
        metavar="DIR",
        help="keeps decoded audio and what was measured",
    )
    add(
        "--data",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a corpus; may be given many times",
    )
    add(
        "--noise",
        type=Path,
        metavar="DIR",
        help="recorded noises and rooms, as train.py fit has them",
    )
    for name in ("copies", "engines", "gan", "vae"):
        add(
            f"--{name}",
            type=Path,
            metavar="DIR",
            help=f"what train.py generate {name} made; without it no such row",
        )
    add(
        "--rows",
        nargs="+",
        metavar="NAME",
        help=f"only these of {', '.join((FIRST, *CHAIN, *CORPORA))}",
    )
    add("--bundle", type=Path, metavar="DIR", help="its parts are judged as they are")
    add("--seeds", type=int, nargs="*", default=[1, 2, 3], metavar="S")
    begin = parser.add_mutually_exclusive_group().add_argument
    begin(
        "--first",
        type=int,
        default=1500,
        metavar="N",
        help="plain steps that all rows begin with, default 1500",
    )
    begin(
        "--start",
        type=Path,
        metavar="DIR",
        help="a bundle whose network all rows begin with instead",
    )
    add(
        "--steps",
        type=int,
        default=400,
        metavar="N",
        help="of each row's own learning, default 400",
    )
    add(
        "--rate",
        type=float,
        default=load(environ={}).training.rate,
        metavar="R",
        help="highest learning rate of a row; default: that of config.toml",
    )
    add(
        "--clips",
        type=int,
        default=300,
        metavar="N",
        help="of either side that are scored, default 300",
    )
    add(
        "--jobs", type=int, default=1, metavar="N", help="runs at once, each on one core; default 1"
    )
    add("--table", action="store_true", help="print what was measured so far")
    return parser.parse_args()


@dataclass(frozen=True, slots=True)
class Row:
    """One way of learning, for one seed."""

    added: tuple[str, ...]
    """of CHAIN and CORPORA, in their order"""
    seed: int
    arguments: argparse.Namespace

    @property
    def name(self) -> str:
        return self.added[-1] if self.added else FIRST

    @property
    def file(self) -> Path:
        return self.arguments.work / f"{self.name.replace(' ', '-')}.{self.seed}.json"

    def plan(self) -> dict:
        """All that decides what is measured, of types that JSON has."""
        a = self.arguments
        begun = {"start": version_of(read_manifest(a.start))} if a.start else {"first": a.first}
        return {
            "name": self.name,
            "added": list(self.added),
            "seed": self.seed,
            **begun,
            "steps": a.steps,
            "rate": a.rate,
            "batch": BATCH,
            "clips": a.clips,
            "data": [str(d) for d in a.data],
            "noise": str(a.noise),
        }

    def is_there(self) -> bool:
        """Raises ConfigError where the file of this row tells of another plan."""
        if not self.file.is_file():
            return False
        found = json.loads(self.file.read_text())["plan"]
        other = [
            f"{key} {found.get(key)!r}, asked {value!r}"
            for key, value in self.plan().items()
            if found.get(key) != value
        ]
        if other:
            raise ConfigError(
                f"{self.file} has {'; '.join(other)}; name another --work or remove the file"
            )
        return True

    def learning(self, steps: int, rate: float) -> TrainingPlan:
        return TrainingPlan(
            steps, BATCH, CROP_SAMPLES, rate, load(environ={}).training.weight_decay, self.seed
        )

    def batches(self) -> Batches:
        return Batches(_clips[self.name], self.channel(), BATCH, CROP_SAMPLES, self.seed + LATER)

    def channel(self) -> Callable:
        if "channel" not in self.added:
            return untouched
        chances = RAWBOOST * ("RawBoost" in self.added), CODECS * ("codecs" in self.added)
        return Channel.read(self.arguments.noise, *chances)

    def clips(self) -> DecodedClips:
        """The train side, and of the generated corpora those that belong to the row."""
        a = self.arguments
        clips = [clip for directory in a.data for clip in read_corpus(directory, "train")]
        for name, directory in zip(CORPORA, (a.copies, a.engines, a.gan, a.vae), strict=True):
            if name in self.added:
                clips += read_corpus(directory, "train")
        return DecodedClips(clips, a.work / "decoded", 1)


def rows(arguments: argparse.Namespace) -> list[Row]:
    """All rows that the corpora allow, each part added to those before; every seed of all rows
    before the next seed.
    """
    a = arguments
    given = dict(zip(CORPORA, (a.copies, a.engines, a.gan, a.vae), strict=True))
    parts = [*CHAIN, *(name for name, directory in given.items() if directory)]
    wanted = a.rows or [FIRST, *parts]
    if unknown := set(wanted) - {FIRST, *parts}:
        known = ", ".join([FIRST, *parts])
        raise ConfigError(
            f"no row {', '.join(sorted(unknown))}; with these corpora there are {known}"
        )
    every = [Row(tuple(parts[:k]), seed, a) for seed in a.seeds for k in range(len(parts) + 1)]
    return [row for row in every if row.name in wanted]


def measure(arguments: argparse.Namespace) -> None:
    """Learn and score what is not there yet."""
    missing = [row for row in rows(arguments) if not row.is_there()]
    if not missing and not arguments.bundle:
        return
    torch.set_num_threads(1)
    _clips.update((row.name, row.clips()) for row in {row.name: row for row in missing}.values())
    dev = [clip for directory in arguments.data for clip in read_corpus(directory, "dev")]
    for name, clips in (("dev", dev), ("eval", eval_clips(arguments.data))):
        _sides[name] = Side(clips, arguments)
        print(f"{name}: {len(_sides[name].clips)} clips of {len(clips)}", flush=True)
    if arguments.bundle:
        judge_bundle(arguments)
    if not missing:
        return
    _clips[FIRST] = Row((), 0, arguments).clips()
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(arguments.jobs, context) as pool:
        if not arguments.start:
            list(
                pool.map(
                    begin,
                    [Row((), seed, arguments) for seed in sorted({row.seed for row in missing})],
                )
            )
        for done in pool.map(run, missing):
            print(done, flush=True)


def eval_clips(data: list[Path]) -> list[Clip]:
    """The eval side, which read_corpus refuses to those who learn."""
    clips = []
    for directory in data:
        if (protocol := directory / "protocol.eval.txt").is_file():
            trials, folder = read_protocol(protocol), AudioFolder(directory)
            paths = [folder.find(utt) for utt in trials.utts]
            if None in paths:
                utt = trials.utts[paths.index(None)]
                raise ConfigError(
                    f"{protocol} names {utt}, but {directory} has no such file; complete the corpus"
                )
            columns = zip(
                trials.utts, paths, trials.is_spoof, trials.attacks, trials.speakers, strict=True
            )
            clips += [
                Clip(
                    utt,
                    path,
                    "spoof" if spoof else "bonafide",
                    system,
                    speaker,
                    directory.name,
                    UNKNOWN,
                    UNKNOWN,
                )
                for utt, path, spoof, system, speaker in columns
            ]
    if not clips:
        raise ConfigError(
            f"no protocol.eval.txt in {', '.join(map(str, data)) or 'no corpus'}; name one with "
            "--data"
        )
    return clips


class Side:
    """The clips that are scored, each the whole hops of its first window, as every condition
    leaves them.
    """

    def __init__(self, clips: list[Clip], arguments: argparse.Namespace) -> None:
        """At most --clips of the clips that hold a block of sound, drawn by their sampling
        weights, always the same.
        """
        decoded = DecodedClips(clips, arguments.work / "decoded", arguments.jobs)
        order = np.random.default_rng(0).choice(
            len(decoded), len(decoded), False, decoded.sampling_weights()
        )
        chosen = sorted(
            [i for i in order if len(decoded.samples(i)) >= BLOCK_SAMPLES][: arguments.clips]
        )
        self.clips = [decoded.clips[i] for i in chosen]
        self.bonafide = np.array([clip.label == "bonafide" for clip in self.clips])
        sounds = [decoded.samples(i) for i in chosen]
        lengths = [min(len(s) // HOP_SAMPLES, WINDOW_HOPS) * HOP_SAMPLES for s in sounds]
        self.speech = [
            decoded.speech(i)[: n // SPEECH_SAMPLES] for i, n in zip(chosen, lengths, strict=True)
        ]
        self.sounds = {
            condition: [
                through(condition, sound[:n], clip.utt)
                for sound, n, clip in zip(sounds, lengths, self.clips, strict=True)
            ]
            for condition in CONDITIONS
        }


def untouched(samples: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """The channel of a row without channels."""
    return samples


def beginning(row: Row) -> SpectralNetwork:
    """What all rows of a seed begin with: the network of a bundle, or one after plain steps,
    which are learned once.
    """
    if row.arguments.start:
        return spectral_network(row.arguments.start, row.batches()).to(
            memory_format=torch.channels_last
        )
    batches = Batches(_clips[FIRST], untouched, BATCH, CROP_SAMPLES, row.seed)
    torch.manual_seed(row.seed)
    plan = row.learning(row.arguments.first, load(environ={}).training.rate)
    network = SpectralNetwork().to(memory_format=torch.channels_last)
    return learn(
        network, loss, batches, plan, row.arguments.work / f"first-{plan.steps}.{row.seed}", 1
    )


def loss(network: SpectralNetwork, batch: Batch, chance: torch.Generator) -> torch.Tensor:
    return spectral_loss(network, batch, chance)[0]


def begin(row: Row) -> None:
    """As beginning, for another process: networks do not travel."""
    beginning(row)


def run(row: Row) -> str:
    """Learn and score one row and write its file; tells what came out."""
    begun, folder = processor_minutes(), row.file.with_suffix("")
    plan = row.learning(row.arguments.steps, row.arguments.rate)
    network = learn(beginning(row), loss, row.batches(), plan, folder, 1)
    export_cnn(network, folder / FRAMES, folder / SCORE)
    cnn = SpectralCnn(folder / FRAMES, folder / SCORE)
    rates = {
        name: {
            c: by_family(
                side, np.array([*map(partial(spectrum_score, cnn), side.sounds[c], side.speech)])
            )
            for c in CONDITIONS
        }
        for name, side in _sides.items()
    }
    told = {
        "plan": row.plan(),
        "minutes": processor_minutes() - begun,
        "eer": rates,
        "counts": {name: len(side.clips) for name, side in _sides.items()},
    }
    part = row.file.with_suffix(".part")
    part.write_text(json.dumps(told, indent=1))
    part.replace(row.file)
    shutil.rmtree(folder)
    return f"{row.name}, seed {row.seed}: " + ", ".join(
        f"{s} {overall(told, s):.1f} %" for s in _sides
    )


def spectrum_score(cnn: SpectralCnn, sound: np.ndarray, speech: np.ndarray) -> float:
    """Of a window, higher = bona fide."""
    return float(
        cnn.score(cnn.frames(cnn.start(), clip_spectra(sound, speech))[None], speech[None])[0]
    )


def judge_bundle(arguments: argparse.Namespace) -> None:
    """Write the error rates of a bundle's parts, with intervals over the clips, to LEARNED."""
    directory = arguments.bundle
    encoder, index, _ = load_known_voices(directory)
    cnn = SpectralCnn(directory / FRAMES, directory / SCORE)
    parts = {
        name: {c: judge(cnn, encoder, index, side, c) for c in CONDITIONS}
        for name, side in _sides.items()
    }
    fused = [fuse(k + 1, parts) for k in range(len(PARTS))]
    rng, rates = np.random.default_rng(0), {}
    for name, side in _sides.items():
        n = len(side.clips)
        drawn = [np.arange(n), *rng.integers(n, size=(REPLICATES, n))]
        rates[name] = [
            [mean_rate(scores[name][:, chosen], side.bonafide[chosen]) for chosen in drawn]
            for scores in fused
        ]
    told = {
        "bundle": version_of(read_manifest(directory)),
        "eer": rates,
        "counts": {name: len(side.clips) for name, side in _sides.items()},
    }
    (arguments.work / LEARNED).write_text(json.dumps(told))


def mean_rate(scores: np.ndarray, bonafide: np.ndarray) -> float:
    """EER in % of scores (conditions, clips), the mean over the conditions."""
    return float(
        np.mean([100 * eer(error_rates(row[bonafide], row[~bonafide]))[0] for row in scores])
    )


def processor_minutes() -> float:
    """Of this process and of those that it has ended."""
    return sum(os.times()[:4]) / 60


def judge(
    cnn: SpectralCnn, encoder: OnnxEncoder, index: BundleIndex, side: Side, condition: str
) -> np.ndarray:
    """Scores of PARTS (clips, 3) under a condition; without a block of speech the first block is
    encoded.
    """
    out = []
    for sound, speech in zip(side.sounds[condition], side.speech, strict=True):
        blocks = [
            encoder.embed(sound[at : at + BLOCK_SAMPLES])
            for at in list(speech_blocks(speech)) or [0]
        ]
        told = [(score, index.search(vector, 1).margin) for vector, score in blocks]
        out.append((spectrum_score(cnn, sound, speech), *np.mean(told, axis=0)))
    return np.array(out)


def fuse(n: int, parts: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Scores (conditions, clips) of either side when the first n parts are fused.

    The fusion is fitted on the dev side under all conditions; there it is applied to sources that
    it was not fitted on.
    """
    fusion = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    dev, (x, other) = (
        _sides["dev"],
        (np.concatenate([*by.values()])[:, :n] for by in parts.values()),
    )
    y, sources = (
        np.tile(column, len(CONDITIONS)) for column in (dev.bonafide, [c.source for c in dev.clips])
    )
    folds = StratifiedGroupKFold(5).split(x, y, sources)
    scores = {
        "dev": cross_val_predict(fusion, x, y, cv=folds, method="decision_function"),
        "eval": fusion.fit(x, y).decision_function(other),
    }
    return {side: told.reshape(len(CONDITIONS), -1) for side, told in scores.items()}


def by_family(side: Side, scores: np.ndarray) -> dict[str, float]:
    """EER in % of all clips, and of each family of systems with all bona fide clips."""
    families = np.array([family(clip.system) for clip in side.clips])
    groups = {ALL: ~side.bonafide} | {
        name: families == name for name in FAMILIES if name in families
    }
    real = scores[side.bonafide]
    return {
        name: 100 * eer(error_rates(real, scores[members]))[0] for name, members in groups.items()
    }


def family(system: str) -> str:
    return next(
        (name for name, pattern in FAMILIES.items() if re.search(pattern, system, re.IGNORECASE)),
        "",
    )


def overall(told: dict, side: str) -> float:
    """Mean EER in % over the conditions."""
    return float(np.mean([told["eer"][side][condition][ALL] for condition in CONDITIONS]))


def tables(work: Path) -> str:
    """What was measured so far, as Markdown."""
    told = [json.loads(file.read_text()) for file in sorted(work.glob("*.*.json"))]
    if not told:
        raise ConfigError(f"{work} holds no run yet; make some with --data")
    names = [
        name for name in (FIRST, *CHAIN, *CORPORA) if any(t["plan"]["name"] == name for t in told)
    ]
    runs = [[t for t in told if t["plan"]["name"] == name] for name in names]
    names = [name if name == FIRST else f"+ {name}" for name in names]
    families = told[0]["eer"]["eval"]["clean"].keys() - {ALL}
    minutes = [f"{np.mean([t['minutes'] for t in row]):.1f}" for row in runs]
    groups = [(c, ALL) for c in CONDITIONS] + [
        ("clean", name) for name in FAMILIES if name in families
    ]
    detail = [
        [name, *(spread([t["eer"]["eval"][c][g] for t in row]) for c, g in groups)]
        for name, row in zip(names, runs, strict=True)
    ]
    header = ["learned from", "dev", "change", "p", "eval", "change", "p", "seeds", "minutes"]
    return "\n\n".join(
        [
            "# What each part is worth",
            *shortened(told[0]),
            "## Learning\n\nEqual error rate in % of the network on the spectrum, mean over the "
            "conditions.",
            markdown(
                header, [[*r, m] for r, m in zip(compared(names, runs), minutes, strict=True)]
            ),
            "## The eval side in detail\n"
            "\n"
            "Equal error rate in % by condition, and of clean clips by family of systems, each "
            "against all bona fide clips.",
            markdown(["learned from", *(c if g == ALL else g for c, g in groups)], detail),
            *learned(work / LEARNED),
        ]
    )


def learned(file: Path) -> list[str]:
    """What judge_bundle measured, if it did."""
    if not file.is_file():
        return []
    told = json.loads(file.read_text())
    rows = []
    for k, part in enumerate(PARTS):
        row = [f"+ {part}" if k else part]
        for rates in told["eer"].values():
            now = np.array(rates[k])
            row += [between(now), between(now - rates[k - 1], "+") if k else ""]
        rows.append(row)
    counts = " and ".join(f"{n} clips of the {side} side" for side, n in told["counts"].items())
    return [
        "## Encoder and retrieval, of a detector that has learned at full length",
        textwrap.fill(
            f"`{told['bundle']}`, {counts}; equal error rate in %, mean over the conditions, and "
            "its 95 % interval over clips. Changes are of the same clips. The parts are fused "
            "anew on the dev side, as above.",
            120,
        ),
        markdown(["judged by", *(c for side in told["eer"] for c in (side, "change"))], rows),
    ]


def between(values: np.ndarray, sign: str = "") -> str:
    """The first value, and the 95 % interval of the others."""
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return f"{values[0]:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"


def shortened(told: dict) -> tuple[str, str]:
    """How to read the tables, and what was made smaller to have them."""
    plan, counts, recipe = told["plan"], told["counts"], load(environ={}).training
    window_s = WINDOW_HOPS * HOP_SAMPLES / SAMPLE_RATE_HZ
    begun = (
        f"the network of {plan['start']}, which has met all channels before"
        if "start" in plan
        else f"the same network, which learned {plan['first']} batches plainly"
    )
    return tuple(
        textwrap.fill(text, 120)
        for text in (
            "Printed by `python bench/ablation.py --work DIR --table`. Each row adds one part to "
            "the row before. After +- stands half of a 95 % interval over the seeds (Student's "
            "t), which says nothing of the choice of clips. Changes are against the row before, "
            "paired by seed, below 0 = better, with the p value of a paired t test. The dev "
            "column decides what is kept.",
            "Shortened: only the network on the spectrum learns, without encoder and retrieval. "
            f"All runs of a seed begin with {begun}; each learns {plan['steps']} batches more at "
            f"a rate of at most {plan['rate']:g}, all of {plan['batch']} crops of "
            f"{CROP_SAMPLES / SAMPLE_RATE_HZ:.3f} s. The shipped recipe has {recipe.steps} of "
            f"{recipe.batch} crops of {recipe.crop_s} s. Data: "
            f"{', '.join(Path(d).name for d in plan['data'])}. Scored are {counts['dev']} clips "
            f"of the dev side and {counts['eval']} of the eval side, the first {window_s:.1f} s "
            f"of each in one window without a gate: {', '.join(CONDITIONS)}. RawBoost disturbs "
            f"{RAWBOOST:.0%} of the chains. Minutes are of one core.",
        )
    )


def compared(names: list[str], steps: list[list[dict]]) -> list[list[str]]:
    """A row for each step's runs: mean, change against the step before and p value on either
    side.
    """
    rows = []
    before: dict[str, dict[int, float]] = {"dev": {}, "eval": {}}
    for name, runs in zip(names, steps, strict=True):
        row = [name]
        for side, earlier in before.items():
            now = {t["plan"]["seed"]: overall(t, side) for t in runs}
            changes = [rate - earlier[seed] for seed, rate in now.items() if seed in earlier]
            p = f"{ttest_1samp(changes, 0).pvalue:.3f}" if len(changes) > 1 else ""
            row += [spread([*now.values()]), spread(changes, "+"), p]
            before[side] = now
        rows.append([*row, str(len(runs))])
    return rows


def spread(values: list[float], sign: str = "") -> str:
    """The mean, and half its 95 % interval if there is more than one value."""
    if not values:
        return ""
    mean = f"{np.mean(values):{sign}.1f}"
    if len(values) == 1:
        return mean
    return f"{mean} +- {np.ptp(ttest_1samp(values, 0).confidence_interval()) / 2:.1f}"


if __name__ == "__main__":
    sys.exit(main())
