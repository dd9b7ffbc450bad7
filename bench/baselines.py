"""Every detector on the same footing: trained alike, scored on the same clips, one row a model.

    python bench/baselines.py split --data CORPUS --out DIR [--seed S]
    python bench/baselines.py encoder --out DIR [--bundle models/default]
    python bench/baselines.py table --protocol FILE --audio DIR --work DIR --bundle NAME=DIR
    [--bundle ...]
        [--aasist NAME=WEIGHTS ...] [--conditions NAME ...] [--random NAME=DIR ... --random-data
        DIR] [--jobs N]

Bundles of one NAME are seeds of one model; the interval is over seeds and speakers together.
`--aasist` adds AASIST (Jung et al. 2022) with weights that lie in a checkout of it, as
bench/offline.py takes them; its scores are not calibrated. Scores stay in --work, so a row that was
measured is not measured again, and the same command with one more --bundle adds a row.

`split` makes the corpus that simpler projects learn from: the clips of the train and dev sides are
drawn at random into train, dev and eval sides, so that the sources and speakers of each are in the
others too. A model that learned from it is given with --random. The last two columns are of the
same clips, of the dev side and learned from by neither: what the model of the train side says of
them, and what the one of the split that leaks does.

`encoder` writes the Wav2Vec2 model of a bundle in the hub's form, which train.py fit --model
wav2vec2 --encoder DIR takes.
"""

from __future__ import annotations

import os

os.environ.update(
    OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1"
)  # read when numpy is imported

import argparse
import csv
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.settings import load
from bench.offline import Aasist, find_sound
from evaluation.audio_folder import AudioFolder
from evaluation.bootstrap import METRICS, Resampling, WeightedTrials, interval95, point
from evaluation.conditions import CONDITIONS, ChannelCondition
from evaluation.progress import Progress
from evaluation.scoring import ClipScore, ClipScorer, blocks
from evaluation.tables import interval, markdown
from radd.bundle import BACKBONE, ENCODER, FRAMES, NETWORK, SCORE, load_detector, read_manifest
from radd.dataset import read_corpus
from radd.errors import ConfigError, ProtocolError, RaddError
from radd.files import load_speech
from radd.parallel import Work, in_order
from radd.registry import version_of
from radd.score_files import ScoredTrials, match, read_scores, write_2019
from radd.trials import Trials, read_protocol
from radd.types import HOP_SAMPLES

ROOT = Path(__file__).resolve().parent.parent

HEARD = ("telephone-alaw", "mp3-40", "noise10")
# names the list of dev clips that the split that leaks kept for its eval side, and their scores
UNLEARNED = "unlearned"
SHARES = {"train": 0.65, "dev": 0.05, "eval": 0.3}  # of clips, in the split that leaks
CLIP_HOPS = 31  # 4 s
TIMED_CLIPS = 24
BATCH = 32
REPLICATES = 500
UNKNOWN = "–"


class System(Protocol):
    """What the table scores, counts and times."""

    key: str
    """names its scores: another system or another training has another"""

    def scorer(self, sound: AudioFolder, hearing: ChannelCondition) -> Callable[[], Work]:
        """What makes, in any process, the function that scores a list of trials."""
        ...

    def listener(self) -> Callable[[np.ndarray], object]:
        """What judges sound (n,) at 16 kHz, for timing."""
        ...

    def parameters(self) -> int:
        """How many numbers its networks have learned."""
        ...


