"""detect.py --publish and --consume: a gateway and a detector of a fleet."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

from app.commands.detect import all_sources, hot_reload
from app.installation import Installation, installation
from app.streams import config_hash, observers_of
from fleet.call_chunks import Track
from fleet.detecting import FleetDetector, Judging
from fleet.gateway import Gateway
from fleet.rabbitmq import RabbitConsumer, RabbitPublisher
from fleet.state_store import StateStore
from radd.errors import AudioError, ConfigError
from radd.hot_swap import HotSwapDetector
from radd.types import Source
from storage.fleet_journal import FleetJournal
from storage.records import StreamInfo
from stream.console_lines import ConsoleLines
from stream.ending import Ending
from stream.failures import Failures
from stream.hot_reload import NoReload
from stream.json_lines import JsonLines
from stream.monitor import Monitor
from stream.run_events import Display
from stream.service import Service

log = logging.getLogger(__name__)


def publish(arguments: argparse.Namespace, ending: Ending) -> None:
    """Take calls in and publish them until they end, without judging them."""
    here = installation(arguments.config, arguments.bundle)
    settings, fleet = here.settings, here.settings.fleet
    sources = all_sources(arguments, settings)
    with RabbitPublisher(fleet.address(arguments.publish), fleet) as publisher:
        gateway = Gateway(publisher, fleet)
        _carry(gateway, sources, ending)


def _carry(gateway: Gateway, sources: Sequence[Source], ending: Ending) -> None:
    """Publish the sources side by side; raise the gravest of what they raised."""
    failures, service = Failures(), Service()

    def carry(source: Source) -> None:
        try:
            if (refusal := gateway.refusal(source.name)) is not None:
                raise AudioError(f"{source.name} is refused: {refusal}")
            gateway.carry(source, say)
        except Exception as error:  # of any type: it is raised again below
            failures.add(source.name, error)

    with ExitStack() as opened:
        for source in sources:
            opened.enter_context(source)
        ending.sources = list(sources)
        threads = [threading.Thread(target=carry, args=(source,)) for source in sources]
        for thread in threads:
            thread.start()
        service.ready(f"publishing {len(sources)} sources")
        for thread in threads:
            while thread.is_alive():
                thread.join(1.0)
                service.alive()
                if ending.reason:
                    gateway.stop()
        service.stopping()
    failures.raise_gravest()


def say(line: str) -> None:
    """A line about a track, on stdout."""
    print(line, flush=True)


def consume(arguments: argparse.Namespace, ending: Ending) -> None:
    """Judge the calls of the fleet until `ending` is set; other detectors then go on with them."""
    if arguments.no_store:
        raise ConfigError(
            "--consume needs the database, from which another detector goes on; omit --no-store"
        )
    here = installation(arguments.config, arguments.bundle)
    fleet, bundle = here.settings.fleet, here.bundle()
    detector = HotSwapDetector(here.load(bundle))
    display: Display = JsonLines(sys.stdout) if arguments.json else ConsoleLines(sys.stdout)
    with ExitStack() as stack:
        spool = stack.enter_context(tempfile.TemporaryDirectory(prefix="radd-spool-"))
        storage = replace(here.settings.storage, spool=spool)
        store = stack.enter_context(StateStore(storage.url))
        consumer = RabbitConsumer(fleet.address(arguments.consume), fleet)
        journal = stack.enter_context(FleetJournal(storage, fleet.process, store.noted))
        index = stack.enter_context(hot_reload(detector, bundle, here) or NoReload())
        stack.enter_context(display)
        stack.enter_context(consumer)
        judging = judging_of(here, detector, index)
        judge(FleetDetector(judging, consumer, store, journal, display, fleet), ending)


def judging_of(here: Installation, detector: HotSwapDetector, index) -> Judging:
    """How streams are judged here."""
    settings, observers = here.settings, observers_of(here, detector, stored=True)
    hashed = config_hash(settings)

    def info(track: Track) -> StreamInfo:
        return StreamInfo(
            id=track.id,
            source=track.source,
            device=None,
            native_rate_hz=track.rate_hz,
            host=settings.fleet.process,
            bundle=detector.name,
            config_hash=hashed,
            started=datetime.fromtimestamp(track.opened, UTC),
            call=track.as_call(),
        )

    return Judging(
        detector,
        lambda id: Monitor(detector, settings.decision, settings.alerts, id),
        lambda id: [tap for of in observers for tap in of(id)],
        info,
        settings.engine,
        index,
    )


def judge(detector: FleetDetector, ending: Ending) -> None:
    """Judge until the end, then hand the calls over."""
    service = Service()
    service.ready("waiting for calls")
    while not ending.reason:
        detector.step()
        service.alive()
    service.stopping()
    detector.hand_over()
