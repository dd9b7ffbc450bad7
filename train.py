"""Makes and describes model bundles.

`fit` trains one from labelled speech, `generate` makes synthetic speech to learn from, `card`
copies measured numbers into a bundle, and `index` adds known voices to one that listens. `retrain`
learns from what people have labelled, `promote` and `rollback` choose the bundle in use, and
`drift` tells how far the sound is from what it knows.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from app.options.index import add_options
from radd.hub import bundle_directory, place_of
from radd.resources import resource, writable
from training.baselines import MODELS
from training.config import STAGES

SHIPPED = "radd"
PROVED = (
    "telephone-mulaw",
    "noise10",
)  # conditions of evaluation that a retrained bundle must not be worse under
NICE = 15  # retraining waits for what listens


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    from app.exit import exit_code

    return exit_code(lambda: arguments.command(arguments))


def fit(arguments: argparse.Namespace) -> None:
    from app.settings import load
    from evaluation.conditions import CONDITIONS
    from evaluation.training_figures import draw_training
    from generative.channel import Channel
    from radd.errors import ConfigError
    from training.selection import Selection

    settings, out = load(arguments.config), arguments.out
    out = out or resource("models") / ("default" if arguments.model == SHIPPED else arguments.model)
    recipe = settings.training
    if arguments.encoder is not None:
        recipe = replace(recipe, encoder=arguments.encoder)
    channel = Channel.read(arguments.noise, recipe.rawboost)
    selection = Selection.read(arguments.licences, arguments.exclude)
    if arguments.model == SHIPPED:
        from training.fit import fit

        fit(
            arguments.data,
            selection,
            out,
            arguments.work,
            recipe,
            channel,
            draw_training,
            arguments.jobs,
            arguments.start,
            {name: CONDITIONS[name] for name in PROVED},
            arguments.stage,
        )
    else:
        from training.baselines.fit import fit_baseline

        if arguments.start or arguments.stage:
            raise ConfigError(
                f"--start and --stage are of the model {SHIPPED}; {arguments.model} learns in one "
                "go: drop them"
            )
        fit_baseline(
            arguments.model,
            arguments.data,
            selection,
            out,
            arguments.work,
            recipe,
            channel,
            draw_training,
            settings.gate,
            arguments.jobs,
        )
    if arguments.stage not in (None, STAGES[-1]):
        return
    print(
        f"{out} is ready; measure it with evaluate.py, then: train.py card --bundle {out} "
        "--metrics ..."
    )


def engines(arguments: argparse.Namespace) -> None:
    from generative.corpus import write_corpus
    from generative.engines import installed, plan_engines, speak

    voices, missing = installed()
    for engine in missing:
        print(f"left out, not installed: {engine}")
    plans = plan_engines(voices, arguments.clips, arguments.seed)
    told(arguments.out, plans, write_corpus(arguments.out, plans, speak, arguments.jobs))


def copies(arguments: argparse.Namespace) -> None:
    from generative.copy_synthesis import copier, plan_copies
    from generative.corpus import write_corpus
    from generative.sources import train_clips

    real = train_clips(arguments.data, "bonafide")
    plans = plan_copies(real, arguments.clips, arguments.seed)
    told(arguments.out, plans, write_corpus(arguments.out, plans, copier(real), arguments.jobs))


def gan(arguments: argparse.Namespace) -> None:
    from generative import gan
    from generative.corpus import write_corpus
    from generative.sources import place_of, train_clips

    real, sizes = train_clips(arguments.data, "bonafide"), arguments.size or ["tiny"]
    work = place_of(real, arguments.work)
    gan.train(real, work, sizes, arguments.steps, arguments.seed, arguments.minutes)
    plans = gan.plan_copies(real, work, sizes, arguments.clips, arguments.seed)
    told(
        arguments.out,
        plans,
        write_corpus(arguments.out, plans, gan.copier(real, work), arguments.jobs),
    )
    for system, distance in gan.distances(plans, real, work).items():
        print(f"{system}: mel spectra {distance:.1f} dB from their sources' on average")


def vae(arguments: argparse.Namespace) -> None:
    from generative import vae
    from generative.corpus import write_corpus
    from generative.sources import place_of, train_clips

    real, fake = (train_clips(arguments.data, label) for label in ("bonafide", "spoof"))
    network = vae.train(
        real, place_of(real, arguments.work), arguments.steps, arguments.seed, arguments.minutes
    )
    plans = vae.plan_clips(real, fake, arguments.clips, arguments.seed)
    told(
        arguments.out,
        plans,
        write_corpus(arguments.out, plans, vae.maker(network, real + fake), arguments.jobs),
    )


def told(out: Path, plans: list, left_out: list[str]) -> None:
    for line in left_out:
        print(f"left out: {line}")
    print(
        f"{out} holds {len(plans) - len(left_out)} clips; learn from it with train.py fit --data "
        f"... --data {out}"
    )


def index(arguments: argparse.Namespace) -> None:
    from app.settings import load
    from radd.registry import in_use
    from storage.reference_store import ReferenceStore

    settings = load(arguments.config)
    bundle = arguments.bundle or in_use(bundle_directory(resource(), settings.model.bundle))
    url = arguments.url or settings.storage.url
    with ReferenceStore(bundle, url) as confirming:
        arguments.action(confirming, arguments)


def card(arguments: argparse.Namespace) -> None:
    from training.card import add_metrics

    add_metrics(arguments.bundle, dict(arguments.metrics), arguments.out)
    told = (arguments.out or arguments.bundle) / "card.md"
    print(f"{told} holds the numbers of {', '.join(name for name, _ in arguments.metrics)}")


def import_from_hub(arguments: argparse.Namespace) -> None:
    from app.settings import load
    from training.hub_import import import_model

    out = arguments.out or place_of(arguments.named)
    import_model(
        arguments.named,
        out,
        dict(arguments.label),
        arguments.data,
        arguments.work,
        load().gate,
        arguments.jobs,
    )
    print(
        f"{out} is ready; detect.py and evaluate.py take it with --bundle "
        f"{arguments.out or arguments.named}"
    )


def calibrate_closeness(arguments: argparse.Namespace) -> None:
    """Measure how much a confirmation says to a bundle that is made already."""
    from app.settings import load
    from generative.channel import Channel
    from radd.dataset import DecodedClips, read_corpus
    from training.closeness import calibrate_closeness

    recipe = load(arguments.config).training
    channel = Channel.read(arguments.noise, recipe.rawboost)
    clips = DecodedClips(
        [clip for directory in arguments.data for clip in read_corpus(directory, "dev")],
        arguments.work / "decoded",
        1,
    )
    rows = calibrate_closeness(arguments.bundle, clips, channel, recipe.seed)
    for label, (weight, offset, cap) in zip(("real", "fake"), rows, strict=True):
        counts = (
            f"counts from a closeness of {-offset / weight:.2f} on, up to {cap:.1f} nats"
            if weight
            else "says nothing"
        )
        print(f"a confirmed {label} recording {counts}")


def models(arguments: argparse.Namespace) -> None:
    from radd.registry import list_models

    print(list_models(arguments.directory))


def retrain(arguments: argparse.Namespace) -> None:
    """One round, or one each so often."""
    from importlib.util import find_spec

    from app.settings import load
    from radd.errors import ConfigError, RaddError
    from radd.registry import in_use
    from retraining.loop import retrain
    from storage.learning import Learning

    if find_spec("sklearn") is None:
        raise ConfigError("scikit-learn is not installed; pip install -e '.[retrain]'")
    settings = load(arguments.config)
    configured = bundle_directory(resource(), settings.model.bundle)
    os.nice(NICE)
    with Learning(arguments.url or settings.storage.url) as store:
        while True:
            try:
                retrain(
                    store, means(settings, in_use(configured), arguments.work), say, arguments.asked
                )
            except RaddError as error:
                if arguments.every is None:
                    raise
                say(f"error: {error}")
            if arguments.every is None:
                return
            time.sleep(arguments.every)


def means(settings, champion: Path, work: Path):
    from evaluation.conditions import CONDITIONS
    from generative.copy_synthesis import METHODS
    from retraining.context import RetrainContext

    methods = [
        make for name, make in METHODS.items() if name != "world"
    ]  # the rest needs nothing but numpy

    def copy(samples, rng):
        return methods[rng.integers(len(methods))](samples, rng)

    return RetrainContext(
        champion,
        settings.retrain,
        settings.decision.spoof_p,
        work,
        copy,
        {name: CONDITIONS[name] for name in PROVED},
    )


def say(line: str) -> None:
    print(line, flush=True)


def choose(arguments: argparse.Namespace) -> None:
    """Put the bundle to use that is named, or with `rollback` the one before."""
    from app.settings import load
    from radd.registry import in_use
    from retraining.promotion import promote_by_name, rollback_to_previous
    from storage.learning import Learning

    settings = load(arguments.config)
    configured = bundle_directory(resource(), settings.model.bundle)
    with Learning(arguments.url or settings.storage.url) as store:
        if arguments.name is not None:
            version = promote_by_name(store, configured, arguments.name, arguments.reason)
        else:
            version = rollback_to_previous(store, configured, arguments.reason)
    print(
        f"{in_use(configured)} is in use: {version}; daemons take it over within [model] overlay_s"
    )


def drift(arguments: argparse.Namespace) -> None:
    """Print the drift of the last days, a row a stream and day."""
    from datetime import UTC, datetime, timedelta

    from app.settings import load
    from radd.bundle import usual_distance
    from radd.errors import ConfigError
    from radd.registry import in_use
    from storage.learning import Learning

    settings = load(arguments.config)
    champion, today = (
        in_use(bundle_directory(resource(), settings.model.bundle)),
        datetime.now(UTC).date(),
    )
    usual = usual_distance(champion)
    if usual is None:
        raise ConfigError(
            f"{champion} does not say what distance is usual: it takes nothing to replay along; "
            "make a bundle with train.py fit"
        )
    bound, first = settings.retrain.drift_factor * usual, today - timedelta(days=arguments.days - 1)
    with Learning(arguments.url or settings.storage.url) as store:
        rows = store.drifts(first)
    print(
        f"distance from known voices: {usual:.4f} is usual, more than {bound:.4f} is drift "
        "([retrain] drift_factor)"
    )
    for row in rows:
        bar = "#" * min(40, round(20 * row["distance"] / bound))
        source = "".join(c if c.isprintable() else "?" for c in row["source"][:40])
        print(
            f"{row['day']}  {row['distance']:.4f}  {row['seconds']:6} s  {bar:20} "
            f"{'DRIFT  ' if row['distance'] > bound else ''}{source}"
        )
    if arguments.plot is not None:
        from evaluation.days import by_source, draw_days

        draw_days(arguments.plot, [("distance from known voices", by_source(rows))], bound)
        print(f"{arguments.plot} shows them")


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("train.py", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    making = commands.add_parser("fit", help="train a bundle; goes on where a killed run stopped")
    making.set_defaults(command=fit)
    add = making.add_argument
    add(
        "--model",
        choices=(SHIPPED, *MODELS),
        default=SHIPPED,
        help=f"what learns: {SHIPPED}, the one that ships, or a baseline to compare it with, see "
        "bench/baselines.md",
    )
    add(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="a corpus with protocol.train.txt and protocol.dev.txt; may be given many times",
    )
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help=f"the bundle, default models/default of {SHIPPED}, else models/NAME",
    )
    add(
        "--work",
        type=Path,
        default=writable("build/fit"),
        metavar="DIR",
        help="decoded audio and checkpoints",
    )
    add(
        "--noise",
        type=Path,
        metavar="DIR",
        help="recorded noises in DIR/noise and room responses in DIR/rir",
    )
    add(
        "--exclude",
        type=Path,
        metavar="FILE",
        help="speakers to leave out, one a line: kept for measuring",
    )
    add(
        "--licences",
        choices=("all", "permissive"),
        default="all",
        help="permissive leaves out clips whose licence is unstated, non-commercial or in doubt; "
        "default all",
    )
    add(
        "--start",
        type=Path,
        metavar="DIR",
        help="a bundle whose networks learn on; else they begin anew",
    )
    add(
        "--encoder",
        metavar="NAME|DIR",
        help="in place of [training] encoder: a Wav2Vec2-family model, hub name or directory",
    )
    add(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings that override config.toml, section [training]",
    )
    add(
        "--jobs",
        type=int,
        default=os.cpu_count(),
        metavar="N",
        help="processes, default the number of cores",
    )
    add(
        "--stage",
        choices=STAGES,
        help="this stage alone, from what those before it left in --work; dvc.yaml does so",
    )
    generators = commands.add_parser(
        "generate", help="make synthetic speech to learn from; goes on after a kill"
    )
    generators = generators.add_subparsers(required=True, metavar="GENERATOR")
    generator(generators, "engines", engines, "sentences by the speech engines that are installed")
    copying = generator(
        generators, "copies", copies, "the train side's real speech by vocoders without a network"
    )
    copying.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="a corpus whose bona fide clips are copied; may be given many times",
    )
    convincing = learner(
        generators, "gan", gan, "the train side's real speech by vocoders that learn from it", 4000
    )
    convincing.add_argument(
        "--size",
        action="append",
        metavar="NAME",
        help="tiny, small or paper (for a graphics card); may be given many times, default tiny",
    )
    learner(
        generators,
        "vae",
        vae,
        "the train side's speech decoded from its spectra, or with a learned gain",
        3000,
    )
    learning = commands.add_parser(
        "index", help="what people confirm is known from then on, without training"
    )
    learning.set_defaults(command=index)
    add_options(learning)
    numbers = commands.add_parser(
        "card", help="copy the numbers that evaluate.py measured into a bundle's card"
    )
    numbers.set_defaults(command=card)
    numbers.add_argument("--bundle", type=Path, default=resource("models/default"), metavar="DIR")
    numbers.add_argument(
        "--metrics",
        type=named_file,
        action="append",
        required=True,
        metavar="NAME=FILE",
        help="metrics.json, stream.json or heard.json and the name of the run; may be given many "
        "times",
    )
    numbers.add_argument(
        "--out", type=Path, metavar="DIR", help="a copy that has them; the bundle stays as it is"
    )
    saying = commands.add_parser(
        "weigh", help="measure how much a confirmation says to a bundle; fit does so for its own"
    )
    saying.set_defaults(command=calibrate_closeness)
    saying.add_argument("--bundle", type=Path, default=resource("models/default"), metavar="DIR")
    saying.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="corpora with a dev side",
    )
    saying.add_argument(
        "--noise",
        type=Path,
        metavar="DIR",
        help="recorded noises in DIR/noise and room responses in DIR/rir",
    )
    saying.add_argument(
        "--work", type=Path, default=writable("build/fit"), metavar="DIR", help="decoded audio"
    )
    saying.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings that override config.toml, section [training]",
    )
    foreign = commands.add_parser(
        "import", help="an audio classifier of the hub, or saved by transformers, as a bundle"
    )
    foreign.set_defaults(command=import_from_hub)
    foreign.add_argument("named", metavar="hf:NAME|hf:DIR")
    foreign.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="the bundle; default where --bundle hf:NAME looks for it",
    )
    foreign.add_argument(
        "--label",
        type=named_label,
        action="append",
        default=[],
        metavar="CLASS=bonafide|spoof",
        help="what a class means where its name does not say so; may be given many times",
    )
    foreign.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a corpus whose dev side calibrates the scores; may be given many times",
    )
    foreign.add_argument(
        "--work", type=Path, default=writable("build/import"), metavar="DIR", help="decoded audio"
    )
    foreign.add_argument(
        "--jobs", type=at_least(1), default=1, metavar="N", help="processes that decode, default 1"
    )
    shelf = commands.add_parser(
        "models", help="list the bundles that are here and whether they are whole"
    )
    shelf.set_defaults(command=models)
    shelf.add_argument(
        "directory",
        type=Path,
        nargs="?",
        default=resource("models"),
        metavar="DIR",
        help="default models",
    )
    again = commands.add_parser(
        "retrain", help="learn from what people have labelled, if enough is new"
    )
    again.set_defaults(command=retrain)
    often = again.add_mutually_exclusive_group(required=True)
    often.add_argument("--once", action="store_true", help="one round, for a timer")
    again.add_argument(
        "--asked", metavar="ID", help=argparse.SUPPRESS
    )  # the console's: the row that tells how it goes
    often.add_argument(
        "--every", type=span, metavar="SPAN", help="a round each so often, as 24h or 30m"
    )
    again.add_argument(
        "--work",
        type=Path,
        default=writable("build/retrain"),
        metavar="DIR",
        help="scores of clips while a round lasts",
    )
    promoting = commands.add_parser(
        "promote", help="put a bundle to use, without a restart of what listens"
    )
    promoting.set_defaults(command=choose)
    promoting.add_argument("name", metavar="NAME", help="its directory beside the configured one")
    back = commands.add_parser(
        "rollback", help="put the bundle to use again that was in use before"
    )
    back.set_defaults(command=choose, name=None)
    far = commands.add_parser(
        "drift", help="how far the sound of each stream and day is from known voices"
    )
    far.set_defaults(command=drift)
    far.add_argument(
        "--days", type=at_least(1), default=14, metavar="N", help="today included, default 14"
    )
    far.add_argument("--plot", type=Path, metavar="FILE", help="draw them into this SVG file")
    for choosing in (promoting, back):
        choosing.add_argument("--reason", default="", metavar="TEXT")
    for with_database in (again, promoting, back, far):
        with_database.add_argument("--url", help="the database, instead of the one in [storage]")
        with_database.add_argument(
            "--config", type=Path, metavar="FILE", help="settings that override config.toml"
        )
    return parser.parse_args(argv)


def span(text: str) -> float:
    """Seconds of a span such as 24h."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    if not (text[:-1].isdecimal() and int(text[:-1]) and text[-1:] in units):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number and s, m, h or d, as in 24h")
    return int(text[:-1]) * units[text[-1]]