class Ours:
    """A bundle."""

    def __init__(self, path: Path) -> None:
        self._path, self._manifest = path, read_manifest(path)
        self.key = version_of(self._manifest).replace(" ", "-")

    def scorer(self, sound: AudioFolder, hearing: ChannelCondition) -> Callable[[], Work]:
        return partial(_score_bundle, self._path, sound, hearing)

    def listener(self) -> Callable[[np.ndarray], object]:
        settings = load()
        model = replace(settings.model, cache_blocks=0)  # a corpus holds every clip once
        detector = load_detector(self._path, model, settings.gate)
        return lambda clip: detector.push(detector.start(), clip, gated=False, longest=True)

    def parameters(self) -> int:
        if "model" in self._manifest:
            return self._manifest["model"]["parameters"]
        import onnx

        files = (self._path / file for file in (FRAMES, SCORE, BACKBONE, ENCODER, NETWORK))
        networks = [onnx.load(file).graph for file in files if file.is_file()]
        weights = [
            w for graph in networks for w in graph.initializer if w.data_type in (1, 10)
        ]  # float32 and float16
        return sum(int(np.prod(w.dims)) for w in weights)


class Theirs:
    """AASIST with weights that lie in its checkout; it hears the first 4 s of a clip, or repeats a
    shorter one.
    """

    def __init__(self, weights: Path) -> None:
        """Raises ConfigError where no folder above the weights is a checkout."""
        checkout = next(
            (folder for folder in weights.parents if (folder / "models" / "AASIST.py").is_file()),
            None,
        )
        if checkout is None:
            raise ConfigError(
                f"no folder above {weights} holds models/AASIST.py: name weights inside a "
                "checkout of AASIST"
            )
        with tempfile.TemporaryDirectory() as scratch:
            self._network = Aasist(checkout, weights, Path(scratch) / "aasist.onnx")
        self.key = f"aasist-{hashlib.sha256(weights.read_bytes()).hexdigest()[:12]}"

    def scorer(self, sound: AudioFolder, hearing: ChannelCondition) -> Callable[[], Work]:
        def heard(utt: str) -> np.ndarray:
            return np.concatenate([*hearing.of(blocks(find_sound(sound, utt)), utt)])

        return lambda: (
            lambda utts: [ClipScore(utt, self._network.score(heard(utt))) for utt in utts]
        )

    def listener(self) -> Callable[[np.ndarray], object]:
        return self._network.score

    def parameters(self) -> int:
        return self._network.parameters


@dataclass
class Row:
    """A model."""

    seeds: list[System] = field(default_factory=list)
    leaked: list[System] = field(default_factory=list)
    """what learned from the split that leaks"""


