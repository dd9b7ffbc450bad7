"""Limits on the size and duration of request bodies, checked before they are parsed.

The minimum rate of a body follows mod_reqtimeout of the Apache HTTP Server: each received byte
extends the deadline.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from console.clients import client_of
from console.http_errors import Refused
from console.settings import ServeSettings

UPLOADS = {"/v1/predict", "/v1/report", "/v1/uploads"}
BATCHES = {"/v1/predict/batch", "/v1/enrolments"}
FORM_BYTES = 100_000  # of boundaries and fields around the files
# of a body that is not an upload: fits the longest reason with every letter escaped
SMALL_BYTES = 131_072
LEAST_RATE = 16_000  # bytes per second that an upload must reach after body_s
MEGABYTE = 1_000_000
RETRY_S = 10
LONGEST_LENGTH = 15  # digits of Content-Length


class BodyLimits:
    """Limits every body by size and time, and all concurrent uploads by their total size."""

    def __init__(self, settings: ServeSettings):
        self._settings = settings
        self._in_flight: Counter[str] = Counter()

    @property
    def in_flight(self) -> int:
        """Bytes of the requests that are being received or answered."""
        return sum(self._in_flight.values())

    def most(self, path: str) -> int:
        """Maximum size of a body for this path, in bytes."""
        whole = self._settings.max_upload_mb * MEGABYTE
        if path in UPLOADS:
            return whole + FORM_BYTES
        if path in BATCHES:
            return min(whole * self._settings.max_batch, self._share()) + FORM_BYTES
        return SMALL_BYTES

    def open(self, scope: Scope, path: str, receive: Receive) -> Body:
        """The body of a request. Raises Refused if its declared size is too large."""
        most = self.most(path)
        said = Headers(scope=scope).get("content-length", "0")
        if not (said.isascii() and said.isdigit()):
            raise Refused(400, f"Content-Length {said[:40]!r}: expected a number")
        if len(said) > LONGEST_LENGTH or int(said) > most:
            raise too_large(most)
        return Body(self, client_of(scope), most, receive)

    def take(self, client: str, size: int) -> None:
        """Count received bytes. Raises Refused if too many are in flight."""
        total = self._settings.uploads_mb * MEGABYTE
        mine = self._share() + FORM_BYTES
        if self.in_flight + size > total + FORM_BYTES or self._in_flight[client] + size > mine:
            raise Refused(
                503,
                f"uploads of {self.in_flight // MEGABYTE} MB are under way, at most "
                f"{self._settings.uploads_mb} MB are taken, half of that from one client; try "
                "again when some are done",
                RETRY_S,
            )
        self._in_flight[client] += size

    def release(self, client: str, size: int) -> None:
        """Return the bytes of a finished request to the total and to its client."""
        self._in_flight[client] -= size
        self._in_flight += Counter()

    def deadline(self, began: float, size: int) -> float:
        """When a body with `size` bytes so far must be complete, as time.monotonic()."""
        return began + self._settings.body_s + size / LEAST_RATE

    def _share(self) -> int:
        """Maximum bytes of one client's uploads; one file of the largest size always fits."""
        return max(self._settings.uploads_mb // 2, self._settings.max_upload_mb) * MEGABYTE


class Body:
    """The `receive` of one request, within the limits; `close` releases its count."""

    def __init__(self, limits: BodyLimits, client: str, most: int, receive: Receive):
        self._limits, self._client, self._most, self._receive = limits, client, most, receive
        self._size, self._began, self._is_whole = 0, time.monotonic(), False

    async def __call__(self) -> Message:
        message = await self._next()
        if message["type"] == "http.request":
            came = len(message.get("body", b""))
            if self._size + came > self._most:
                raise too_large(self._most)
            self._limits.take(self._client, came)
            self._size += came
            self._is_whole = not message.get("more_body", False)
        return message

    async def _next(self) -> Message:
        if self._is_whole:  # the next message says that the client has disconnected
            return await self._receive()
        left = self._limits.deadline(self._began, self._size) - time.monotonic()
        try:
            return await asyncio.wait_for(self._receive(), left)
        except TimeoutError:
            raise Refused(
                408, f"the request did not arrive in time: {self._size} bytes came; send it again"
            ) from None

    def close(self) -> None:
        """Release what this body has counted."""
        self._limits.release(self._client, self._size)
        self._size = 0


def too_large(most: int) -> Refused:
    """The refusal of a body above `most` bytes."""
    shown = f"{most // MEGABYTE} MB" if most >= MEGABYTE else f"{most // 1000} kB"
    return Refused(
        413,
        f"the body is larger than the {shown} that are taken here; send less, or raise "
        "max_upload_mb in [serve] for uploads",
    )
