"""The routes by which reviewers add labelled recordings to the index and to retraining."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, BackgroundTasks, File, Form, Query, Request, UploadFile
from starlette.concurrency import run_in_threadpool

from console.auth import require
from console.clients import client_of
from console.http_errors import Refused
from console.job_queue import JobQueue
from console.keys import ADMIN, REVIEWER
from console.prediction import Predictor
from console.reviewing import REFUSALS, Id, IndexConfirmed, remember
from console.schemas import Problem, Removed, Upload, UploadMade, UploadPage
from radd.hot_swap import HotSwapDetector
from radd.types import Sample, Score, seconds
from storage.deletion import delete
from storage.people import is_imported, person
from storage.review import Label, Reviews
from storage.uploads import UploadSource, add_upload, list_uploads, start_samples, uploader

SHOWN, LONGEST_S, LONGEST_NAME = 200, 300, 1_000
TOO_MUCH: dict[int | str, dict[str, Any]] = {code: {"model": Problem} for code in (408, 413)}
Text = Annotated[str, Form(min_length=1, max_length=500, pattern=r"\S")]


def routes(
    desk: JobQueue,
    judge: Predictor,
    champion: HotSwapDetector,
    reviews: Reviews,
    index_confirmed: IndexConfirmed,
    quota_mb: int,
) -> APIRouter:
    """The routes of uploads."""
    router = APIRouter(prefix="/v1/uploads", tags=["uploads"], responses=REFUSALS | TOO_MUCH)

    @router.post("", status_code=201)
    async def add(
        request: Request,
        after: BackgroundTasks,
        file: Annotated[UploadFile, File(description="one voice; at most 300 s")],
        label: Annotated[Literal["fake", "real"], Form()],
        source: Annotated[Text, Form(description="where it comes from")],
        licence: Annotated[Text, Form(description="or who allowed its use")],
        reviewer: Annotated[str, Form(max_length=200)] = "",
    ) -> UploadMade:
        """Add a recording with a label, as a reviewer. It is reviewed like a clip: the label counts
        once the quorum of reviewers agrees.
        """
        require(request.scope, REVIEWER)
        name = request.scope["reviewer"] or reviewer.strip()
        if not person(name) or is_imported(name):
            raise Refused(422, "an upload needs the name of its reviewer")
        samples, scores = await desk.heard(file, client_of(request.scope), LONGEST_S)
        sample = _sample(samples, scores, judge)
        said = UploadSource((file.filename or "")[:LONGEST_NAME], source, licence, name)
        id, review = await run_in_threadpool(
            add_upload, reviews, sample, Label(label), said, champion.name, quota_mb
        )
        if encoder := champion.now.encoder:
            after.add_task(remember, index_confirmed, reviews, encoder)
        return UploadMade(id=id, review=review)

    @router.get("")
    def uploads(limit: Annotated[int, Query(ge=1, le=SHOWN)] = SHOWN) -> UploadPage:
        """The recordings that people added, the newest first."""
        return UploadPage(
            uploads=[
                Upload(
                    **{name: row[name] for name in ("file", "source", "licence", "uploaded_by")},
                    id=row["alert_id"],
                    review=row["review"],
                    duration_s=seconds(row["length_samples"]),
                    uploaded_utc=row["uploaded_utc"].replace(tzinfo=UTC),
                )
                for row in list_uploads(reviews, limit)
            ]
        )

    @router.delete("/{id}")
    def remove(request: Request, id: Id) -> Removed:
        """Remove an upload for good: its audio, its labels and what the index learned from it. Who
        added it may do so, and an admin.
        """
        require(request.scope, REVIEWER)
        by, named = uploader(reviews, id), request.scope["reviewer"]
        if by is None:
            raise Refused(404, f"there is no upload {id}; /v1/uploads lists them")
        if named is not None and person(named) != person(by):
            require(request.scope, ADMIN)
        return Removed(**delete(reviews.database, ids=[id]))

    return router


def _sample(samples: np.ndarray, scores: list[Score], judge: Predictor) -> Sample:
    """A recording with its scores as a sample. Raises Refused if nothing in it was measured."""
    llrs = [score.llr for score in scores if score.llr is not None]
    if not llrs:
        why = scores[-1].reason if scores else "it has no audio"
        raise Refused(
            422, f"nothing in this recording could be measured: {why}; it teaches nothing"
        )
    start, lowest = start_samples(datetime.now(UTC)), min(llrs)
    near = next(score.neighbours for score in scores if score.llr == lowest)
    return Sample(
        id=str(uuid.uuid4()),
        start=start,
        peak_p_spoof=judge.p_spoof(lowest) or 0.0,
        min_llr=lowest,
        clip=samples,
        trace=tuple((start + score.end, score.llr) for score in scores),
        neighbours=near,
        gaps=0,
    )
