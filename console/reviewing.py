"""The routes of alerts and clips: alerts, evidence and labels."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC
from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, Path, Query, Request, Response

from console.auth import require
from console.http_errors import Refused
from console.keys import REVIEWER
from console.metrics import Metrics
from console.moments import Since, utc
from console.prediction import Predictor
from console.schemas import (
    Answer,
    ClipDetails,
    ClipPage,
    ClipRow,
    Known,
    LabelRow,
    Outcome,
    Problem,
    TracePoint,
)
from radd.encoder import Encoder
from radd.errors import StorageError
from radd.hot_swap import HotSwapDetector
from radd.types import seconds
from storage.queries import Chosen, Reader, Row
from storage.review import Reviews, State

Id = Annotated[str, Path(pattern="^[0-9a-f-]{36}$", description="id of an alert or a sample")]
Limit = Annotated[int, Query(ge=1, le=200)]
After = Annotated[str | None, Query(max_length=200, description="`next` of the previous page")]
Stream = Annotated[str | None, Query(max_length=36, description="id of a stream")]
log = logging.getLogger(__name__)
IndexConfirmed = Callable[[Reviews, Encoder], dict[str, int | str]]
"""adds agreed clips to an encoder's index: the number of blocks of each, or what is in the way"""
REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem} for code in (400, 401, 403, 404, 422, 429, 503)
}


def routes(
    reader: Reader,
    reviews: Reviews,
    index_confirmed: IndexConfirmed,
    judge: Predictor,
    champion: HotSwapDetector,
    meters: Metrics,
) -> APIRouter:
    """The routes of alerts, clips and labels."""
    router = APIRouter(prefix="/v1", tags=["review"], responses=REFUSALS)

    @router.get("/alerts")
    def alerts(
        stream: Stream = None, since: Since = None, limit: Limit = 50, after: After = None
    ) -> ClipPage:
        """Alerts, newest first."""
        chosen = Chosen(kind="alert", stream_id=stream, since=utc(since))
        return _page(reader.alerts(chosen, "newest", limit, after), judge)

    @router.get("/clips")
    def clips(
        review: Annotated[State | None, Query(description="state of review")] = None,
        kind: Literal["alert", "sample"] | None = None,
        stream: Stream = None,
        since: Since = None,
        order: Literal["informative", "newest"] = "informative",
        limit: Limit = 50,
        after: After = None,
    ) -> ClipPage:
        """The review queue: alerts and samples, highest review priority first."""
        chosen = Chosen(review, kind, stream, utc(since))
        return _page(reader.alerts(chosen, order, limit, after), judge)

    @router.get("/clips/{id}")
    def clip(id: Id) -> ClipDetails:
        """All data of one clip except its audio."""
        row = reader.alert(id)
        if row is None:
            raise _unknown(id)
        known = reader.clips_of_references([neighbour["id"] for neighbour in row["neighbours"]])
        start = row["clip_start_samples"]
        return ClipDetails(
            clip=_clip(row, judge),
            began=seconds(row["began_samples"] - start),
            trace=[
                TracePoint(
                    t=seconds(end - start),
                    llr=llr,
                    p_spoof=judge.p_spoof(llr),
                    verdict=judge.verdict(llr),
                )
                for end, llr in row["trace"]
            ],
            neighbours=[
                Known(**neighbour, clip=known.get(neighbour["id"]))
                for neighbour in row["neighbours"]
                if neighbour["similarity"] is not None
            ],
            labels=[
                LabelRow(**{name: said[name] for name in LabelRow.model_fields})
                for said in row["labels"]
            ],
            blocks_in_index=sum(
                one["blocks"]
                for one in row["index"]
                if one["encoder_id"] == champion.now.encoder_id
            ),
        )

    @router.get(
        "/clips/{id}/sound",
        response_class=Response,
        responses={200: {"content": {"audio/flac": {}}}},
    )
    def sound(id: Id) -> Response:
        """The audio of a clip as FLAC, 16 kHz mono."""
        flac = reader.sound(id)
        if flac is None:
            raise Refused(
                404,
                f"there is no audio of {id}: it expired, exceeded the quota, or there is no such "
                "clip",
            )
        return Response(flac, media_type="audio/flac")

    @router.post("/clips/{id}/label")
    def label(request: Request, id: Id, answer: Answer, after: BackgroundTasks) -> Outcome:
        """Label a clip, as a reviewer. All labels stay in the history; the last one of each person
        counts.
        """
        require(request.scope, REVIEWER)
        if reader.alert(id) is None:
            raise _unknown(id)
        reviewer = request.scope["reviewer"] or answer.reviewer
        if not reviewer:
            raise Refused(422, "a label needs the name of its reviewer")
        outcome = reviews.label([id], answer.label, reviewer, answer.reason)
        meters.labels.labels(answer.label.value).inc()
        if encoder := champion.now.encoder:
            after.add_task(remember, index_confirmed, reviews, encoder)
        return Outcome(review=outcome[id])

    return router


def remember(index_confirmed: IndexConfirmed, reviews: Reviews, encoder: Encoder) -> None:
    """Add agreed clips to the index; problems are logged, and tried again with the next label."""
    try:
        learnt = index_confirmed(reviews, encoder)
        refusals = [
            f"{sha256}: {result}" for sha256, result in learnt.items() if isinstance(result, str)
        ]
    except StorageError as error:
        refusals = [str(error)]
    for refusal in refusals:
        log.warning("a clip was not added to the index: %s", refusal)


def _unknown(id: str) -> Refused:
    return Refused(404, f"there is no clip {id}; /v1/clips lists them")


def _page(found: tuple[list[Row], str | None], judge: Predictor) -> ClipPage:
    return ClipPage(clips=[_clip(row, judge) for row in found[0]], next=found[1])


def _clip(row: dict[str, Any], judge: Predictor) -> ClipRow:
    same = {name: row[name] for name in ClipRow.model_fields if name in row}
    times = {
        name: row[name] and row[name].replace(tzinfo=UTC) for name in ("began_utc", "ended_utc")
    }
    return ClipRow(
        **same | times,
        verdict=judge.verdict(row["min_llr"]),
        duration_s=seconds(row["clip_length_samples"]),
        sound=row["clip_state"],
    )
