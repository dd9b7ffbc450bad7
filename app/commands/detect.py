"""detect.py: from the command line to running streams."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from app.catch_up import CatchUp
from app.installation import Installation, installation
from app.notify import check_spool, watched
from app.settings import Settings
from app.streams import Streams
from radd.channels import ChannelChoice
from radd.errors import AudioError, ConfigError
from radd.hot_swap import HotSwapDetector
from radd.types import SAMPLE_RATE_HZ, Source
from storage.commands import GivenCommands
from storage.journal import Journal
from stream.calls.listeners import call_server
from stream.capture.portaudio import list_devices
from stream.capture.sources import SourceOptions, open_sources
from stream.command_poll import CommandPoll
from stream.console_lines import ConsoleLines
from stream.ending import Ending
from stream.event_journal import EventJournal, NoJournal
from stream.failures import Failures
from stream.hot_reload import HotReload, NoReload, follow
from stream.json_lines import JsonLines
from stream.live_view import LiveView
from stream.run_changes import Arrivals, NoArrivals, RunChanges
from stream.run_events import Display
from stream.runtime import Run, RunSettings

log = logging.getLogger(__name__)


def detect(arguments: argparse.Namespace, ending: Ending) -> None:
    """Process the sources, and the calls that come, until their audio ends or `ending` is set."""
    here = installation(arguments.config, arguments.bundle)
    check_spool(here.settings, stored=not arguments.no_store)
    calls = call_server(arguments.listen, here.settings.calls) if arguments.listen else NoArrivals()
    sources = all_sources(arguments, here.settings)
    bundle = here.bundle()
    detector = HotSwapDetector(here.load(bundle))
    is_stored = not arguments.no_store
    streams = Streams(here, detector, is_stored)
    with choose_display(arguments.json, streams) as display, CatchUp(here) as catching:
        work = Work(here, streams, detector, bundle, calls, catching, is_stored)
        listen(work, sources, display, ending, arguments.duration)


def all_sources(arguments: argparse.Namespace, settings: Settings) -> list[Source]:
    """One or more sources per --source; without any, the default one unless calls come.

    Raises ConfigError if two would read the same stdin, and AudioError if one cannot be read.
    """
    specs = arguments.source or ([] if arguments.listen else ["auto"])
    if specs.count("-") > 1:
        raise ConfigError(
            "--source - was given more than once, but there is only one stdin; pass the others as "
            "files"
        )
    options = source_options(arguments, specs)
    sources, failures = [], Failures()
    for spec in specs:
        try:
            sources += open_sources(spec, settings.capture, options)
        except AudioError as error:
            failures.add(spec, error)
    failures.raise_gravest()
    return sources


def source_options(arguments: argparse.Namespace, specs: list[str]) -> SourceOptions:
    """How the sources are read; options without effect are reported."""
    raw = {
        "rate_hz": arguments.rate,
        "channels": arguments.channels,
        "pcm_format": arguments.format,
    }
    given = {name: value for name, value in raw.items() if value is not None}
    if given and "-" not in specs:
        log.warning(
            "--rate, --channels and --format apply to raw PCM on stdin (--source -) and have "
            "no effect here"
        )
    choice = ChannelChoice(arguments.use_channel, arguments.track)
    return SourceOptions(arguments.realtime, choice=choice, **given)


@dataclass(frozen=True, slots=True)
class Work:
    """What one run of detect.py works with."""

    here: Installation
    streams: Streams
    detector: HotSwapDetector
    bundle: Path
    calls: Arrivals
    catching: CatchUp
    is_stored: bool


def listen(
    work: Work, sources: list[Source], display: Display, ending: Ending, duration_s: float | None
) -> None:
    """Run the streams until they end, with journal, display and hot reload."""
    settings = work.here.settings
    made = [work.streams.of(source) for source in sources]
    duration_samples = None if duration_s is None else max(1, round(duration_s * SAMPLE_RATE_HZ))

    def open_journal() -> EventJournal:
        infos = [work.streams.info(stream) for stream in made]
        inside = Journal(settings.storage, *infos) if work.is_stored else NoJournal()
        return watched(inside, infos, work.streams, settings)

    Run(
        made,
        work.detector,
        open_journal,
        display,
        ending,
        RunSettings(settings.engine, duration_samples),
        changes_of(work),
    ).listen()


def changes_of(work: Work) -> RunChanges:
    """What may change while the run goes on; without a database only calls come."""
    changes = RunChanges(
        arrivals=work.calls, newcomer=work.streams.newcomer, parted=work.streams.forget
    )
    if not work.is_stored:
        return changes
    settings = work.here.settings
    commands = CommandPoll(GivenCommands(settings.storage.url), settings.calls.commands_s)
    index = hot_reload(work.detector, work.bundle, work.here, work.catching)
    return replace(changes, index=index or NoReload(), commands=commands)


def hot_reload(
    detector: HotSwapDetector, bundle: Path, here: Installation, catching: CatchUp
) -> HotReload | None:
    """Applies confirmed references and bundle changes to the detector; None if this is off."""
    if not here.settings.model.overlay_s:
        return None
    catching.begin(bundle, detector.now)
    newest = follow(here.bundle, catching.load, bundle)
    return HotReload(detector, here.overlays, here.settings.model.overlay_s, newest)


def choose_display(as_json: bool, streams: Streams) -> Display:
    """JSON lines, the live view on a terminal, or plain lines elsewhere."""
    if as_json:
        return JsonLines(sys.stdout)
    if not sys.stdout.isatty():
        return ConsoleLines(sys.stdout)
    return LiveView(streams.counts)


def show_devices(arguments: argparse.Namespace) -> None:
    """Print the microphones."""
    settings = installation(arguments.config, arguments.bundle).settings

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
        print("no microphone was found; connect one, or pass a file: --source PATH")
