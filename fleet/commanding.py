"""Operators' commands to the calls of a detector: pause, resume and stop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from fleet.tracked_call import TrackedCall, TrackStage
from stream.run_changes import PAUSE, STOP, Command, Commands

log = logging.getLogger(__name__)


class Commanding:
    """Carries out the commands to the calls that are judged here.

    A command is done once the database has the state after it: if this process dies before, the
    next detector finds the command again.
    """

    def __init__(self, commands: Commands, store: Callable[[TrackedCall, str | None], None]):
        """`store` puts a call away; with a reason it ends it."""
        self._commands, self._store = commands, store
        self._carried: dict[str, list[Command]] = {}

    def obey(self, calls: Mapping[str, TrackedCall]) -> None:
        """Carry out what has been given since."""
        live = {id: call for id, call in calls.items() if call.stage is TrackStage.LIVE}
        for command in self._commands.take(list(live)):
            call = live.get(command.stream)
            if call is None or call.stage is not TrackStage.LIVE:
                self._commands.leave(command)
                continue
            log.info("%s: %s by %s", call.track.source, command.action, command.by)
            self._carried.setdefault(call.id, []).append(command)
            self._carry_out(command, call)

    def saved(self, call: TrackedCall) -> None:
        """The database has everything that was put away of a call."""
        for command in self._carried.pop(call.id, ()):
            self._commands.done(command)

    def forget(self, stream: str) -> None:
        """Another detector goes on with the call, and with the commands that are not stored."""
        for command in self._carried.pop(stream, ()):
            self._commands.leave(command)

    def _carry_out(self, command: Command, call: TrackedCall) -> None:
        if command.action == STOP:
            call.is_stopped = True
            self._store(call, "stopped")
            return
        if command.action == PAUSE:
            call.pauses.begin(command.by)
        else:
            call.pauses.end()
        self._store(call, None)
