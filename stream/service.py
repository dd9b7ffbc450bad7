"""Notifies systemd of a service of Type=notify (sd_notify(3)); does nothing if systemd did not
start it.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping


class Service:
    """The notification socket named by NOTIFY_SOCKET, with the watchdog's interval of
    WATCHDOG_USEC.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ):
        address = environ.get("NOTIFY_SOCKET", "")
        self.address = "\0" + address[1:] if address.startswith("@") else address
        self.interval_s = int(environ.get("WATCHDOG_USEC", "0")) / 1e6 / 2
        self.told = 0.0

    def ready(self, status: str) -> None:
        """Report that the service is ready."""
        self._tell(f"READY=1\nSTATUS={status.splitlines()[0]}")

    def alive(self) -> None:
        """Report that the loop runs, at most twice per watchdog interval."""
        if self.interval_s and time.monotonic() - self.told >= self.interval_s:
            self.told = time.monotonic()
            self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """Report that the service is stopping."""
        self._tell("STOPPING=1")

    def _tell(self, message: str) -> None:
        if not self.address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            try:
                out.sendto(message.encode(), self.address)
            except OSError:
                self.address = ""
