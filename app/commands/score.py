"""evaluate.py score and stream: a detector scores trials or long recordings."""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from app.commands.trials import (
    chosen_trials,
    overlay_record,
    read_overlay,
    trial_filter,
    write_results,
)
from app.installation import Installation, installation
from evaluation.audio_folder import AudioFolder
from evaluation.conditions import ChannelCondition
from evaluation.outcome import StreamResult, count, sweep
from evaluation.progress import Progress
from evaluation.recordings import LongRecording, plan, read_annotations
from evaluation.score_run import score_trials
from evaluation.scoring import ClipScore, ClipScorer
from evaluation.stream_report import write_stream_report
from evaluation.streams import Listening, clip_length_s
from radd import parallel, ray_cluster
from radd.bundle import read_manifest
from radd.channels import ChannelChoice
from radd.errors import ConfigError
from radd.overlay import Overlay
from stream.decision import Decider
from stream.monitor import Monitor

ENGINES = {"processes": parallel, "ray": ray_cluster}


def score(args: argparse.Namespace) -> None:
    """Score the trials of a protocol, then measure the scores."""
    trials, sound = chosen_trials(args), AudioFolder(args.audio)
    here = installation(bundle=args.bundle)
    settings, bundle = here.settings, here.bundle()
    in_order = ENGINES[args.engine].in_order
    manifest, overlay = read_manifest(bundle), read_overlay(_overlay_url(args, here), bundle)
    hearing = ChannelCondition(args.condition, args.seconds)
    choice = ChannelChoice(args.use_channel, args.track)
    detector = ", ".join(
        [
            f"{manifest['name']} {manifest['version']}",
            f"{settings.gate}",
            f"{settings.model.neighbours} neighbours",
            *([f"overlay version {overlay.version}"] if overlay else []),
            # left out where they are the default: runs made before they existed can be resumed
            *([f"{hearing}"] if hearing != ChannelCondition() else []),
            *([f"{choice}"] if choice != ChannelChoice() else []),
        ]
    )
    prepare = partial(_scorer, here, bundle, sound, overlay, hearing, choice)
    scored = score_trials(
        trials,
        args.out,
        detector,
        args.resume,
        lambda batches: in_order(prepare, batches, args.jobs),
        Progress("scored"),
    )
    _warn_of_unreadable(len(trials) - len(scored.trials), len(trials), args.out)
    name = f"{manifest['name']} on {args.protocol.stem}"
    write_results(scored, args, name, overlay_record(overlay) | asdict(hearing))


def _warn_of_unreadable(unreadable: int, trials: int, out: Path) -> None:
    if unreadable:
        print(
            f"warning: {unreadable} of {trials} trials could not be read and are excluded: "
            f"{out / 'unreadable.csv'}",
            file=sys.stderr,
        )


def _scorer(
    here: Installation,
    bundle: Path,
    sound: AudioFolder,
    overlay: Overlay | None,
    hearing: ChannelCondition,
    choice: ChannelChoice,
) -> Callable[[list[str]], list[ClipScore]]:
    return ClipScorer(here.load(bundle, overlay), sound, hearing, choice).score_all


def stream(args: argparse.Namespace) -> None:
    """Measure alerts in long recordings."""
    if args.annotations and (args.where or args.unseen):
        raise ConfigError(
            "--where and --unseen select trials of a protocol, but --annotations has none; omit "
            "them"
        )
    here = installation(bundle=args.bundle)
    settings, bundle = here.settings, here.bundle()
    sound, overlay = AudioFolder(args.audio), read_overlay(_overlay_url(args, here), bundle)
    if args.annotations:
        recordings = read_annotations(args.annotations)
    else:
        recordings = plan(chosen_trials(args), partial(clip_length_s, sound), args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    heard, tell = [], Progress("heard")
    for one in parallel.in_order(
        partial(_listening, here, bundle, sound, args.condition, overlay), recordings, args.jobs
    ):
        heard.append(one)
        tell(len(heard), len(recordings))
    shipped = count(settings.decision.open_evidence, recordings, [one.alarms for one in heard])
    outcomes = sweep(
        recordings, heard, lambda nats: Decider(replace(settings.decision, open_evidence=nats))
    )
    record = overlay_record(overlay) | {"condition": args.condition} | trial_filter(args).record()
    print(write_stream_report(args.out, recordings, heard, shipped, outcomes, record))
    clips = sum(len(recording.clips) for recording in recordings)
    print(
        f"{len(recordings)} recordings of {clips} clips, condition {args.condition}; see "
        f"{args.out / 'stream.json'}"
    )


def _overlay_url(args: argparse.Namespace, here: Installation) -> str | None:
    return here.settings.storage.url if args.overlay == "storage" else args.overlay


def _listening(
    here: Installation, bundle: Path, sound: AudioFolder, condition: str, overlay: Overlay | None
) -> Callable[[LongRecording], StreamResult]:
    detector, settings = here.load(bundle, overlay), here.settings

    def listener():
        return Monitor(detector, settings.decision, settings.alerts, str(uuid.uuid4()))

    return Listening(listener, sound, condition).hear
