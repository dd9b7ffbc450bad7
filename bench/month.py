"""A month of the loop that learns: three new families of systems come up one after the other in
calls beside real ones, a person answers a few questions a day, and every week the model is
retrained.

    python bench/month.py --data ../shared/corpus [--side dev] [--url URL] > bench/month.md

The families are systems that the bundle never learned from: half of their clips, and half of the
real speakers, come in calls, the other halves measure. Calls go through the detector, the journal,
review, overlay and retraining as they are; only the person is the protocol. Three are compared: the
bundle as it is, with the index that learns at once, and with that index and retraining. Draws
bench/month.svg.
"""

from __future__ import annotations

import argparse
import csv
import re
import shutil
import sys
import tempfile
import uuid
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.commands.retrain import context
from app.settings import Settings, load
from evaluation.days import draw_days
from radd.bundle import load_detector, load_known_voices, read_manifest, write_manifest
from radd.dataset import Clip, DecodedClips
from radd.encoder import BLOCK_SAMPLES, corrected, speech_blocks
from radd.hot_swap import HotSwapDetector
from radd.index import BundleIndex
from radd.metrics import eer_of_sorted
from radd.overlay import OverlaidIndex
from radd.registry import in_use, version_of
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ, Alert, AlertState, AudioChunk
from retraining.confirmed_clips import index_confirmed
from retraining.loop import retrain
from retraining.replay_scores import judging
from storage.journal import Journal, StreamInfo
from storage.learning import Learning
from storage.overlay import OverlayStore
from storage.review import Label, Question, Reviews
from stream.hot_reload import HotReload
from stream.monitor import Monitor
from stream.sampling import Sampler
from stream.tap import ended, observed
from training.bundle_maker import load_networks
from training.replay import REPLAY, Replay
from training.windows import score_windows

ROOT = Path(__file__).resolve().parent.parent

FAMILIES = {  # patterns of systems' names, by side; of names that no training clip bears
    "dev": {
        "FreeVC and its peers": r"FreeVC|FreeVC-s|YourTTS-VC|VQVC",
        "VITS-VC, UnivNet": r"VITS-VC|Glow-TTS-VC|UnivNet-c16|UnivNet-c32",
        "Face-StyleSpeech and its peers": r"Face-StyleSpeech|Grad-StyleSpeech",
    },
    "eval": {
        "Assem-VC and its peers": r"Assem-VC.*|Cotatron-VC|Mellotron-VC",
        "disentangled VAE and its peers": r"Disentangled-VAE|ACVAE-VC|CycleVAE-VC",
        "ESPnet": r"(fastspeech|tacotron2|transformer)\+(GL|WaveNet)",
    },
}
DAYS, WEEK, SPREAD = 28, 7, 14
FIRST = (1, 5, 9)  # day on which each family comes up; its calls then spread over two weeks
IN_A_CALL = (
    4  # clips, of one system or one speaker: some 12 s, as only whole stretches of 8 s are sampled
)
TOGETHER = 16 * HOP_SAMPLES  # in a chunk; how a call is cut changes no score
BEGAN = datetime(2026, 1, 1, 9, tzinfo=UTC)
SAMPLES_PER_HOUR = 400.0
MIN_LABELS = 6
FROZEN, INDEX, LOOP = "frozen", "index only", "index and retraining"


@dataclass(frozen=True, slots=True)
class Call:
    """A stream of one voice."""

    day: int
    family: str
    """a family's name, or "real" """
    clips: list[int]


class Heard:
    """What the networks say of the longest window of clips, so that a day's model costs no more
    than arithmetic.
    """

    def __init__(self, clips: DecodedClips, chosen: list[int], bundle: Path) -> None:
        cnn, encoder = load_networks(bundle)
        index = load_known_voices(bundle)[1]
        windows = score_windows(clips, cnn, encoder, index, None, 1, chosen)
        last = {int(clip): row for row, clip in enumerate(windows.clip)}
        self.of = {i: row for i, row in last.items() if not np.isnan(windows.parts[row, 1])}
        self.windows = windows
        self.blocks = {
            i: [
                encoder.embed(clips.samples(i)[at : at + BLOCK_SAMPLES])[0]
                for at in speech_blocks(clips.speech(i))
            ]
            for i in self.of
        }

    def llrs(self, bundle: Path, index: BundleIndex | OverlaidIndex) -> dict[int, float]:
        """The LLR of each clip by a bundle of the same networks and an index, as the detector puts
        it together.
        """
        correction, calibration = judging(bundle)
        found = {}
        for i, row in self.of.items():
            spectrum, own, margin = self.windows.parts[row]
            if correction is not None:
                own = corrected(correction, own, self.windows.embedding[row])
            llr = calibration.llr(self.windows.speech_s[row], spectrum, own, margin)
            found[i] = calibration.overrule(llr, index.closeness(np.array(self.blocks[i])))
        return found


