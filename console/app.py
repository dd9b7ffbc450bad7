"""The console as an ASGI application: the page, the HTTP API and what they share."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool

from console import live, problems, recordings, reviewing, streams
from console.decoding import Decoders, Limits
from console.desk import Desk
from console.guard import COOKIE, Guard, Keys, session
from console.judging import Judge
from console.meters import CONTENT_TYPE, Measured, Meters
from console.problems import Refused
from console.settings import ServeSettings
from console.shapes import Health, Model, Ready, Session, Token
from radd.bundle import CARD, REFERENCES
from radd.detector import RaddDetector
from radd.encoder import Encoder
from radd.errors import StorageError
from storage.journal import StorageSettings
from storage.overlay import OverlayStore
from storage.reading import Reader
from storage.review import Reviews, ReviewSettings
from stream.alerts import AlertSettings
from stream.decision import Decider, DecisionSettings
from stream.living_index import LivingIndex
from stream.monitor import Monitor

WEB = Path(__file__).parents[1] / "web"
LOOK_S = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the console is made of."""

    detector: RaddDetector
    encoder: Encoder
    """the detector's, for clips that enter the index"""
    bundle: Path
    manifest: dict[str, Any]
    decision: DecisionSettings
    alerts: AlertSettings
    storage: StorageSettings
    review: ReviewSettings
    serve: ServeSettings
    overlay_s: float
    """seconds between two looks for references that people confirm; 0: never"""


def make_app(parts: Parts) -> FastAPI:
    """The application, on a database that has its tables; nothing runs and nothing is opened before it is started."""
    serve, detector = parts.serve, parts.detector

    def monitor() -> Monitor:
        return Monitor(detector, parts.decision, parts.alerts, str(uuid.uuid4()))

    judge = Judge(detector.name, monitor, Decider(parts.decision))
    decoders = Decoders(Limits(serve.decode_s, serve.decode_memory_mb, serve.max_duration_s))
    desk, meters, keys = Desk(judge, decoders, serve), Meters(), Keys(serve)
    reader, reviews = Reader(parts.storage.url), Reviews(parts.storage.url, parts.review.quorum)
    meters.watch(desk)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        with decoders:
            following = asyncio.create_task(_follow(detector, parts))
            yield
            following.cancel()
        desk.close()
        reader.close()
        reviews.database.close()

    app = FastAPI(title="RADD console", version="1", lifespan=running, openapi_url="/v1/openapi.json",
                  docs_url=None, redoc_url=None, description="Whether a voice is a person's or synthetic.")  # fmt: skip
    problems.install(app)
    app.add_middleware(Guard, settings=serve, keys=keys)
    app.add_middleware(Measured, meters=meters)
    app.include_router(recordings.routes(desk, meters, serve))
    app.include_router(streams.routes(desk, monitor, meters))
    app.include_router(live.routes(reader, judge, meters))
    app.include_router(reviewing.routes(reader, reviews, judge, parts.encoder, meters))
    _add_state(app, parts, reader, meters)
    _add_session(app, keys)
    app.mount("/", StaticFiles(directory=WEB, html=True))
    return app


async def _follow(detector: RaddDetector, parts: Parts) -> None:
    """Judge with what people confirm, as the daemons do."""
    if not parts.overlay_s:
        return
    index = LivingIndex(OverlayStore(parts.storage.url, detector.encoder_id), detector, parts.overlay_s)
    await run_in_threadpool(index.__enter__)
    try:
        while True:
            index.take()
            await asyncio.sleep(LOOK_S)
    finally:
        index.__exit__()


def _add_state(app: FastAPI, parts: Parts, reader: Reader, meters: Meters) -> None:
    manifest, card = parts.manifest, (parts.bundle / CARD).read_text(encoding="utf-8")
    references = len((parts.bundle / REFERENCES).read_text(encoding="utf-8").splitlines()) - 1

    @app.get("/health", tags=["state"])
    async def health() -> Health:
        """The process answers."""
        return Health(status="ok")

    @app.get("/ready", tags=["state"], responses={503: {"model": Ready}})
    def ready(response: Response) -> Ready:
        """Everything that the console needs is there."""
        database = _database(reader)
        if database != "ok":
            response.status_code = 503
        return Ready(ready=database == "ok", model=parts.detector.name, database=database)

    @app.get("/metrics", tags=["state"], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    def metrics() -> Response:
        """For Prometheus."""
        is_up = _database(reader) == "ok"
        meters.database.set(is_up)
        if is_up:
            for review, count in reader.reviews().items():
                meters.reviews.labels(review).set(count)
        return Response(meters.text(), media_type=CONTENT_TYPE)

    @app.get("/v1/model", tags=["state"])
    def model() -> Model:
        """The bundle that judges here, with its card and its measured numbers."""
        same = ("name", "version", "training", "metrics", "calibration", "encoder_id")
        return Model(**{name: manifest[name] for name in same}, card=card, references=references,
                     reviews=reader.reviews())


def _database(reader: Reader) -> str:
    try:
        reader.check()
    except StorageError as error:
        return str(error)
    return "ok"


def _add_session(app: FastAPI, keys: Keys) -> None:
    @app.get("/v1/session", tags=["session"])
    async def who(request: Request) -> Session:
        """What this browser may do."""
        return Session(role=request.scope["role"], token_needed=keys.needed)

    @app.post("/v1/session", tags=["session"])
    async def enter(request: Request, response: Response, given: Token) -> Session:
        """Enter with a token; a cookie of this console remembers it."""
        role = keys.role(given.token)
        if role is None:
            raise Refused(401, "this token opens nothing; it stands in [serve] of the console's configuration")
        response.set_cookie(COOKIE, session(given.token), httponly=True, samesite="strict",
                            secure=request.url.scheme == "https")  # fmt: skip
        return Session(role=role, token_needed=keys.needed)

    @app.delete("/v1/session", tags=["session"])
    async def leave(response: Response) -> Session:
        """Forget the token."""
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return Session(role=None if keys.needed else keys.role(""), token_needed=keys.needed)