def main() -> int:
    arguments = parse()
    try:
        if arguments.command == "split":
            print(split(arguments.data, arguments.out, arguments.seed))
        elif arguments.command == "encoder":
            from training.networks.warm_start import block_encoder

            block_encoder(arguments.bundle).speech_model.save_pretrained(arguments.out)
        else:
            print(table(arguments))
    except RaddError as error:
        print(f"bench/baselines.py: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    making = commands.add_parser("split", help="make a corpus whose sides leak")
    making.add_argument("--data", type=Path, required=True, metavar="DIR")
    making.add_argument("--out", type=Path, required=True, metavar="DIR")
    making.add_argument("--seed", type=int, default=1, metavar="S")
    taking = commands.add_parser("encoder", help="write a bundle's encoder in the hub's form")
    taking.add_argument("--out", type=Path, required=True, metavar="DIR")
    taking.add_argument("--bundle", type=Path, default=ROOT / "models" / "default", metavar="DIR")
    add = commands.add_parser(
        "table", help="score what is not scored yet and print the table"
    ).add_argument
    add("--protocol", type=Path, required=True, metavar="FILE")
    add("--audio", type=Path, required=True, metavar="DIR", help="sound of the trials")
    add("--work", type=Path, required=True, metavar="DIR", help="keeps scores")
    add(
        "--bundle",
        type=named,
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="one seed of a model",
    )
    add(
        "--aasist",
        type=named,
        action="append",
        default=[],
        metavar="NAME=WEIGHTS",
        help="inside a checkout of AASIST",
    )
    add(
        "--conditions",
        nargs="*",
        choices=[name for name in CONDITIONS if name != "clean"],
        default=HEARD,
        metavar="NAME",
    )
    add(
        "--random",
        type=named,
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="a bundle that learned from `split`",
    )
    add("--random-data", type=Path, metavar="DIR", help="what `split` made")
    add("--jobs", type=int, default=1, metavar="N", help="processes that score, default 1")
    return parser.parse_args()


def named(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if not path:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected NAME=PATH, as in forest=models/forest"
        )
    return name, Path(path)


def split(data: Path, out: Path, seed: int) -> str:
    """Write protocols of the split that leaks and links to its sound into `out`, and what it holds
    in words.
    """
    learned, dev = (read_corpus(data, side) for side in ("train", "dev"))
    clips = learned + dev
    order = np.random.default_rng(seed).permutation(len(clips))
    edges = np.round(np.cumsum(list(SHARES.values())) * len(clips)).astype(int)
    (out / "flac").mkdir(parents=True, exist_ok=True)
    for clip in clips:
        link = out / "flac" / clip.path.name
        if not link.is_symlink():
            link.symlink_to(clip.path.absolute())
    with (out / "meta.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["utt", "source_repo", "licence", "lang"])
        writer.writerows([clip.utt, clip.source, clip.licence, clip.language] for clip in clips)
    sides = dict(zip(SHARES, np.split(order, edges[:-1]), strict=True))
    sides[UNLEARNED] = sides["eval"][sides["eval"] >= len(learned)]
    for side, chosen in sides.items():
        lines = [
            f"{c.speaker.replace(' ', '_')} {c.utt} - {c.system.replace(' ', '_')} {c.label}\n"
            for c in (clips[i] for i in sorted(chosen))
        ]
        (out / f"protocol.{side}.txt").write_text("".join(lines), encoding="utf-8")
    return (
        f"{out}: {len(clips)} clips at random, "
        f"{', '.join(f'{len(chosen)} {side}' for side, chosen in sides.items())}"
    )


def table(arguments: argparse.Namespace) -> str:
    """The table, as Markdown, of all rows that the command line names, in its order."""
    if arguments.random and not arguments.random_data:
        raise ConfigError("--random needs --random-data DIR, what `split` made")
    rows: dict[str, Row] = {}
    for name, bundle in arguments.bundle:
        rows.setdefault(name, Row()).seeds.append(Ours(bundle.absolute()))
    for name, weights in arguments.aasist:
        rows.setdefault(name, Row()).seeds.append(Theirs(weights.absolute()))
    for name, bundle in arguments.random:
        rows.setdefault(name, Row()).leaked.append(Ours(bundle.absolute()))
    bare = [name for name, row in rows.items() if not row.seeds]
    if bare or not rows:
        raise ConfigError(
            f"no bundle of {', '.join(bare) or 'any model'}: name one with --bundle NAME=DIR"
        )
    sides = {"": (read_protocol(arguments.protocol), AudioFolder(arguments.audio))}
    if arguments.random:
        folder = arguments.random_data
        sides[UNLEARNED] = (
            read_protocol(folder / f"protocol.{UNLEARNED}.txt"),
            AudioFolder(folder / "flac"),
        )

    def scored(
        systems: list[System], condition: str = "clean", side: str = ""
    ) -> list[ScoredTrials]:
        return [scores_of(system, condition, side, *sides[side], arguments) for system in systems]

    def unlearned(systems: list[System]) -> str:
        return (
            mean("eer_percent", scored(systems, side=UNLEARNED), ".1f")
            if systems and arguments.random
            else UNKNOWN
        )

    costs = milliseconds({name: row.seeds[0] for name, row in rows.items()}, *sides[""])
    header = [
        "model",
        "seeds",
        "EER, %",
        "95 % interval",
        "Cllr, bit",
        *(f"{c}, %" for c in arguments.conditions),
        "parameters",
        "ms for 4 s",
        "dev clips, %",
        "split that leaks, %",
    ]
    lines = []
    for name, row in rows.items():
        clean = scored(row.seeds)
        heard = [
            mean("eer_percent", scored(row.seeds, condition), ".1f")
            for condition in arguments.conditions
        ]
        lines.append(
            [
                name,
                str(len(clean)),
                *equal_error(clean),
                mean("cllr_bits", clean, ".2f"),
                *heard,
                f"{row.seeds[0].parameters():,}",
                f"{costs[name]:.1f}",
                unlearned(row.seeds),
                unlearned(row.leaked),
            ]
        )
    told = (f"{side or 'eval'}: {counted(trials)}" for side, (trials, _) in sides.items())
    return "\n\n".join([markdown(header, lines), *told])


def counted(trials: Trials) -> str:
    n_spoof = int(trials.is_spoof.sum())
    return f"{len(trials) - n_spoof} bona fide and {n_spoof} spoof clips"


def equal_error(runs: list[ScoredTrials]) -> list[str]:
    """The mean EER of the seeds, in percent, and the interval of one draw of a seed and of
    speakers.
    """
    weighted, rng = [WeightedTrials(run) for run in runs], np.random.default_rng(0)
    draws = Resampling.of(runs[0].trials).draws(REPLICATES, rng)
    found = [
        weighted[rng.integers(len(weighted))].metrics(weights)[METRICS.index("eer_percent")]
        for weights in draws
    ]
    return [mean("eer_percent", runs, ".1f"), interval(interval95(np.array(found)))]


def mean(metric: str, runs: list[ScoredTrials], form: str) -> str:
    return format(float(np.mean([point(run)[metric] for run in runs])), form)


def scores_of(
    system: System,
    condition: str,
    side: str,
    trials: Trials,
    sound: AudioFolder,
    arguments: argparse.Namespace,
) -> ScoredTrials:
    """The scores of a system under a condition, computed where --work does not hold them."""
    file = arguments.work / f"{system.key}-{side or condition}.txt"
    if not file.is_file():
        batches = [trials.utts[k : k + BATCH] for k in range(0, len(trials), BATCH)]
        found, tell = [], Progress(file.stem)
        jobs = (
            1 if isinstance(system, Theirs) else arguments.jobs
        )  # a network of torch stays in its process
        for scores in in_order(system.scorer(sound, ChannelCondition(condition)), batches, jobs):
            found += scores
            tell(len(found), len(trials))
        missing = next((one for one in found if one.llr is None), None)
        if missing is not None:
            raise ProtocolError(
                f"trial {missing.utt} cannot be scored: {missing.problem}; all models need the "
                "same trials"
            )
        arguments.work.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        write_2019(part, ScoredTrials(trials, np.array([one.llr for one in found])))
        part.replace(file)
    return match(trials, read_scores(file), file)


def _score_bundle(bundle: Path, sound: AudioFolder, hearing: ChannelCondition) -> Work:
    settings = load()
    return ClipScorer(
        load_detector(bundle, settings.model, settings.gate), sound, hearing
    ).score_all


def milliseconds(
    systems: dict[str, System], trials: Trials, sound: AudioFolder
) -> dict[str, float]:
    """By name, the median processor time of judging 4 s of decoded sound on one core, in turns over
    the same clips.
    """
    listeners = {name: system.listener() for name, system in systems.items()}
    clips = []
    for utt in trials.utts:
        path = sound.find(utt)
        samples = load_speech(path) if path else np.zeros(0, np.float32)
        if len(samples) >= CLIP_HOPS * HOP_SAMPLES:
            clips.append(samples[: CLIP_HOPS * HOP_SAMPLES])
        if len(clips) > TIMED_CLIPS:
            break
    if len(clips) < 2:
        raise ConfigError(
            "fewer than two trials have 4 s of sound to time models on; name another protocol"
        )
    taken: dict[str, list[float]] = {name: [] for name in listeners}
    for clip in clips:
        for name, judge in listeners.items():
            begun = time.process_time()
            judge(clip)
            taken[name].append(1000 * (time.process_time() - begun))
    return {
        name: float(np.median(times[1:])) for name, times in taken.items()
    }  # the first run prepares a network


if __name__ == "__main__":
    sys.exit(main())