def generator(group, name: str, command: Callable, help: str) -> argparse.ArgumentParser:
    """Add a generator to the group, with the options that all have."""
    making = group.add_parser(name, help=help)
    making.set_defaults(command=command)
    add = making.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="the corpus to be made")
    add("--clips", type=at_least(1), default=600, metavar="N", help="how many, default 600")
    add(
        "--seed",
        type=at_least(0),
        default=1,
        metavar="S",
        help="the same seed makes the same clips, default 1",
    )
    add("--jobs", type=at_least(1), default=1, metavar="N", help="processes, default 1")
    return making


def learner(group, name: str, command: Callable, help: str, steps: int) -> argparse.ArgumentParser:
    """Add a generator that learns from the corpora first."""
    making = generator(group, name, command, help)
    add = making.add_argument
    add(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="a corpus to learn from and to make over; may be given many times",
    )
    add(
        "--work",
        type=Path,
        default=writable(f"build/{name}"),
        metavar="DIR",
        help="decoded audio and checkpoints",
    )
    add("--steps", type=int, default=steps, metavar="N", help=f"of learning, default {steps}")
    add(
        "--minutes",
        type=float,
        default=math.inf,
        metavar="M",
        help="end learning after so long; again, it goes on",
    )
    return making


def at_least(low: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from {low} on")
        return int(text)

    return number


def named_label(text: str) -> tuple[str, str]:
    name, _, label = text.rpartition("=")
    if not name or label not in ("bonafide", "spoof"):
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected CLASS=bonafide or CLASS=spoof, as in LABEL_0=spoof"
        )
    return name, label


def named_file(text: str) -> tuple[str, Path]:
    name, _, file = text.rpartition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=FILE, as in clean=metrics.json")
    return name, Path(file)


if __name__ == "__main__":
    sys.exit(main())
