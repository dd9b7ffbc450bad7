"""Live streams as server-sent events, from the rows that daemons write."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from console.clients import Shares, client_of
from console.metrics import Metrics
from console.prediction import Predictor
from radd.errors import StorageError
from radd.types import seconds
from storage.queries import Reader

SHOWN_S = 600  # the page's chart covers ten minutes
EVERY_S = 0.4  # twice per second at least, so that a new second appears within a second
MOST_VIEWERS = 50  # each viewer costs database queries


class Watcher:
    """What one viewer has seen, and what is new."""

    def __init__(self, reader: Reader, judge: Predictor):
        self._reader, self._judge = reader, judge
        self._next: dict[str, int] = {}

    def look(self) -> dict[str, Any]:
        """The streams of the last ten minutes, each with the seconds that this viewer has
        not seen.
        """
        now = datetime.now(UTC).replace(tzinfo=None)
        streams = self._reader.streams(now - timedelta(seconds=SHOWN_S))
        latest = {
            stream["id"]: stream["second"] for stream in streams if stream["second"] is not None
        }
        first = {
            id: max(self._next.get(id, 0), second - SHOWN_S + 1) for id, second in latest.items()
        }
        heard = self._reader.seconds(
            {id: second for id, second in first.items() if second <= latest[id]}
        )
        self._next |= {id: rows[-1]["second"] + 1 for id, rows in heard.items() if rows}
        return {
            "now": _iso(now),
            "streams": [self._stream(stream, heard.get(stream["id"], ())) for stream in streams],
        }

    def _stream(self, stream: dict[str, Any], rows) -> dict[str, Any]:
        same = (
            "id",
            "state",
            "source",
            "host",
            "bundle",
            "gaps",
            "alerts",
            "open_alerts",
            "second",
        )
        return {name: stream[name] for name in same} | {
            "started_utc": _iso(stream["started_utc"]),
            "ended_utc": stream["ended_utc"] and _iso(stream["ended_utc"]),
            "lost_s": seconds(int(stream["lost_samples"])),
            "heard": [
                [
                    row["second"],
                    row["verdict"],
                    _rounded(self._judge.p_spoof(row["llr"])),
                    round(row["level_dbfs"], 1),
                ]
                for row in rows
            ],
        }


def routes(reader: Reader, judge: Predictor, meters: Metrics) -> APIRouter:
    """The route of live streams."""
    router = APIRouter(prefix="/v1", tags=["live"])
    viewers = Shares(MOST_VIEWERS, "pages are watching", "the console")

    async def events(client: str) -> AsyncIterator[str]:
        watcher = Watcher(reader, judge)
        with viewers.hold(client):
            while True:
                try:
                    told = await run_in_threadpool(watcher.look)
                    meters.listening.set(
                        sum(stream["state"] == "running" for stream in told["streams"])
                    )
                    yield f"data: {json.dumps(told)}\n\n"
                except StorageError as error:
                    yield f"event: problem\ndata: {json.dumps(str(error))}\n\n"
                await asyncio.sleep(EVERY_S)

    @router.get(
        "/live",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def live(request: Request) -> StreamingResponse:
        """Server-sent events: first the last ten minutes of every stream, then new data within a
        second.

        `heard` has [second, verdict, p_spoof or null, level in dBFS] of each second. An event
        `problem` says why the database cannot be read.
        """
        client = client_of(request.scope)
        viewers.check(client)
        return StreamingResponse(events(client), media_type="text/event-stream")

    return router


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds") + "Z"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
