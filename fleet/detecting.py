"""A detector: takes calls from the broker, judges them, and stores the state from which another
detector can go on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from fleet.broker import Consumer, Delivered, Load, Revoked
from fleet.call_chunks import CallChunk, Malformed, decode
from fleet.commanding import Commanding
from fleet.judging import Judging
from fleet.partition_share import PartitionShare
from fleet.settings import FleetSettings
from fleet.state_store import StateStore
from fleet.tracked_call import TrackedCall, TrackStage
from radd.errors import RaddError
from radd.types import HOP_SAMPLES, Alert, Event, Part, Shed
from storage.call_states import Heartbeat
from storage.fleet_journal import FleetJournal
from stream.engine import Fed, feed
from stream.fanout import Fanout
from stream.run_changes import Commands, NoCommands
from stream.run_events import Display, IndexChanged, ModelChanged, Started, Stopped
from stream.tap import ended, observed

TAKE_S = 0.05
NO_COMMANDS = NoCommands()
HAND_OVER_S = 5.0  # for the database to take the states of calls that another detector goes on with

log = logging.getLogger(__name__)


class FleetDetector:
    """The calls of one detector process; step() is called until the process is to end."""

    def __init__(
        self,
        judging: Judging,
        consumer: Consumer,
        store: StateStore,
        journal: FleetJournal,
        display: Display,
        settings: FleetSettings,
        commands: Commands = NO_COMMANDS,
    ):
        self._judging, self._consumer, self._store = judging, consumer, store
        self._journal, self._display, self._settings = journal, display, settings
        self._late_s = judging.engine.late_ms / 1000
        self._calls: dict[str, TrackedCall] = {}
        self._commanding = Commanding(commands, self._put_away)
        self._shares = PartitionShare(consumer, settings.partitions)
        self._leaving: dict[int, float] = {}
        self._turn: list[str] = []
        self._worked_s = 0.0
        self._ticked = time.monotonic()
        self._lag_s = 0.0
        self._problem: str | None = None
        self._malformed = ""
        self.shed_hops = self.dead_letters = self.duplicates = 0

    def step(self) -> None:
        """Take what has arrived, judge some of it, and store what is due."""
        has_work = any(call.is_ready for call in self._calls.values())
        for item in self._consumer.take(0.0 if has_work else TAKE_S):
            self._revoke(item.partition) if isinstance(item, Revoked) else self._receive(item)
        began = time.monotonic()
        self._start_loaded()
        self._commanding.obey(self._calls)
        self._follow_index()
        self._judge(self._chosen())
        self._settle()
        self._save_due()
        self._share()
        self._worked_s += time.monotonic() - began
        if began - self._ticked >= 1.0:
            self._tick(began)
        self._warn(self._journal.problem)

    @property
    def is_idle(self) -> bool:
        """Whether everything that has arrived is judged."""
        return all(c.stage is not TrackStage.LOADING and not c.left() for c in self._calls.values())

    def hand_over(self) -> None:
        """Store the states of all calls and return their messages to the broker, so that other
        detectors go on.
        """
        for partition in self._shares.held():
            self._begin_leaving(partition)
        while self._leaving:
            self._settle()
            self._finish_leaving()
            time.sleep(0.005)

    def _receive(self, delivered: Delivered) -> None:
        try:
            chunk = decode(delivered.body)
        except Malformed as error:
            self.dead_letters += 1
            if str(error) != self._malformed:
                log.warning("%s; it goes to the dead letters", error)
            self._malformed = str(error)
            self._consumer.reject(delivered)
            return
        if delivered.partition in self._leaving:
            return  # comes again, to the next one in line
        self._shares.hold(delivered.partition)
        self._sort(delivered, chunk)

    def _sort(self, delivered: Delivered, chunk: CallChunk) -> None:
        """Give a chunk to its call."""
        call = self._calls.get(chunk.track.id)
        if call is None:
            is_new = chunk.sequence == 0 and not delivered.again
            loaded = self._store.nothing() if is_new else self._store.load(chunk.track.id)
            call = self._calls[chunk.track.id] = TrackedCall(
                chunk.track, delivered.partition, loaded
            )
        if not call.receive(delivered, chunk):
            self._discard(delivered)

    def _discard(self, delivered: Delivered) -> None:
        """The message came twice."""
        self.duplicates += 1
        self._consumer.acknowledge(delivered)

    def _revoke(self, partition: int) -> None:
        """The broker has taken a partition back: whoever has it now goes on with its calls."""
        self._leaving.pop(partition, None)
        self._shares.drop(partition)
        for call in [call for call in self._calls.values() if call.partition == partition]:
            self._forget(call)

    def _forget(self, call: TrackedCall) -> None:
        del self._calls[call.id]
        self._commanding.forget(call.id)
        if call.stage in (TrackStage.REPLAYING, TrackStage.LIVE):
            self._journal.hand_over(call.id)
            self._judging.notices.leave(call.id)
            self._stop(call, "handed_over")

    def _start_loaded(self) -> None:
        for call in list(self._calls.values()):
            if call.stage is TrackStage.LOADING and call.loaded.done():
                self._start(call)

    def _start(self, call: TrackedCall) -> None:
        saved = call.loaded.result()
        if isinstance(saved, RaddError):
            call.loaded = self._store.load(call.id)
            return
        monitor, info = self._judging.monitor(call.id), self._judging.info(call.track)
        if saved is None:
            call.start(monitor)
        elif saved.state["stopped"]:
            for delivered in call.refuse():
                self._discard(delivered)
            return
        else:
            now = self._judging.detector.now
            window_samples = (now.window_hops + now.period_hops) * HOP_SAMPLES
            for delivered in call.resume(saved, monitor, window_samples):
                self._discard(delivered)
            if saved.state["monitor"] is None and not call.left():  # it has ended
                del self._calls[call.id]
                return
        call.taps = self._judging.taps(call.id)
        self._journal.begin(info, None if saved is None else saved.state["book"])
        for watcher in self._judging.watchers:
            watcher.begin(info, dict)
        if saved is not None:
            self._judging.notices.carry_on(call.id, saved.state["notices"])
        track, name = call.track, self._judging.detector.name
        started = Started(track.source, name, track.rate_hz, None, track.as_call())
        self._display.write(started, call.id)

    def _chosen(self) -> list[TrackedCall]:
        """The calls of this step, those first that have waited longest. Of those that were taken
        over, the first goes on alone: the others of a dead detector would all be late with it.
        """
        known = set(self._turn)
        self._turn += [id for id in self._calls if id not in known]
        self._turn = [id for id in self._turn if id in self._calls]
        ready = [call for call in map(self._calls.__getitem__, self._turn) if self._can_go_on(call)]
        live = [call for call in ready if call.stage is TrackStage.LIVE]
        again = [call for call in self._calls.values() if call.stage is TrackStage.REPLAYING]
        again = [call for call in again if self._can_go_on(call)]
        chosen = again[:1] + live[: self._judging.engine.streams_at_once]
        done = {call.id for call in chosen}
        self._turn = [id for id in self._turn if id not in done] + [call.id for call in chosen]
        return chosen

    def _can_go_on(self, call: TrackedCall) -> bool:
        return call.is_ready and call.partition not in self._leaving

    def _judge(self, calls: list[TrackedCall]) -> None:
        fed, finished, again = [], [], []
        for call in calls:
            audio, shed, is_last = call.take(self._late_s)
            before, new = call.split(audio)
            if before is not None:
                again.append((call.monitor.hear_again(before), call.skips(before)))
            if new is not None and (heard := call.pauses.applied(new)) is not None:
                fed.append((call, Fed(call.monitor, heard, shed)))
            if is_last:
                finished.append(call)
        self._judge_again(again)
        for (call, (_, audio, shed)), events in zip(
            fed, feed(self._judging.detector, [one for _, one in fed]), strict=True
        ):
            if isinstance(events, RaddError):
                log.warning("%s: %s", call.track.source, events)
                self._finish(call, "error")
                continue
            hops = call.totals.scores
            self._write(call, observed(call.taps, audio, events))
            call.brief_hops += (call.totals.scores - hops) * (shed is Shed.BLOCKS)
            if audio.arrived is not None:
                self._lag_s = max(self._lag_s, time.monotonic() - audio.arrived)
        for call in finished:
            if call.stage is not TrackStage.ENDED:
                self._finish(call, "end")

    def _judge_again(self, again: list) -> None:
        """Give the detector its windows back; what it says was said before."""
        parts = [
            Part(batch.state, batch.samples, skip) for batch, skip in again if len(batch.samples)
        ]
        if parts:
            self._judging.detector.push_many(parts)

    def _write(self, call: TrackedCall, events: Iterable[Event]) -> None:
        sinks = Fanout(self._journal, call.totals, self._display, *self._judging.watchers)
        shed = call.totals.shed
        call.is_changed = True
        has_alert = False
        for event in events:
            sinks.write(event, call.id)
            has_alert |= isinstance(event, Alert)
        self.shed_hops += call.totals.shed - shed
        if has_alert and call.stage is TrackStage.LIVE:
            self._save(call)

    def _finish(self, call: TrackedCall, reason: str) -> None:
        self._write(call, ended(call.taps, call.monitor.flush()))
        position, state = call.ending()
        state["notices"] = {}
        is_whole = reason in ("end", "stopped")
        self._journal.finish(call.id, position, state, interrupted=not is_whole)
        self._stop(call, reason)

    def _stop(self, call: TrackedCall, reason: str) -> None:
        for watcher in self._judging.watchers:
            watcher.end(call.id)
        totals = call.run_totals(self._journal.stats())
        self._display.write(Stopped(call.end, reason, totals), call.id)

    def _put_away(self, call: TrackedCall, reason: str | None) -> None:
        self._save(call) if reason is None else self._finish(call, reason)

    def _save(self, call: TrackedCall, leaving: bool = False) -> None:
        now = self._judging.detector.now
        position, state, clip = call.state(now.window_hops, now.period_hops)
        state["notices"] = self._judging.notices.carried(call.id)
        if leaving:  # this process still delivers them
            state["notices"]["messages"] = []
        self._journal.save(call.id, position, state, clip)

    def _save_due(self) -> None:
        before = time.monotonic() - self._settings.save_s
        for call in self._calls.values():
            if call.stage is TrackStage.LIVE and call.is_changed and call.saved < before:
                self._save(call)

    def _settle(self) -> None:
        """Release the messages that the database has made unnecessary."""
        for stream, number in self._store.saved():
            call = self._calls.get(stream)
            if call is None:
                continue
            call.confirmed(number, self._consumer.acknowledge)
            if call.is_saved:
                self._commanding.saved(call)
            if call.is_stopped:
                for delivered in call.refuse():
                    self._discard(delivered)
            elif call.stage is TrackStage.ENDED and call.is_saved:
                del self._calls[stream]
                for delivered, chunk in call.left():  # it goes on after all
                    self._sort(delivered, chunk)

    def _share(self) -> None:
        for partition in self._shares.scattered():
            self._consumer.give_up(partition)
        for partition in self._shares.surplus():
            if partition not in self._leaving:
                self._begin_leaving(partition)
        self._finish_leaving()

    def _begin_leaving(self, partition: int) -> None:
        self._leaving[partition] = time.monotonic() + HAND_OVER_S
        for call in self._calls.values():
            if call.partition == partition and call.stage is TrackStage.LIVE:
                self._save(call, leaving=True)

    def _finish_leaving(self) -> None:
        for partition, until in list(self._leaving.items()):
            calls = [call for call in self._calls.values() if call.partition == partition]
            if all(call.is_saved for call in calls) or time.monotonic() > until:
                self._consumer.give_up(partition)
                self._revoke(partition)

    def _tick(self, now: float) -> None:
        """Once a second: report, count the detectors, and end calls that bring nothing."""
        busy = min(1.0, self._worked_s / (now - self._ticked))
        self._ticked, self._worked_s = now, 0.0
        name, lag_s = self._settings.process, round(self._lag_s, 3)
        self._lag_s = 0.0
        load = Load(name, len(self._calls), lag_s, round(busy, 3), self._shares.held())
        self._consumer.announce(load)
        self._consumer.count()
        self._store.report(
            Heartbeat(name, load.calls, lag_s, load.busy, self.shed_hops, self.dead_letters)
        )
        for call in list(self._calls.values()):
            if now - call.heard <= self._settings.idle_s:
                continue
            if call.is_stopped:
                del self._calls[call.id]
            elif call.stage is TrackStage.LIVE:
                log.warning("%s: no audio for %.0f s", call.track.source, now - call.heard)
                self._finish(call, "idle")

    def _warn(self, problem: str | None) -> None:
        if problem != self._problem:
            log.warning("storage: %s", problem or "the problem is solved")
            self._problem = problem

    def _follow_index(self) -> None:
        index, live = (
            self._judging.index,
            [c for c in self._calls.values() if c.stage is TrackStage.LIVE],
        )
        if model := index.take_model():
            self._journal.judged_by(model)
            for call in live:
                self._display.write(ModelChanged(call.end, model), call.id)
        if changed := index.take():
            for call in live:
                self._display.write(IndexChanged(call.end, *changed), call.id)
