"""The routes that score recordings."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, File, Query, Request, Response, UploadFile
from starlette.concurrency import run_in_threadpool

from console.clients import client_of
from console.http_errors import Refused, refusal
from console.job_queue import JobQueue
from console.metrics import Metrics
from console.schemas import BatchAnswer, BatchItem, Prediction, Problem
from console.settings import ServeSettings
from radd.channels import AUTO, ChannelChoice
from radd.errors import RaddError
from radd.hot_swap import HotSwapDetector

LONGEST_NAME = 1000
REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem} for code in (400, 401, 408, 413, 422, 429, 503)
}
Channel = Annotated[str, Query(description="auto, mix, split, left, right or a number from 1 on")]
Track = Annotated[int | None, Query(description="track with sound, from 1 on", ge=1, le=1000)]


def routes(
    desk: JobQueue, champion: HotSwapDetector, meters: Metrics, settings: ServeSettings
) -> APIRouter:
    """The routes that score recordings."""
    router = APIRouter(prefix="/v1", tags=["recordings"], responses=REFUSALS)
    most_bytes = settings.max_upload_mb * 1_000_000

    async def judge(
        request: Request, file: UploadFile, use_channel: str = AUTO, track: int | None = None
    ) -> Prediction:
        if (file.size or 0) > most_bytes:
            raise Refused(
                413,
                f"the file has {file.size} bytes, but at most {settings.max_upload_mb} MB are "
                "accepted",
            )
        choice = ChannelChoice(use_channel, track)
        prediction = await desk.judge(file, client_of(request.scope), choice)
        meters.judged(prediction)
        return prediction

    @router.post("/predict")
    async def predict(
        request: Request,
        file: Annotated[
            UploadFile, File(description="WAV, FLAC, MP3, OGG, Opus, M4A or a video with sound")
        ],
        use_channel: Channel = AUTO,
        track: Track = None,
    ) -> Prediction:
        """Score one recording. Of several channels or tracks, the most synthetic one with speech
        counts.
        """
        return await judge(request, file, use_channel, track)

    @router.post(
        "/report", response_class=Response, responses={200: {"content": {"application/pdf": {}}}}
    )
    async def make_report(
        request: Request,
        file: Annotated[UploadFile, File(description="as for /v1/predict")],
        use_channel: Channel = AUTO,
        track: Track = None,
    ) -> Response:
        """Score one recording and return a PDF report: the findings second by second, and their
        limits.
        """
        from console.report import report  # uses 40 MB of memory, from the first report on

        before = champion.now
        prediction = await judge(request, file, use_channel, track)
        model = before if before.name == prediction.model else champion.now
        name = (file.filename or "without a name")[:LONGEST_NAME]
        pdf = await run_in_threadpool(report, name, prediction, model.bundle.manifest["metrics"])
        named = {"Content-Disposition": f'attachment; filename="radd-{prediction.sha256[:12]}.pdf"'}
        return Response(pdf, media_type="application/pdf", headers=named)

    @router.post("/predict/batch")
    async def predict_batch(
        request: Request,
        files: Annotated[list[UploadFile], File(description="many recordings")],
    ) -> BatchAnswer:
        """Score many recordings; results in their order; a bad file fails alone."""
        if len(files) > settings.max_batch:
            raise Refused(
                413,
                f"{len(files)} files, but at most {settings.max_batch} are accepted at once; send "
                "fewer",
            )
        places = asyncio.Semaphore(settings.workers)

        async def item(file: UploadFile) -> BatchItem:
            name = (file.filename or "")[:LONGEST_NAME]
            try:
                async with places:
                    return BatchItem(file=name, prediction=await judge(request, file), problem=None)
            except (RaddError, Refused) as error:
                told = error if isinstance(error, Refused) else refusal(error)
                problem = Problem(
                    type="about:blank",
                    title="not judged",
                    status=told.status_code,
                    detail=told.detail,
                )
                return BatchItem(file=name, prediction=None, problem=problem)

        return BatchAnswer(results=await asyncio.gather(*(item(file) for file in files)))

    return router