class World:
    """An installation: its database, its bundles and what it learns."""

    def __init__(self, directory: Path, bundle: Path, learns: bool, url: str | None) -> None:
        self.models, self.learns, self.work = directory / "models", learns, directory / "work"
        shutil.copytree(bundle, self.models / "default")
        chosen = load(environ={})
        storage = replace(
            chosen.storage,
            url=url or f"sqlite:///{directory}/radd.db",
            spool=str(directory / "spool"),
        )
        retraining = replace(chosen.retrain, min_labels=MIN_LABELS, shadow_hours=0.0)
        self.settings: Settings = replace(chosen, storage=storage, retrain=retraining)
        self.judging = self.champion
        self.detector = HotSwapDetector(load_detector(self.judging, chosen.model, chosen.gate))
        self.truth: dict[str, Call] = {}
        self.reviewed: dict[str, int] = defaultdict(int)
        self.alerts_on_real = 0
        self.said: list[str] = []

    @property
    def champion(self) -> Path:
        return in_use(self.models / "default")

    def hear(self, number: int, call: Call, sound: np.ndarray) -> None:
        """A call, from its sound to the database."""
        settings, url = self.settings, self.settings.storage.url
        started = BEGAN + timedelta(days=call.day - 1, minutes=10 * (number % 50))
        info = StreamInfo(
            str(uuid.uuid5(uuid.NAMESPACE_OID, f"call {number}")),
            f"call {number}",
            None,
            SAMPLE_RATE_HZ,
            "bench",
            self.detector.name,
            "0" * 64,
            started,
        )
        self.truth[info.id] = call

        def newest():
            if self.champion == self.judging:
                return None
            self.judging = self.champion
            return load_detector(self.judging, settings.model, settings.gate)

        with HotReload(
            self.detector, lambda now: OverlayStore(url, now.encoder_id), 3600, newest
        ) as index:
            index.take_model()
            index.take()
        monitor = Monitor(self.detector, settings.decision, settings.alerts, info.id)
        taps = [Sampler(SAMPLES_PER_HOUR, info.id, settings.alerts.neighbours)]
        with Journal(settings.storage, info) as journal:
            for start in range(0, len(sound), TOGETHER):
                chunk = AudioChunk(sound[start : start + TOGETHER], start)
                for event in observed(taps, chunk, monitor.feed(chunk)):
                    self._keep(journal, event, call)
            for event in ended(taps, monitor.flush()):
                self._keep(journal, event, call)

    def _keep(self, journal: Journal, event, call: Call) -> None:
        journal.write(event)
        if isinstance(event, Alert) and event.state is AlertState.OPEN and call.family == "real":
            self.alerts_on_real += 1

    def review(self, budget: int) -> None:
        """Answer the most informative questions, and let the index know."""
        with Reviews(self.settings.storage.url, self.settings.review.quorum) as reviews:
            for row in reviews.list(Question(limit=budget)):
                call = self.truth[row["stream_id"]]
                answer = Label.REAL if call.family == "real" else Label.FAKE
                reviews.label([row["id"]], answer, "the protocol", "")
                self.reviewed[call.family] += len(call.clips)
            index_confirmed(reviews, load_known_voices(self.champion)[0])

    def learn(self, day: int) -> None:
        with Learning(self.settings.storage.url) as store:
            promoted = retrain(
                store, context(self.settings, self.champion, self.work), lambda line: None
            )
            last = (store.retrainings() or [{"outcome": "too few new labels"}])[-1]
        outcome = re.sub(r"r\d{8}T\d{6}", "the candidate", last["outcome"] or "")
        self.said.append(f"day {day}: {'promoted' if promoted else 'not promoted'}. {outcome}")

    def index(self) -> OverlaidIndex:
        encoder, bundled, _ = load_known_voices(self.champion)
        with OverlayStore(self.settings.storage.url, encoder.id) as store:
            return OverlaidIndex(bundled, store.read())


