"""Listens to a microphone, a file or a pipe, and tells as it goes whether the voice is a person's or synthetic."""

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

if TYPE_CHECKING:
    from radd.detector import RaddDetector
    from radd.types import Source
    from settings import Settings
    from storage.journal import Journal
    from stream.living_index import LivingIndex
    from stream.notices import Display
    from stream.runtime import Ending

ROOT = Path(__file__).parent
EXIT_CODES = "exit codes: 0 ended, 1 a bug, 2 configuration, 3 device or source, 4 model, 5 storage"


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    sys.stdout.reconfigure(errors="backslashreplace")
    from stream.runtime import exit_code

    return exit_code(lambda: show_devices(arguments) if arguments.list_devices else detect(arguments))


def detect(arguments: argparse.Namespace) -> None:
    from stream.runtime import Ending

    with Ending() as ending:  # before anything slow, so that an early Ctrl-C ends in order too
        settings = configure(arguments)
        from radd.bundle import load_detector
        from stream.sources import open_source

        source = open_source(arguments.source, settings.capture, arguments.realtime, arguments.rate,
                             arguments.channels, arguments.format)
        bundle = chosen_bundle(settings, arguments)
        detector = load_detector(bundle, settings.model, settings.gate)
        with choose_display(arguments.json, source) as display:
            listen(source, detector, bundle, settings, display, ending, arguments)


def listen(source: Source, detector: RaddDetector, bundle: Path, settings: Settings, display: Display, ending: Ending,
           arguments: argparse.Namespace) -> None:
    from radd.types import SAMPLE_RATE_HZ
    from stream.monitor import Monitor
    from stream.runtime import NoJournal, Run
    from stream.sampling import Sampler

    stream_id = str(uuid.uuid4())
    monitor = Monitor(detector, settings.decision, settings.alerts, stream_id)
    if settings.storage.sample_per_hour and not arguments.no_store:
        monitor = Sampler(monitor, settings.storage.sample_per_hour, stream_id, settings.alerts.neighbours)
    duration_samples = arguments.duration and max(1, round(arguments.duration * SAMPLE_RATE_HZ))

    def open_journal():
        return NoJournal() if arguments.no_store else journal_of(stream_id, source, detector, settings)

    index = None if arguments.no_store else living_index(detector, bundle, settings, arguments)
    Run(source, monitor, open_journal, display, ending, detector.name, duration_samples, index).listen()


def journal_of(stream_id: str, source: Source, detector: RaddDetector, settings: Settings) -> Journal:
    """The journal of a stream whose source is open."""
    from storage.journal import Journal, StreamInfo
    from stream.capture import MicrophoneSource

    aside = ("storage", "review", "serve", "retrain", "training")
    judging = {name: section for name, section in asdict(settings).items() if name not in aside}
    info = StreamInfo(
        id=stream_id,
        source=source.name,
        device=source.name if isinstance(source, MicrophoneSource) else None,
        native_rate_hz=source.native_rate_hz,
        host=platform.node(),
        bundle=detector.name,
        config_hash=hashlib.sha256(json.dumps(judging, sort_keys=True).encode()).hexdigest(),
        started=datetime.now(UTC),
    )
    return Journal(settings.storage, info)


def chosen_bundle(settings: Settings, arguments: argparse.Namespace) -> Path:
    """The bundle of --bundle, else the one in use: see radd.bundle.in_use."""
    from radd.bundle import in_use

    configured = ROOT / settings.model.bundle
    return configured if arguments.bundle is not None else in_use(configured)


def living_index(detector: RaddDetector, bundle: Path, settings: Settings,
                 arguments: argparse.Namespace) -> LivingIndex | None:
    """What tells the detector of references that people confirm, and of another bundle; None where that is off."""
    from radd.bundle import load_detector
    from storage.overlay import OverlayStore
    from stream.living_index import LivingIndex

    if not settings.model.overlay_s:
        return None
    known = [bundle]

    def newest() -> RaddDetector | None:
        now = chosen_bundle(settings, arguments)
        if now == known[-1]:
            return None
        fresh = load_detector(now, settings.model, settings.gate)
        known.append(now)
        return fresh

    overlays = OverlayStore(settings.storage.url, detector.encoder_id)
    return LivingIndex(overlays, detector, settings.model.overlay_s, newest)


def configure(arguments: argparse.Namespace) -> Settings:
    from settings import load

    settings = load(arguments.config)
    if arguments.bundle is None:
        return settings
    return replace(settings, model=replace(settings.model, bundle=str(arguments.bundle.absolute())))


def choose_display(as_json: bool, source: Source) -> Display:
    from stream.sinks import ConsoleLines, JsonLines

    if as_json:
        return JsonLines(sys.stdout)
    if not sys.stdout.isatty():
        return ConsoleLines(sys.stdout)
    from stream.live_view import LiveView

    return LiveView(source.stats)


def show_devices(arguments: argparse.Namespace) -> None:
    settings = configure(arguments)
    from stream.microphone import list_devices

    devices = list_devices(settings.capture.backend)
    if arguments.json:
        print(json.dumps([asdict(device) for device in devices]))
        return
    for device in devices:
        default = "  default" if device.default else ""
        print(f"{device.index:3d}  {device.name}  {device.rate_hz} Hz, {device.channels} channels{default}")
    if not devices:
        print("no microphone was found; plug one in, or give a file: --source PATH")


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("detect.py", description=__doc__, epilog=EXIT_CODES)
    add = parser.add_argument
    add("--source", default="auto", metavar="auto|mic|mic:NAME_OR_INDEX|PATH|-",
        help="auto: the default microphone, or a demo recording where there is none; -: raw PCM on stdin")
    add("--config", type=Path, metavar="FILE", help="settings that override config.toml")
    add("--bundle", type=Path, metavar="DIR", help="the model bundle, instead of the configured one")
    add("--json", action="store_true", help="print one JSON object a line, see docs/events.schema.json")
    add("--realtime", action="store_true", help="play a file at the speed of its sound, not as fast as possible")
    add("--duration", type=within(0.001, 1e9), metavar="S", help="end after so many seconds of sound")
    add("--list-devices", action="store_true", help="show the microphones and end")
    add("--no-store", action="store_true", help="keep nothing: no database, no spool")
    raw = parser.add_argument_group("raw PCM on stdin (--source -)")
    raw.add_argument("--rate", type=within(1_000, 384_000, int), default=16_000, metavar="HZ", help="default 16000")
    raw.add_argument("--channels", type=within(1, 64, int), default=1, metavar="N", help="interleaved; default 1")
    raw.add_argument("--format", default="s16le", help="of a sample, default s16le; also u8, s32le, f32le and others")
    return parser.parse_args(argv)


def within(low: float, high: float, kind: Callable[[str], float] = float) -> Callable[[str], float]:
    """A parser of numbers from `low` to `high`."""

    def number(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r}: expected a number from {low:g} to {high:g}")
        return value

    return number


if __name__ == "__main__":
    sys.exit(main())
