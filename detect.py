"""Listens to microphones, files or a pipe, and tells as it goes whether the voice is a person's or
synthetic.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import uuid
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from radd.resources import resource

if TYPE_CHECKING:
    from app.settings import Settings
    from radd.bundle import BundledDetector
    from radd.types import Source
    from storage.journal import Journal
    from stream.engine import Listener
    from stream.hot_reload import HotReload, Overlays
    from stream.run_events import Display
    from stream.runtime import Ending, Stream

EXIT_CODES = "exit codes: 0 ended, 1 a bug, 2 configuration, 3 device or source, 4 model, 5 storage"


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    sys.stdout.reconfigure(errors="backslashreplace")
    from app.exit import exit_code

    return exit_code(
        lambda: show_devices(arguments) if arguments.list_devices else detect(arguments)
    )


def detect(arguments: argparse.Namespace) -> None:
    from stream.runtime import Ending

    with Ending() as ending:  # before anything slow, so that an early Ctrl-C ends in order too
        settings = configure(arguments)
        from radd.bundle import load_detector

        sources = open_sources(arguments, settings)
        bundle = chosen_bundle(settings, arguments)
        detector = load_detector(bundle, settings.model, settings.gate)
        followed = [drift_watch(detector, settings), shadow_run(settings, arguments)]
        streams = [stream_of(source, detector, settings, arguments, followed) for source in sources]
        with choose_display(arguments.json, streams) as display:
            listen(streams, detector, bundle, settings, display, ending, arguments)


def open_sources(arguments: argparse.Namespace, settings: Settings) -> list[Source]:
    """One for each --source; raises ConfigError where two would read the same stdin."""
    from radd.errors import ConfigError
    from stream.capture.sources import open_source

    specs = arguments.source or ["auto"]
    if specs.count("-") > 1:
        raise ConfigError(
            "--source - stands there more than once, but there is one stdin; give the others as "
            "files"
        )
    return [
        open_source(
            spec,
            settings.capture,
            arguments.realtime,
            arguments.rate,
            arguments.channels,
            arguments.format,
        )
        for spec in specs
    ]


def stream_of(
    source: Source,
    detector: BundledDetector,
    settings: Settings,
    arguments: argparse.Namespace,
    followed: list[Callable[[Listener], Listener]],
) -> Stream:
    from stream.monitor import Monitor
    from stream.runtime import Stream
    from stream.sampling import Sampler

    stream_id = str(uuid.uuid4())
    listener = Monitor(detector, settings.decision, settings.alerts, stream_id)
    if settings.storage.sample_per_hour and not arguments.no_store:
        listener = Sampler(
            listener, settings.storage.sample_per_hour, stream_id, settings.alerts.neighbours
        )
    for follow in followed:
        listener = follow(listener)
    return Stream(stream_id, source, listener)


def drift_watch(detector: BundledDetector, settings: Settings) -> Callable[[Listener], Listener]:
    """What tells of sound that is far from all voices that the model in use knows."""
    from stream.drift import DriftWatch

    return lambda listener: DriftWatch(listener, detector, settings.retrain.drift_factor)


def shadow_run(settings: Settings, arguments: argparse.Namespace) -> Callable[[Listener], Listener]:
    """What has a candidate judge beside the bundle in use; nothing where shadow runs are off or
    nothing is stored.
    """
    from radd.bundle import load_detector
    from radd.errors import StorageUnreachable
    from radd.registry import candidate_in_use
    from stream.shadow import Shadow, Shadowed

    if not settings.retrain.shadow_hours or arguments.no_store or arguments.bundle is not None:
        return lambda listener: listener
    loaded: dict[Path, tuple[BundledDetector, Overlays]] = {}
    version = 0

    def candidate() -> BundledDetector | None:
        nonlocal version
        now = candidate_in_use(configured_bundle(settings))
        if now not in loaded:
            for _, overlays in loaded.values():
                overlays.close()
            loaded.clear()
            if now is None:
                return None
            fresh = load_detector(now, settings.model, settings.gate)
            loaded[now], version = (fresh, overlays_of(fresh, settings)), 0
        detector, overlays = loaded[now]
        try:
            if (overlay := overlays.changed(version)) is not None:
                detector.adopt(detector.prepare(overlay))
                version = overlay.version
        except StorageUnreachable:
            pass  # the confirmations that it knows are those of the last stretch
        return detector

    shadow = Shadow(candidate, settings.decision)
    return lambda listener: Shadowed(listener, shadow)


def listen(
    streams: list[Stream],
    detector: BundledDetector,
    bundle: Path,
    settings: Settings,
    display: Display,
    ending: Ending,
    arguments: argparse.Namespace,
) -> None:
    from radd.types import SAMPLE_RATE_HZ
    from stream.runtime import NoJournal, Run

    duration_samples = arguments.duration and max(1, round(arguments.duration * SAMPLE_RATE_HZ))

    def open_journal():
        return NoJournal() if arguments.no_store else journal_of(streams, detector, settings)

    index = None if arguments.no_store else living_index(detector, bundle, settings, arguments)
    Run(
        streams, detector, open_journal, display, ending, settings.engine, duration_samples, index
    ).listen()


def journal_of(streams: list[Stream], detector: BundledDetector, settings: Settings) -> Journal:
    """The journal of streams whose sources are open."""
    from storage.journal import Journal, StreamInfo
    from stream.capture.microphone import MicrophoneSource

    aside = ("storage", "review", "serve", "retrain", "training")
    judging = {name: section for name, section in asdict(settings).items() if name not in aside}
    config_hash = hashlib.sha256(json.dumps(judging, sort_keys=True).encode()).hexdigest()
    infos = [
        StreamInfo(
            id=stream.id,
            source=stream.source.name,
            device=stream.source.name if isinstance(stream.source, MicrophoneSource) else None,
            native_rate_hz=stream.source.native_rate_hz,
            host=platform.node(),
            bundle=detector.name,
            config_hash=config_hash,
            started=datetime.now(UTC),
        )
        for stream in streams
    ]
    return Journal(settings.storage, *infos)


def chosen_bundle(settings: Settings, arguments: argparse.Namespace) -> Path:
    """The bundle of --bundle, else the one in use: see radd.bundle.in_use."""
    from radd.registry import in_use

    configured = configured_bundle(settings)
    return configured if arguments.bundle is not None else in_use(configured)


def configured_bundle(settings: Settings) -> Path:
    from radd.hub import bundle_directory

    return bundle_directory(resource(), settings.model.bundle)


def living_index(
    detector: BundledDetector, bundle: Path, settings: Settings, arguments: argparse.Namespace
) -> HotReload | None:
    """What tells the detector of references that people confirm, and of another bundle; None where
    that is off.
    """
    from radd.bundle import load_detector
    from stream.hot_reload import HotReload, follow

    if not settings.model.overlay_s:
        return None
    newest = follow(
        lambda: chosen_bundle(settings, arguments),
        lambda now: load_detector(now, settings.model, settings.gate),
        bundle,
        detector.kind,
    )
    return HotReload(overlays_of(detector, settings), detector, settings.model.overlay_s, newest)


def overlays_of(detector: BundledDetector, settings: Settings) -> Overlays:
    """What people have confirmed for the index of a detector."""
    from storage.overlay import OverlayStore
    from stream.hot_reload import NoOverlays

    return (
        OverlayStore(settings.storage.url, detector.encoder_id)
        if detector.encoder_id
        else NoOverlays()
    )


def configure(arguments: argparse.Namespace) -> Settings:
    from app.settings import load

    settings = load(arguments.config)
    if arguments.bundle is None:
        return settings
    from radd.hub import bundle_directory

    return replace(
        settings,
        model=replace(settings.model, bundle=str(bundle_directory(Path.cwd(), arguments.bundle))),
    )


def choose_display(as_json: bool, streams: list[Stream]) -> Display:
    from stream.sinks import ConsoleLines, JsonLines

    if as_json:
        return JsonLines(sys.stdout)
    if not sys.stdout.isatty():
        return ConsoleLines(sys.stdout)
    from stream.live_view import LiveView

    sources = {stream.id: stream.source for stream in streams}
    return LiveView(lambda stream: sources[stream].stats())


def show_devices(arguments: argparse.Namespace) -> None:
    settings = configure(arguments)
    from stream.capture.portaudio import list_devices

    devices = list_devices(settings.capture.backend)
    if arguments.json:
        print(json.dumps([asdict(device) for device in devices]))
        return
    for device in devices:
        default = "  default" if device.default else ""
        print(
            f"{device.index:3d}  {device.name}  {device.rate_hz} Hz, {device.channels} "
            f"channels{default}"
        )
    if not devices:
        print("no microphone was found; plug one in, or give a file: --source PATH")


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("detect.py", description=__doc__, epilog=EXIT_CODES)
    add = parser.add_argument
    add(
        "--source",
        action="append",
        metavar="auto|mic|mic:NAME_OR_INDEX|PATH|-",
        help="auto: the default microphone, or a demo recording where there is none; -: raw PCM on "
        "stdin; may be given many times, each is a stream of its own",
    )
    add("--config", type=Path, metavar="FILE", help="settings that override config.toml")
    add(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="the model bundle, instead of the configured one; or hf:NAME, see README",
    )
    add(
        "--json",
        action="store_true",
        help="print one JSON object a line, see docs/events.schema.json",
    )
    add(
        "--realtime",
        action="store_true",
        help="play a file at the speed of its sound, not as fast as possible",
    )
    add(
        "--duration",
        type=within(0.001, 1e9),
        metavar="S",
        help="end after so many seconds of sound",
    )
    add("--list-devices", action="store_true", help="show the microphones and end")
    add("--no-store", action="store_true", help="keep nothing: no database, no spool")
    raw = parser.add_argument_group("raw PCM on stdin (--source -)")
    raw.add_argument(
        "--rate",
        type=within(1_000, 384_000, int),
        default=16_000,
        metavar="HZ",
        help="default 16000",
    )
    raw.add_argument(
        "--channels", type=within(1, 64, int), default=1, metavar="N", help="interleaved; default 1"
    )
    raw.add_argument(
        "--format",
        default="s16le",
        help="of a sample, default s16le; also u8, s32le, f32le and others",
    )
    return parser.parse_args(argv)


def within(low: float, high: float, kind: Callable[[str], float] = float) -> Callable[[str], float]:
    """A parser of numbers from `low` to `high`."""

    def number(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"{text!r}: expected a number from {low:g} to {high:g}"
            )
        return value

    return number


if __name__ == "__main__":
    sys.exit(main())
