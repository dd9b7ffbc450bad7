"""detect.py: from the command line to running streams."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from app.catch_up import CatchUp
from app.given_sources import (
    GivenSource,
    OpenedSources,
    given_sources,
    in_batches,
    open_batch,
)
from app.guidance import Store, after, first_lines
from app.installation import Installation, installation
from app.notify import check_spool, watched
from app.streams import Streams
from radd.errors import AudioError
from radd.hot_swap import HotSwapDetector
from radd.types import SAMPLE_RATE_HZ, Source
from storage.commands import GivenCommands
from storage.journal import Journal
from stream.calls.listeners import call_server
from stream.capture.portaudio import list_devices
from stream.command_poll import CommandPoll
from stream.console_lines import ConsoleLines
from stream.ending import Ending
from stream.event_journal import EventJournal, NoJournal
from stream.failures import Failures
from stream.hot_reload import HotReload, NoReload, follow
from stream.json_lines import JsonLines
from stream.live_view import LiveView
from stream.results import SUSPICIOUS, SYNTHETIC, Results, SourceResult, one_result, table
from stream.run_changes import Arrivals, NoArrivals, RunChanges
from stream.run_events import Display
from stream.runtime import Run, RunSettings

FOUND = 10
"""exit code of --fail-on"""
FAILING = {"spoof": SYNTHETIC, "suspect": SUSPICIOUS}


def detect(arguments: argparse.Namespace, ending: Ending) -> int:
    """Process the sources, and the calls that come, until their audio ends or `ending` is set.

    Returns the exit code: FOUND if --fail-on asks for it, else 0.
    """
    here = installation(arguments.config, arguments.bundle)
    check_spool(here.settings, stored=not arguments.no_store)
    calls = call_server(arguments.listen, here.settings.calls) if arguments.listen else NoArrivals()
    given = given_sources(arguments)
    batches = in_batches(given, arguments, here.settings.engine.streams_at_once)
    opened = open_batch(batches[0], arguments, here.settings)
    if len(batches) == 1 and not opened.sources and not arguments.listen:
        raise opened.refused[0][1]
    bundle = here.bundle()
    detector = HotSwapDetector(here.load(bundle))
    is_stored = not arguments.no_store
    streams = Streams(here, detector, is_stored)
    store = Store(here.settings.storage.url if is_stored else None)
    if not (arguments.json or given != [GivenSource("auto", False)]):
        print(*first_lines(store), sep="\n")
    results = Results(choose_display(arguments.json, streams))
    try:
        with results, CatchUp(here) as catching:
            work = Work(here, streams, detector, bundle, calls, catching, is_stored)
            listen_to_all(work, opened, batches[1:], results, ending, arguments)
    finally:
        if not (arguments.json or results.closed):
            tell(results.entries, store)
    return FOUND if results.any_of(FAILING.get(arguments.fail_on, ())) else 0


def listen_to_all(
    work: Work,
    opened: OpenedSources,
    later: Sequence[Sequence[GivenSource]],
    results: Results,
    ending: Ending,
    arguments: argparse.Namespace,
) -> None:
    """Run one batch after the other; a file that cannot be read or breaks off does not keep others
    from being judged, and its error is raised at the end.
    """
    failures = Failures()
    for batch in ([], *later):
        if batch:
            opened = open_batch(batch, arguments, work.here.settings)
        for spec, error in opened.refused:
            results.refused(spec, str(error))
            failures.add(spec, error)
        try:
            if opened.sources or arguments.listen:
                listen(work, opened.sources, results, ending, arguments.duration)
        except AudioError as error:
            if not later:
                raise
            failures.add("", error)
        if ending.reason:
            break
    failures.raise_gravest()


def tell(entries: Sequence[SourceResult], store: Store) -> None:
    """Print the results, where they are stored, and what to do next."""
    if not entries:
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    lines = one_result(entries[0]) if len(entries) == 1 else ["", *table(entries, width)]
    print(*lines, *after(entries, store), sep="\n")


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
