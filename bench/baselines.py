"""Every detector on the same footing: trained alike, scored on the same clips, one row a model.

    python bench/baselines.py split --data CORPUS --out DIR [--seed S]
    python bench/baselines.py encoder --out DIR [--bundle models/default]
    python bench/baselines.py table --protocol FILE --audio DIR --work DIR --bundle NAME=DIR [--bundle ...]
        [--scores NAME=FILE ...] [--conditions NAME ...] [--random NAME=DIR ... --random-data DIR] [--jobs N]

Bundles of one NAME are seeds of one model; the interval is over seeds and speakers together. `--scores` adds a detector
of which only scores are known, in any form that evaluate.py reads. Scores stay in --work, so a row that was measured
is not measured again, and the same command with one more --bundle adds a row.

`split` makes the corpus that simpler projects learn from: the clips of the train and dev sides are drawn at random into
train, dev and eval sides, so that the sources and speakers of each are in the others too. A model that learned from it
is given with --random and scored on its eval side: what that claims stands in the last column.

`encoder` writes the Wav2Vec2 model of a bundle in the hub's form, which train.py fit --model wav2vec2 --encoder DIR takes.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")  # read when numpy is imported

import argparse  # noqa: E402
import csv  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from dataclasses import dataclass, field, replace  # noqa: E402
from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from evaluation.audio_folder import AudioFolder  # noqa: E402
from evaluation.bootstrap import METRICS, Resampling, WeightedTrials, interval95, point  # noqa: E402
from evaluation.conditions import CONDITIONS, Hearing  # noqa: E402
from evaluation.progress import Progress  # noqa: E402
from evaluation.scoring import ClipScorer  # noqa: E402
from evaluation.tables import interval, markdown  # noqa: E402
from evaluation.workers import in_order  # noqa: E402
from radd.bundle import ENCODER, FRAMES, NETWORK, SCORE, load_detector, read_manifest  # noqa: E402
from radd.dataset import read_corpus  # noqa: E402
from radd.errors import ConfigError, ProtocolError, RaddError  # noqa: E402
from radd.files import load_speech  # noqa: E402
from radd.protocols import Trials, read_protocol  # noqa: E402
from radd.score_files import ScoredTrials, match, read_scores, write_2019  # noqa: E402
from radd.types import HOP_SAMPLES  # noqa: E402
from settings import load  # noqa: E402

HEARD = ("telephone-alaw", "mp3-40", "noise10")
RANDOM = "random"  # names the scores of a side that was drawn at random
SHARES = {"train": 0.7, "dev": 0.15, "eval": 0.15}  # of clips, in the split that leaks
CLIP_HOPS = 31  # 4 s
TIMED_CLIPS = 24
BATCH = 32
REPLICATES = 500
UNKNOWN = "–"


@dataclass
class Row:
    """A model: its bundles, one a seed, or its scores alone."""

    bundles: list[Path] = field(default_factory=list)
    leaked: list[Path] = field(default_factory=list)
    """bundles that learned from the split that leaks"""
    scores: Path | None = None


def main() -> int:
    arguments = parse()
    try:
        if arguments.command == "split":
            print(split(arguments.data, arguments.out, arguments.seed))
        elif arguments.command == "encoder":
            from training.warm_start import block_encoder

            block_encoder(arguments.bundle).speech_model.save_pretrained(arguments.out)
        else:
            print(table(arguments))
    except RaddError as error:
        print(f"bench/baselines.py: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    making = commands.add_parser("split", help="make a corpus whose sides leak")
    making.add_argument("--data", type=Path, required=True, metavar="DIR")
    making.add_argument("--out", type=Path, required=True, metavar="DIR")
    making.add_argument("--seed", type=int, default=1, metavar="S")
    taking = commands.add_parser("encoder", help="write a bundle's encoder in the hub's form")
    taking.add_argument("--out", type=Path, required=True, metavar="DIR")
    taking.add_argument("--bundle", type=Path, default=ROOT / "models" / "default", metavar="DIR")
    add = commands.add_parser("table", help="score what is not scored yet and print the table").add_argument
    add("--protocol", type=Path, required=True, metavar="FILE")
    add("--audio", type=Path, required=True, metavar="DIR", help="sound of the trials")
    add("--work", type=Path, required=True, metavar="DIR", help="keeps scores")
    add("--bundle", type=named, action="append", default=[], metavar="NAME=DIR", help="one seed of a model")
    add("--scores", type=named, action="append", default=[], metavar="NAME=FILE", help="of a detector that is no bundle")
    add("--conditions", nargs="*", choices=[name for name in CONDITIONS if name != "clean"], default=HEARD, metavar="NAME")
    add("--random", type=named, action="append", default=[], metavar="NAME=DIR", help="a bundle that learned from `split`")
    add("--random-data", type=Path, metavar="DIR", help="what `split` made")
    add("--jobs", type=int, default=1, metavar="N", help="processes that score, default 1")
    return parser.parse_args()


def named(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if not path:
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=PATH, as in forest=models/forest")
    return name, Path(path)


def split(data: Path, out: Path, seed: int) -> str:
    """Write protocols of the split that leaks and links to its sound into `out`, and what it holds in words."""
    clips = [clip for side in ("train", "dev") for clip in read_corpus(data, side)]
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
    for side, chosen in zip(SHARES, np.split(order, edges[:-1]), strict=True):
        lines = [f"{c.speaker.replace(' ', '_')} {c.utt} - {c.system.replace(' ', '_')} {c.label}\n"
                 for c in (clips[i] for i in sorted(chosen))]
        (out / f"protocol.{side}.txt").write_text("".join(lines), encoding="utf-8")
    return f"{out}: {len(clips)} clips, {', '.join(f'{share:.0%} {side}' for side, share in SHARES.items())}, at random"


def table(arguments: argparse.Namespace) -> str:
    """The table, as Markdown, of all rows that the command line names, in its order."""
    if arguments.random and not arguments.random_data:
        raise ConfigError("--random needs --random-data DIR, what `split` made")
    rows: dict[str, Row] = {}
    for name, bundle in arguments.bundle:
        rows.setdefault(name, Row()).bundles.append(bundle.absolute())
    for name, bundle in arguments.random:
        rows.setdefault(name, Row()).leaked.append(bundle.absolute())
    for name, file in arguments.scores:
        rows.setdefault(name, Row()).scores = file
    bare = [name for name, row in rows.items() if not row.bundles and not row.scores]
    if bare or not rows:
        raise ConfigError(f"no bundle of {', '.join(bare) or 'any model'}: name one with --bundle NAME=DIR")
    trials, sound = read_protocol(arguments.protocol), AudioFolder(arguments.audio)
    costs = milliseconds({name: row.bundles[0] for name, row in rows.items() if row.bundles}, trials, sound)
    header = ["model", "seeds", "EER, %", "95 % interval", "Cllr, bit", *(f"{c}, %" for c in arguments.conditions),
              "parameters", "ms for 4 s", "EER, %, random split"]
    lines = [told(name, row, arguments, trials, sound, costs) for name, row in rows.items()]
    n_spoof = int(trials.is_spoof.sum())
    return f"{markdown(header, lines)}\n\n{len(trials) - n_spoof} bona fide and {n_spoof} spoof clips"


def told(
    name: str, row: Row, arguments: argparse.Namespace, trials: Trials, sound: AudioFolder, costs: dict[str, float]
) -> list[str]:
    """One line of the table."""
    if row.scores is not None:
        scored = [match(trials, read_scores(row.scores), row.scores)]
        return [name, UNKNOWN, *equal_error(scored), *[UNKNOWN] * (len(arguments.conditions) + 4)]

    def runs(condition: str) -> list[ScoredTrials]:
        return [scores_of(bundle, condition, trials, sound, arguments) for bundle in row.bundles]

    clean = runs("clean")
    leaked = UNKNOWN
    if row.leaked:
        side, flac = read_protocol(arguments.random_data / "protocol.eval.txt"), AudioFolder(arguments.random_data / "flac")
        leaked = mean("eer_percent", [scores_of(b, RANDOM, side, flac, arguments) for b in row.leaked], ".1f")
    return [name, str(len(clean)), *equal_error(clean), mean("cllr_bits", clean, ".2f"),
            *(mean("eer_percent", runs(condition), ".1f") for condition in arguments.conditions),
            parameters(row.bundles[0]), f"{costs[name]:.1f}", leaked]


def equal_error(runs: list[ScoredTrials]) -> list[str]:
    """The mean EER of the seeds, in percent, and the interval of one draw of a seed and of speakers."""
    weighted, rng = [WeightedTrials(run) for run in runs], np.random.default_rng(0)
    draws = Resampling.of(runs[0].trials).draws(REPLICATES, rng)
    found = [weighted[rng.integers(len(weighted))].metrics(weights)[METRICS.index("eer_percent")] for weights in draws]
    return [mean("eer_percent", runs, ".1f"), interval(interval95(np.array(found)))]


def mean(metric: str, runs: list[ScoredTrials], form: str) -> str:
    return format(float(np.mean([point(run)[metric] for run in runs])), form)


def scores_of(
    bundle: Path, condition: str, trials: Trials, sound: AudioFolder, arguments: argparse.Namespace
) -> ScoredTrials:
    """The scores of a bundle under a condition, computed where --work does not hold them."""
    manifest = read_manifest(bundle)
    file = arguments.work / f"{manifest['name']}-{manifest['version']}-{condition}.txt"
    if not file.is_file():
        hearing = Hearing("clean" if condition == RANDOM else condition)
        batches = [trials.utts[k : k + BATCH] for k in range(0, len(trials), BATCH)]
        found, tell = [], Progress(f"{manifest['name']} {condition}")
        for scores in in_order(partial(scorer, bundle, sound, hearing), batches, arguments.jobs):
            found += scores
            tell(len(found), len(trials))
        missing = next((one for one in found if one.llr is None), None)
        if missing is not None:
            raise ProtocolError(f"trial {missing.utt} cannot be scored: {missing.problem}; all models need the same trials")
        arguments.work.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        write_2019(part, ScoredTrials(trials, np.array([one.llr for one in found])))
        part.replace(file)
    return match(trials, read_scores(file), file)


def scorer(bundle: Path, sound: AudioFolder, hearing: Hearing):
    settings = load()
    return ClipScorer(load_detector(bundle, settings.model, settings.gate), sound, hearing).score_all


def parameters(bundle: Path) -> str:
    """How many numbers a bundle's networks have learned."""
    manifest = read_manifest(bundle)
    if "model" in manifest:
        return f"{manifest['model']['parameters']:,}"
    import onnx

    networks = [onnx.load(bundle / file).graph for file in (FRAMES, SCORE, ENCODER, NETWORK) if (bundle / file).is_file()]
    weights = [w for graph in networks for w in graph.initializer if w.data_type in (1, 10)]  # float32 and float16
    return f"{sum(int(np.prod(w.dims)) for w in weights):,}"


