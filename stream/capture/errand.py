"""Calls into a sound system that may never return: its server can be frozen, its driver stuck."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from radd.errors import DeviceError

Result = TypeVar("Result")

ANSWER_S = 5.0
_ONE_AT_A_TIME = threading.Lock()  # PortAudio is not made for several threads


class NoAnswer(DeviceError):
    """The call goes on; one may wait for it again."""


class Errand(Generic[Result]):
    """A call in a thread of its own, which nobody has to wait for to the end."""

    def __init__(self, work: Callable[[], Result]):
        """Begin `work`, as soon as all errands before it are done."""
        self._work = work
        self._answer: SimpleQueue[Callable[[], Result] | None] = SimpleQueue()
        threading.Thread(target=self._run, name="sound system", daemon=True).start()

    def wait(self, timeout_s: float) -> Result:
        """What the work returns. Raises what it raises, and NoAnswer if that takes longer or
        wake() is called.
        """
        try:
            answer = self._answer.get(timeout=timeout_s)
        except Empty:
            answer = None
        if answer is None:
            raise NoAnswer(
                f"the sound system has not answered for {timeout_s:g} s; restart it (pulseaudio, "
                "pipewire), or unplug the device"
            )
        return answer()

    def wake(self) -> None:
        """Let a wait() return; may be called from a signal handler."""
        self._answer.put(None)

    def _run(self) -> None:
        with _ONE_AT_A_TIME:
            done: Future[Result] = Future()
            try:
                done.set_result(self._work())
            except Exception as error:  # of whatever type: it is raised where it is waited for
                done.set_exception(error)
        self._answer.put(done.result)