def main() -> None:
    arguments = parse()
    families = FAMILIES[arguments.side]
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        decoded = DecodedClips(
            read_clips(arguments.data, arguments.side), arguments.cache or here / "decoded", 1
        )
        rng = np.random.default_rng(arguments.seed)
        family = [family_of(clip, families) for clip in decoded.clips]
        calls, measured = plan(decoded.clips, family, list(families), rng)
        unknown = {
            clip.system for clip, of in zip(decoded.clips, family, strict=True) if of in families
        }
        bundle = without(arguments.bundle, here / "start", unknown)
        heard = Heard(decoded, measured, bundle)
        curves = {
            FROZEN: [
                measure(heard, heard.llrs(bundle, load_known_voices(bundle)[1]), decoded, family)
            ]
            * (DAYS + 1)
        }
        worlds = {}
        for name, url in ((INDEX, None), (LOOP, arguments.url)):
            (here / name).mkdir()
            worlds[name] = World(here / name, bundle, name == LOOP, url)
            curves[name] = [curves[FROZEN][0]]
            for day in range(1, DAYS + 1):
                live(worlds[name], day, calls, decoded, arguments.budget)
                llrs = heard.llrs(worlds[name].champion, worlds[name].index())
                curves[name].append(
                    measure(heard, llrs, decoded, family)
                    | {"reviewed": dict(worlds[name].reviewed)}
                )
                print(f"{name}, day {day}", file=sys.stderr, flush=True)
        tell(arguments, curves, worlds, calls, measured, family, list(families))


def live(world: World, day: int, calls: list[Call], decoded: DecodedClips, budget: int) -> None:
    for number, call in enumerate(calls):
        if call.day == day:
            world.hear(number, call, np.concatenate([decoded.samples(i) for i in call.clips]))
    world.review(budget)
    if world.learns and day % WEEK == 0:
        world.learn(day)


def read_clips(directory: Path, side: str) -> list[Clip]:
    """The clips of one side of the corpus, the eval side too, as meta.csv lists them."""
    with (directory / "meta.csv").open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["split"] == side]
    return [
        Clip(
            row["utt"],
            directory / "flac" / f"{row['utt']}.flac",
            row["label"],
            row["system"],
            row["speaker"],
            row["source_repo"],
            row["licence"],
            row["lang"],
        )
        for row in rows
    ]


def family_of(clip: Clip, families: dict[str, str]) -> str:
    """A new family's name, "real", or "old"."""
    if clip.label == "bonafide":
        return "real"
    return next(
        (name for name, pattern in families.items() if re.fullmatch(pattern, clip.system)), "old"
    )


