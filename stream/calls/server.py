"""The thread that serves all listeners: one event loop for every connection."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from stream.calls.admission import Admission
from stream.calls.source import CallSource

log = logging.getLogger(__name__)

LEAVE_S = 3.0  # connections have so long to close when the program ends


class Listener(Protocol):
    """Waits for calls at one address, and opens a Line of its Admission for each."""

    name: str
    """its address, without secrets"""

    async def open(self) -> None:
        """Begin to listen. Raises DeviceError if the address cannot be used."""
        ...

    async def close(self) -> None:
        """Listen no longer, and end all connections."""
        ...


class CallServer:
    """Takes the calls of all listeners; Arrivals of a run. A context manager: entering begins to
    listen.

    Whoever does not judge can use it alone: take() returns the CallSource of each track of each
    call, to be iterated in a thread of its own.
    """

    def __init__(self, listeners: Sequence[Listener], admission: Admission):
        self._listeners, self._admission = listeners, admission
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="calls", daemon=True)
        self.open = False

    def __enter__(self) -> CallServer:
        self._thread.start()
        try:
            self._call(self._open())
        except BaseException:
            self.__exit__()
            raise
        self.open = True
        return self

    def __exit__(self, *exc) -> None:
        self.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def take(self) -> Sequence[CallSource]:
        """The tracks of calls that have come since the last call of this method."""
        return self._admission.take()

    def refuse(self, refusal: Callable[[], str | None]) -> None:
        """Take no new call while `refusal` returns why; it is called in the thread of the network
        and must return at once.
        """
        self._admission.refusal = refusal

    def notify(self, wake: Callable[[], None]) -> None:
        """Call `wake`, from the thread of the network, whenever a track has come."""
        self._admission.wake = wake

    def close(self) -> None:
        """Take no more calls, and end those that are here; what they sent is still read."""
        self.open = False
        if not self._admission.is_closed:
            self._call(self._close())

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self) -> None:
        for listener in self._listeners:
            await listener.open()
            log.info("waiting for calls at %s", listener.name)

    async def _close(self) -> None:
        self._admission.close()
        for listener in self._listeners:
            try:
                async with asyncio.timeout(LEAVE_S):
                    await listener.close()
            except TimeoutError:
                log.warning("%s: some connections do not close; left behind", listener.name)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()