def milliseconds(bundles: dict[str, Path], trials: Trials, sound: AudioFolder) -> dict[str, float]:
    """By name, the median processor time of judging 4 s of decoded sound on one core, in turns over the same clips."""
    settings = load()
    model = replace(settings.model, cache_blocks=0)  # a corpus holds every clip once
    detectors = {name: load_detector(bundle, model, settings.gate) for name, bundle in bundles.items()}
    clips = []
    for utt in trials.utts:
        path = sound.find(utt)
        samples = load_speech(path) if path else np.zeros(0, np.float32)
        if len(samples) >= CLIP_HOPS * HOP_SAMPLES:
            clips.append(samples[: CLIP_HOPS * HOP_SAMPLES])
        if len(clips) > TIMED_CLIPS:
            break
    if len(clips) < 2:
        raise ConfigError("fewer than two trials have 4 s of sound to time models on; name another protocol")
    taken: dict[str, list[float]] = {name: [] for name in detectors}
    for clip in clips:
        for name, detector in detectors.items():
            begun = time.process_time()
            detector.push(detector.start(), clip, gated=False, longest=True)
            taken[name].append(1000 * (time.process_time() - begun))
    return {name: float(np.median(times[1:])) for name, times in taken.items()}  # the first run prepares a network


if __name__ == "__main__":
    sys.exit(main())