def plan(
    clips: list[Clip], family: list[str], names: list[str], rng: np.random.Generator
) -> tuple[list[Call], list[int]]:
    """The month's calls, and the clips that measure: of a real speaker or an old system all are on
    one side.
    """
    voices = defaultdict(list)
    for i, clip in enumerate(clips):
        voices[
            family[i], clip.system if family[i] != "real" else f"{clip.source} {clip.speaker}"
        ].append(i)
    calls, measured = [], []
    halves = defaultdict(int)
    by_family: dict[str, list[list[int]]] = defaultdict(list)
    for (of, _), mine in sorted(voices.items()):
        mine = rng.permutation(mine).tolist()
        if of == "old":
            measured += mine
            continue
        halves[of] += 1
        coming = mine[: len(mine) // 2] if of != "real" else mine[: len(mine) * (halves[of] % 2)]
        measured += [i for i in mine if i not in coming]
        by_family[of] += [coming[k : k + IN_A_CALL] for k in range(0, len(coming), IN_A_CALL)]
    for of, groups in by_family.items():
        first, last = (
            (1, DAYS)
            if of == "real"
            else (FIRST[names.index(of)], FIRST[names.index(of)] + SPREAD - 1)
        )
        days = np.linspace(first, last, len(groups)).round().astype(int)
        calls += [
            Call(int(day), of, groups[k])
            for day, k in zip(days, rng.permutation(len(groups)), strict=True)
        ]
    return calls, sorted(measured)


def without(bundle: Path, out: Path, systems: set[str]) -> Path:
    """A copy of a bundle that has nothing of these systems to replay; raises SystemExit where it
    has learned from one.
    """
    if learned := systems & load_known_voices(bundle)[1].systems():
        raise SystemExit(
            f"{bundle} has learned from {', '.join(sorted(learned))}: no new family; change "
            "FAMILIES"
        )
    shutil.copytree(bundle, out)
    replay = Replay.read(out / REPLAY)
    replay.rows(~np.isin(replay.system, list(systems))[replay.clip]).write(out / REPLAY)
    manifest = read_manifest(bundle)
    write_manifest(
        out, manifest["name"], judging(bundle)[1], manifest["training"], manifest["metrics"]
    )
    return out


def measure(heard: Heard, llrs: dict[int, float], decoded: DecodedClips, family: list[str]) -> dict:
    """EER in % of each family against the real clips, and real clips called fake, an hour of
    them.
    """
    sides = defaultdict(list)
    for i, llr in llrs.items():
        sides[family[i]].append(llr)
    sides = {name: np.sort(found) for name, found in sides.items()}
    real = sides.pop("real")
    hours = (
        sum(len(decoded.samples(i)) for i in llrs if family[i] == "real") / SAMPLE_RATE_HZ / 3600
    )
    spoof_p = load(environ={}).decision.spoof_p
    alarms = (real < -np.log(spoof_p / (1 - spoof_p))).sum() / hours
    return {
        "eer": {name: 100 * eer_of_sorted(real, found) for name, found in sides.items()},
        "alarms": alarms,
    }


def tell(
    arguments,
    curves: dict,
    worlds: dict[str, World],
    calls: list[Call],
    measured: list[int],
    family: list[str],
    names: list[str],
) -> None:
    """Markdown on stdout, and the figure."""

    def new(name: str) -> list[float]:
        return [np.mean([day["eer"][of] for of in names]) for day in curves[name]]

    counts = {
        of: (
            sum(len(c.clips) for c in calls if c.family == of),
            sum(family[i] == of for i in measured),
        )
        for of in [*names, "real", "old"]
    }
    print(
        "# A month of the loop\n\nPrinted by\n\n    python bench/month.py --data ../shared/corpus"
        f"{'' if arguments.side == 'eval' else f' --side {arguments.side}'}\n"
    )
    print(
        f"`{version_of(read_manifest(arguments.bundle))}`, {arguments.side} side, "
        f"{arguments.budget} clips reviewed a day at most. In calls and to measure, clips: "
        + "; ".join(f"{of} {a} and {b}" for of, (a, b) in counts.items())
        + ".\n"
    )
    print("| | frozen | index only | index and retraining |\n|---|---|---|---|")
    for of in names:
        first = FIRST[names.index(of)]
        within = [
            max(d for d in range(DAYS + 1) if curves[n][d].get("reviewed", {}).get(of, 0) <= 20)
            for n in (INDEX, LOOP)
        ]
        told = [
            curves[n][d]["eer"][of]
            for n, d in zip((FROZEN, INDEX, LOOP), (0, *within), strict=True)
        ]
        print(
            f"| EER, %, {of}, up to 20 of its clips reviewed | "
            + " | ".join(f"{x:.1f}" for x in told)
            + " |"
        )
        later = min(DAYS, first + SPREAD)
        print(
            f"| ... two weeks after it came up, day {later} | "
            + " | ".join(f"{curves[n][later]['eer'][of]:.1f}" for n in curves)
            + " |"
        )
    print(
        "| EER, %, new families, mean, last day | "
        + " | ".join(f"{new(n)[-1]:.1f}" for n in curves)
        + " |"
    )
    print(
        "| EER, %, old families, last day | "
        + " | ".join(f"{curves[n][-1]['eer']['old']:.1f}" for n in curves)
        + " |"
    )
    print(
        "| ... on the worst day | "
        + " | ".join(f"{max(d['eer']['old'] for d in curves[n]):.1f}" for n in curves)
        + " |"
    )
    print(
        "| new over old families, last day | "
        + " | ".join(f"{new(n)[-1] / curves[n][-1]['eer']['old']:.2f}" for n in curves)
        + " |"
    )
    print(
        "| real clips called fake, an hour of them, last day | "
        + " | ".join(f"{curves[n][-1]['alarms']:.1f}" for n in curves)
        + " |"
    )
    print(
        "| ... on the worst day | "
        + " | ".join(f"{max(d['alarms'] for d in curves[n]):.1f}" for n in curves)
        + " |\n"
    )
    for name, world in worlds.items():
        reviewed = ", ".join(f"{count} of {of}" for of, count in world.reviewed.items())
        print(
            f"- {name}: clips in calls with an answer, once for each answer, {reviewed}; "
            f"{world.alerts_on_real} alerts in the calls of people"
        )
    for line in worlds[LOOP].said:
        print(f"- {line}")
    print("\n![EER of the new families and false alarms by day](month.svg)")
    days = list(range(DAYS + 1))
    draw_days(
        arguments.figure,
        [
            ("EER, %, mean of the new families", {n: (days, new(n)) for n in curves}),
            (
                "real clips called fake, an hour",
                {n: (days, [day["alarms"] for day in curves[n]]) for n in curves},
            ),
        ],
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the corpus")
    parser.add_argument(
        "--side", choices=FAMILIES, default="eval", help="eval reports; choose nothing on it"
    )
    parser.add_argument("--bundle", type=Path, default=ROOT / "models" / "default", metavar="DIR")
    parser.add_argument("--url", help="an empty database for the loop, instead of SQLite")
    parser.add_argument(
        "--budget", type=int, default=4, metavar="N", help="clips reviewed a day, default 4"
    )
    parser.add_argument("--figure", type=Path, default=ROOT / "bench" / "month.svg", metavar="FILE")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keeps decoded audio for the next time"
    )
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
