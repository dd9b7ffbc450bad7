"""Measure detectors: score a corpus, compute the field's metrics, compare systems, count false
alarms an hour.

    python evaluate.py score --protocol FILE --audio DIR --out DIR
    python evaluate.py metrics --scores FILE [--protocol FILE] --out DIR
    python evaluate.py compare RUN_A RUN_B
    python evaluate.py peers NAME=SCORES ... --protocol FILE --out DIR
    python evaluate.py stream --protocol FILE --audio DIR --out DIR

Exit codes: 0 done, 2 a wrong option, protocol, key or score file, 3 sound, 4 model; 1 is a bug.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import radd  # noqa: F401  before numpy, for the number of its threads
from app.options.evaluate import parser
from evaluation.compare import compare
from evaluation.conditions import ChannelCondition
from evaluation.filters import Filter, described
from evaluation.summary import Choices, summarise
from evaluation.tables import interval, markdown, number
from radd.errors import ConfigError, ProtocolError, RaddError, silence_broken_pipe
from radd.metrics import asv_error_rates
from radd.resources import resource
from radd.score_files import (
    ScoredTrials,
    match,
    own_trials,
    read_asv_scores,
    read_scores,
    write_trials,
)
from radd.trials import Trials, read_protocol

if TYPE_CHECKING:
    from app.settings import Settings
    from evaluation.audio_folder import AudioFolder
    from evaluation.outcome import StreamResult
    from evaluation.recordings import LongRecording
    from evaluation.scoring import ClipScore
    from radd.overlay import Overlay

RECORD = ("overlay_version", "condition", "seconds", "where", "unseen_in")


def main(arguments: list[str] | None = None) -> int:
    args = parser(__doc__).parse_args(arguments)
    try:
        COMMANDS[args.command](args)
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads on, as with `| head`
        silence_broken_pipe(sys.stdout)
        return 141  # as shells say it, for what is not printed may not be done
    except RaddError as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("evaluate.py: interrupted", file=sys.stderr)
        return 130
    return 0


def _score(args: argparse.Namespace) -> None:
    from evaluation.audio_folder import AudioFolder
    from evaluation.progress import Progress
    from evaluation.score_run import score_trials
    from radd.bundle import read_manifest

    trials, sound = _trials(args), AudioFolder(args.audio)
    settings, bundle = _settings(args.bundle)
    in_order = _engine(args.engine)
    manifest, overlay = read_manifest(bundle), _overlay(args.overlay, bundle)
    detector = (
        f"{manifest['name']} {manifest['version']}, {settings.gate}, {settings.model.neighbours} "
        "neighbours"
    )
    if overlay:
        detector += f", overlay version {overlay.version}"
    hearing = ChannelCondition(args.condition, args.seconds)
    if hearing != ChannelCondition():
        detector += f", {hearing}"
    prepare = partial(_scorer, bundle, settings, sound, overlay, hearing)
    scored = score_trials(
        trials,
        args.out,
        detector,
        args.resume,
        lambda batches: in_order(prepare, batches, args.jobs),
        Progress("scored"),
    )
    unreadable = len(trials) - len(scored.trials)
    if unreadable:
        print(
            f"warning: {unreadable} of {len(trials)} trials could not be read and count nowhere: "
            f"{args.out / 'unreadable.csv'}",
            file=sys.stderr,
        )
    _report(
        scored,
        args,
        f"{manifest['name']} on {args.protocol.stem}",
        _record(overlay) | asdict(hearing),
    )


def _scorer(
    bundle: Path,
    settings: Settings,
    sound: AudioFolder,
    overlay: Overlay | None,
    hearing: ChannelCondition,
) -> Callable[[list[str]], list[ClipScore]]:
    from evaluation.scoring import ClipScorer
    from radd.bundle import load_detector

    return ClipScorer(
        load_detector(bundle, settings.model, settings.gate, overlay), sound, hearing
    ).score_all


def _stream(args: argparse.Namespace) -> None:
    import numpy as np

    from evaluation.audio_folder import AudioFolder
    from evaluation.outcome import count, sweep
    from evaluation.progress import Progress
    from evaluation.recordings import plan, read_annotations
    from evaluation.stream_report import write_stream_report
    from evaluation.streams import clip_length_s
    from evaluation.workers import in_order
    from stream.decision import Decider

    if args.annotations and (args.where or args.unseen):
        raise ConfigError(
            "--where and --unseen choose trials of a protocol, and --annotations has none: drop "
            "them"
        )
    settings, bundle = _settings(args.bundle)
    sound, overlay = AudioFolder(args.audio), _overlay(args.overlay, bundle)
    if args.annotations:
        recordings = read_annotations(args.annotations)
    else:
        recordings = plan(
            _trials(args), partial(clip_length_s, sound), np.random.default_rng(args.seed)
        )
    args.out.mkdir(parents=True, exist_ok=True)
    heard, tell = [], Progress("heard")
    for one in in_order(
        partial(_listening, bundle, settings, sound, args.condition, overlay), recordings, args.jobs
    ):
        heard.append(one)
        tell(len(heard), len(recordings))
    shipped = count(settings.decision.open_evidence, recordings, [one.alarms for one in heard])
    outcomes = sweep(
        recordings, heard, lambda nats: Decider(replace(settings.decision, open_evidence=nats))
    )
    record = _record(overlay) | {"condition": args.condition} | _filter(args).record()
    print(write_stream_report(args.out, recordings, heard, shipped, outcomes, record))
    clips = sum(len(recording.clips) for recording in recordings)
    print(
        f"{len(recordings)} recordings of {clips} clips, condition {args.condition}; see "
        f"{args.out / 'stream.json'}"
    )


def _listening(
    bundle: Path, settings: Settings, sound: AudioFolder, condition: str, overlay: Overlay | None
) -> Callable[[LongRecording], StreamResult]:
    from evaluation.streams import Listening
    from radd.bundle import load_detector
    from stream.monitor import Monitor

    detector = load_detector(bundle, settings.model, settings.gate, overlay)

    def listener():
        return Monitor(detector, settings.decision, settings.alerts, str(uuid.uuid4()))

    return Listening(listener, sound, condition).hear


def _metrics(args: argparse.Namespace) -> None:
    scored = _scored(args.scores, args)
    _report(
        scored,
        args,
        args.scores.stem if args.scores.is_file() else args.scores.name,
        _recorded(args.scores),
    )


def _report(
    scored: ScoredTrials, args: argparse.Namespace, name: str, record: dict[str, Any]
) -> None:
    """Write metrics.json, trials.csv and report.html of scored trials, and print the figures.

    `record` is what metrics.json says of how the scores came about, to which the choice of trials
    is added.
    """
    from evaluation.audio_folder import AudioFolder
    from evaluation.report import write_report

    asv = None
    if args.asv_scores:
        asv = asv_error_rates(**read_asv_scores(args.asv_scores, args.asv_key, args.subset))
    sound = AudioFolder(args.audio) if args.audio else None
    for key, chosen in _filter(args).record().items():
        record[key] = record.get(key, []) + chosen
    summary = summarise(scored, asv, _choices(args)) | record
    _write_json(args.out, "metrics.json", summary)
    write_trials(args.out / "trials.csv", scored)
    write_report(args.out, name, scored, summary, sound.player if sound else lambda utt: None)
    for warning in summary["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    names = [
        key
        for key in summary
        if f"{key}_ci95" in summary or key.startswith("min_") and "ci95" not in key
    ]
    rows = [[key, number(summary[key]), interval(summary.get(f"{key}_ci95"), 4)] for key in names]
    print(markdown(["metric", "value", "95 % interval"], rows))
    print(
        f"{summary['n_bonafide']:,} bona fide, {summary['n_spoof']:,} spoof; intervals by "
        f"{summary['bootstrap']['unit']}; see {args.out / 'report.html'}"
    )


def _compare(args: argparse.Namespace) -> None:
    result = compare(_scored(args.run_a, args), _scored(args.run_b, args), _choices(args))
    if args.out:
        _write_json(args.out, "compare.json", result)
    rows = [
        [
            name,
            number(row["a"]),
            number(row["b"]),
            number(row["difference"]),
            interval(row["difference_ci95"], 4),
            number(row["p_value"]),
        ]
        for name, row in result["metrics"].items()
    ]
    print(markdown(["metric", "A", "B", "B - A", "95 % interval", "p"], rows))
    test = result["mcnemar"]
    print(
        f"McNemar at each one's threshold ({test['threshold']}): only A right "
        f"{test['only_a_right']}, only B right {test['only_b_right']}, p = {test['p_value']:.4g}. "
        f"Bootstrap by {result['bootstrap']['unit']}."
    )


def _peers(args: argparse.Namespace) -> None:
    from evaluation.plots import draw, paint_det, paint_roc
    from radd.metrics import error_rates

    table, rates = {}, {}
    for entry in args.systems:
        name, found, path = entry.partition("=")
        if not found:
            raise ConfigError(f"{entry}: expected NAME=SCOREFILE")
        scored = _scored(Path(path), args)
        table[name] = summarise(scored, None, _choices(args))
        rates[name] = error_rates(scored.bonafide(), scored.spoof())
    ranked = dict(sorted(table.items(), key=lambda item: item[1]["eer_percent"]))
    rows = [
        [
            name,
            number(row["eer_percent"], 2),
            interval(row["eer_percent_ci95"]),
            number(row["min_dcf"]),
            number(row["act_dcf"]),
            number(row["cllr_bits"], 3),
            number(row["min_cllr_bits"], 3),
        ]
        for name, row in ranked.items()
    ]
    text = markdown(
        ["system", "EER %", "95 % interval", "min DCF", "act DCF", "Cllr", "min Cllr"], rows
    )
    print(text)
    if args.out:
        _write_json(args.out, "peers.json", ranked)
        (args.out / "peers.md").write_text(text + "\n", encoding="utf-8")
        for name, paint in (("det", paint_det), ("roc", paint_roc)):
            draw(args.out, name, paint({system: rates[system] for system in ranked}))


def _scored(path: Path, args: argparse.Namespace) -> ScoredTrials:
    """The scored trials of a score file, or of a directory that an earlier run wrote."""
    if path.is_dir():
        inside = [path / name for name in ("trials.csv", "scores.txt") if (path / name).is_file()]
        if not inside:
            raise ProtocolError(
                f"{path} holds neither trials.csv nor scores.txt: name a run's folder or a score "
                "file"
            )
        path = inside[0]
    file = read_scores(path)
    if args.protocol is None:
        scored = own_trials(file, path)
    else:
        scored = match(read_protocol(args.protocol, args.format, args.subset), file, path)
    trials = _described(scored.trials, args)
    chosen = _filter(args).chosen(trials)
    return ScoredTrials(trials.select(chosen), scored.scores[chosen], scored.without_key)


def _settings(bundle: Path | None) -> tuple[Settings, Path]:
    """The settings, and the bundle that is named, else the one in use."""
    from app.settings import load
    from radd.hub import bundle_directory
    from radd.registry import in_use

    settings = load()
    if bundle:
        return settings, bundle_directory(Path.cwd(), bundle)
    return settings, in_use(bundle_directory(resource(), settings.model.bundle))


def _overlay(url: str | None, bundle: Path) -> Overlay | None:
    """What people have confirmed for the encoder of a bundle; raises ConfigError where that is
    nothing.
    """
    if url is None:
        return None
    from radd.bundle import encoder_of
    from storage.overlay import OverlayStore

    with OverlayStore(url, encoder_of(bundle)) as store:
        overlay = store.read()
    if not overlay.version:
        raise ConfigError(
            f"--overlay: nothing was confirmed there for the encoder {overlay.encoder_id} of "
            f"{bundle}"
        )
    return overlay


def _record(overlay: Overlay | None) -> dict[str, int]:
    """What the record of a run says of the overlay."""
    return {} if overlay is None else {"overlay_version": overlay.version}


def _recorded(run: Path) -> dict[str, Any]:
    """What the record of an earlier run says of how its scores came about; nothing where there is
    none.
    """
    path = run / "metrics.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {key: record[key] for key in RECORD if key in record}


def _filter(args: argparse.Namespace) -> Filter:
    return Filter(tuple(args.where), tuple(args.unseen))


def _described(trials: Trials, args: argparse.Namespace) -> Trials:
    return reduce(described, args.meta, trials)


def _trials(args: argparse.Namespace) -> Trials:
    if args.protocol is None:
        raise ConfigError("which trials? name their protocol with --protocol FILE")
    trials = _described(read_protocol(args.protocol, args.format, args.subset), args)
    return trials.select(_filter(args).chosen(trials))


def _engine(name: str) -> Callable:
    from evaluation import ray_cluster, workers

    return {"processes": workers, "ray": ray_cluster}[name].in_order


def _choices(args: argparse.Namespace) -> Choices:
    return Choices(args.threshold, args.bootstrap, args.seed)


def _write_json(folder: Path, name: str, content: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    (folder / name).write_text(text + "\n", encoding="utf-8")


COMMANDS = {
    "score": _score,
    "metrics": _metrics,
    "compare": _compare,
    "peers": _peers,
    "stream": _stream,
}


if __name__ == "__main__":
    sys.exit(main())
