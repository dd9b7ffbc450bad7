"""detect.py --publish and --consume: a gateway and a detector of a fleet."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

from app.catch_up import CatchUp
from app.commands.detect import hot_reload
from app.given_sources import all_sources
from app.installation import Installation, installation
from app.notify import watchers_of
from app.settings import Settings
from app.streams import config_hash, observers_of
from fleet.call_chunks import Track
from fleet.detecting import FleetDetector
from fleet.gateway import Gateway
from fleet.judging import NO_NOTICES, Judging
from fleet.rabbitmq import RabbitConsumer, RabbitPublisher
from fleet.state_store import StateStore
from notify.notifier import Notifier
from notify.watcher import StreamWatcher
from radd.errors import AudioError, ConfigError, RaddError
from radd.hot_swap import HotSwapDetector
from radd.types import Source
from storage.commands import GivenCommands
from storage.fleet_journal import FleetJournal
from storage.records import StreamInfo
from stream.calls.listeners import call_server
from stream.calls.server import CallServer
from stream.command_poll import CommandPoll
from stream.console_lines import ConsoleLines
from stream.ending import Ending
from stream.failures import Failures
from stream.hot_reload import HotReload, NoReload
from stream.json_lines import JsonLines
from stream.monitor import Monitor
from stream.run_events import Display
from stream.service import Service

TICK_S = 0.5

log = logging.getLogger(__name__)


def publish(arguments: argparse.Namespace, ending: Ending) -> None:
    """Take sources and calls in and publish them until they end, without judging them."""
    here = installation(arguments.config, arguments.bundle)
    settings, fleet = here.settings, here.settings.fleet
    calls = call_server(arguments.listen, settings.calls) if arguments.listen else None
    sources = all_sources(arguments, settings)
    with RabbitPublisher(fleet.address(arguments.publish), fleet) as publisher:
        Carrying(Gateway(publisher, fleet), ending).carry(sources, calls)


class Carrying:
    """The threads of a gateway, one for each source and track."""

    def __init__(self, gateway: Gateway, ending: Ending):
        self._gateway, self._ending = gateway, ending
        self._failures, self._service = Failures(), Service()
        self._threads: list[threading.Thread] = []

    def carry(self, sources: Sequence[Source], calls: CallServer | None) -> None:
        """Publish the sources and the calls that come; raise the gravest error of the sources."""
        with ExitStack() as opened:
            for source in sources:
                opened.enter_context(source)
            self._ending.sources = list(sources)
            for source in sources:
                self._begin(self._carry_source, source)
            if calls is not None:
                calls.refuse(self._gateway.refusal_of_all)
                opened.enter_context(calls)
            self._service.ready("publishing")
            self._wait(calls)
            self._service.stopping()
        self._failures.raise_gravest()

    def _wait(self, calls: CallServer | None) -> None:
        """Until all have ended, or the end was asked for."""
        come = threading.Event()
        if calls is not None:
            calls.notify(come.set)
        while self._threads or (calls is not None and calls.open):
            come.wait(TICK_S)
            come.clear()
            for source in calls.take() if calls is not None else ():
                self._begin(self._carry_call, source)
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            self._service.alive()
            if self._ending.reason:
                self._gateway.stop()
                if calls is not None:
                    calls.close()

    def _begin(self, carry: Callable[[Source], None], source: Source) -> None:
        thread = threading.Thread(target=carry, args=(source,), name=source.name)
        self._threads.append(thread)
        thread.start()

    def _carry_source(self, source: Source) -> None:
        try:
            if (refusal := self._gateway.refusal(source.name)) is not None:
                raise AudioError(f"{source.name} is refused: {refusal}")
            self._gateway.carry(source, say)
        except Exception as error:  # of any type: it is raised again in carry()
            self._failures.add(source.name, error)

    def _carry_call(self, source: Source) -> None:
        call = getattr(source, "call", None)
        try:
            if call is not None and (refusal := self._gateway.refusal(call.id)) is not None:
                log.warning("%s is refused: %s", source.name, refusal)
                source.stop()
                return
            self._gateway.carry(source, say)
        except RaddError as error:  # of this call only; the others go on
            log.warning("%s: %s", source.name, error)
        finally:
            source.__exit__(None, None, None)


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
        journal = FleetJournal(storage, fleet.process, store.noted)
        stack.enter_context(journal)
        catching = stack.enter_context(CatchUp(here))
        index = hot_reload(detector, bundle, here, catching) or NoReload()
        stack.enter_context(index)
        stack.enter_context(display)
        stack.enter_context(consumer)
        watchers = watchers_of(_own_spool(here.settings), journal)
        for watcher in watchers:
            stack.enter_context(watcher)
        judging = judging_of(here, detector, index, watchers)
        every_s = here.settings.calls.commands_s
        commands = stack.enter_context(CommandPoll(GivenCommands(storage.url), every_s))
        judge(FleetDetector(judging, consumer, store, journal, display, fleet, commands), ending)


def _own_spool(settings: Settings) -> Settings:
    """Notifications of this detector wait in a directory with its name: after a kill they are sent
    when a detector with this name starts again.
    """
    spool = settings.storage.spool_directory / settings.fleet.process
    return replace(settings, storage=replace(settings.storage, spool=str(spool)))


def judging_of(
    here: Installation,
    detector: HotSwapDetector,
    index: NoReload | HotReload,
    watchers: Sequence[StreamWatcher],
) -> Judging:
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
        watchers,
        next((watcher for watcher in watchers if isinstance(watcher, Notifier)), NO_NOTICES),
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
