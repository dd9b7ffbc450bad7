"""Live streams as server-sent events, from the rows that daemons write."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from console.clients import Shares, client_of
from console.metrics import Metrics
from console.moments import Moment, utc
from console.prediction import Predictor
from console.schemas import LastMinutes, OpenAlert, OpenAlerts, Problem, StreamPage, StreamRow
from radd.errors import StorageError
from radd.types import Verdict, seconds
from storage.queries import NAMES, Reader

SHOWN_S = 600  # the chart of one stream covers ten minutes
MOST_STREAMS = 500  # of one answer about a time span
EVERY_S = 0.4  # twice per second at least, so that a new second appears within a second
MOST_VIEWERS = 50  # each viewer costs database queries
Id = Annotated[str, Path(pattern="^[0-9a-f-]{36}$", description="id of a stream")]
REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem} for code in (401, 422, 429, 503)
}
Second = tuple[int, Verdict, float | None, float]
SAME = ("id", "state", *NAMES, "device", "bundle", "gaps", "alerts", "second")


class LiveViewer:
    """What one viewer has seen, and what is new."""

    def __init__(self, reader: Reader, judge: Predictor, shown_s: int = SHOWN_S):
        """The first look has the last `shown_s` seconds of each stream."""
        self._reader, self._judge, self._shown_s = reader, judge, shown_s
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
            id: max(self._next.get(id, 0), second - self._shown_s + 1)
            for id, second in latest.items()
        }
        heard = self._reader.seconds(
            {id: second for id, second in first.items() if second <= latest[id]}
        )
        self._next |= {id: rows[-1]["second"] + 1 for id, rows in heard.items() if rows}
        return {
            "now": _iso(now),
            "streams": [self._stream(stream, heard.get(stream["id"], ())) for stream in streams],
            "open_alerts": open_alerts(self._reader),
        }

    def _stream(self, stream: dict[str, Any], rows) -> dict[str, Any]:
        return {name: stream[name] for name in SAME} | {
            "started_utc": _iso(stream["started_utc"]),
            "ended_utc": stream["ended_utc"] and _iso(stream["ended_utc"]),
            "lost_s": seconds(int(stream["lost_samples"])),
            "heard": heard_in(rows, self._judge),
        }


def heard_in(rows: Iterable[dict[str, Any]], judge: Predictor) -> list[Second]:
    """Rows of the timeline as [second, verdict, p_spoof or None, level in dBFS]."""
    return [
        (
            row["second"],
            row["verdict"],
            _rounded(judge.p_spoof(row["llr"])),
            round(row["level_dbfs"], 1),
        )
        for row in rows
    ]


def open_alerts(reader: Reader) -> list[dict[str, Any]]:
    """The open alerts of running streams, the latest first, as JSON."""
    return [
        row | {"began_utc": _iso(row["began_utc"]), "peak_p_spoof": _rounded(row["peak_p_spoof"])}
        for row in reader.open_alerts()
    ]


def routes(reader: Reader, judge: Predictor, meters: Metrics) -> APIRouter:
    """The route of live streams."""
    router = APIRouter(prefix="/v1", tags=["live"])
    viewers = Shares(MOST_VIEWERS, "pages are watching", "the console")

    async def events(client: str, shown_s: int) -> AsyncIterator[str]:
        watcher = LiveViewer(reader, judge, shown_s)
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
    async def live(
        request: Request,
        shown_s: Annotated[int, Query(ge=1, le=SHOWN_S, description="of the first event")] = 60,
    ) -> StreamingResponse:
        """Server-sent events: first the last minute of every stream, then new data within a second.

        `heard` has [second, verdict, p_spoof or null, level in dBFS] of each second. An event
        `problem` says why the database cannot be read.
        """
        client = client_of(request.scope)
        viewers.check(client)
        return StreamingResponse(events(client, shown_s), media_type="text/event-stream")

    @router.get("/live/alerts", responses=REFUSALS)
    def alerts_now() -> OpenAlerts:
        """The alerts that are open now, the latest first."""
        return OpenAlerts(alerts=[OpenAlert(**row) for row in open_alerts(reader)])

    @router.get("/live/{id}", responses=REFUSALS)
    def minutes(id: Id) -> LastMinutes:
        """The last ten minutes of one stream, second by second."""
        since = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=SHOWN_S)
        last = {row["id"]: row["second"] for row in reader.streams(since)}
        first = max(0, (last.get(id) or 0) - SHOWN_S + 1)
        return LastMinutes(heard=heard_in(reader.seconds({id: first})[id], judge))

    @router.get("/streams", responses=REFUSALS)
    def streams(since: Moment, until: Moment) -> StreamPage:
        """The streams that ran in a time span, the latest start first, at most 500."""
        found = reader.streams_between(utc(since), utc(until), MOST_STREAMS)
        return StreamPage(streams=[_ran(row) for row in found])

    return router


def _ran(row: dict[str, Any]) -> StreamRow:
    times = ("started_utc", "ended_utc")
    return StreamRow(**row | {name: row[name] and row[name].replace(tzinfo=UTC) for name in times})


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds") + "Z"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
