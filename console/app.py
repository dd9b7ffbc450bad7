"""The console as an ASGI application: the page, the HTTP API and their shared state."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool

from console import (
    enrolling,
    http_errors,
    live,
    model_routes,
    recordings,
    reviewers,
    reviewing,
    stream_commands,
    streams,
    uploads,
)
from console.auth import COOKIE, AuthMiddleware, session_of
from console.body_limits import BodyLimits
from console.decoding import Decoders, Limits
from console.http_errors import Refused
from console.job_queue import JobQueue
from console.keys import Identity, Keys
from console.metrics import CONTENT_TYPE, Metrics, MetricsMiddleware
from console.prediction import Predictor
from console.report_text import limits
from console.schemas import Health, Model, Ready, Session, Token
from console.settings import ServeSettings
from console.try_page import BUILT, add_try_page
from radd.bundle import REFERENCES, BundledDetector
from radd.errors import StorageError
from radd.hot_swap import HotSwapDetector
from radd.types import Detector
from storage.journal import StorageSettings
from storage.queries import Reader
from storage.review import Reviews, ReviewSettings
from stream.alerts import AlertSettings
from stream.decision import Decider, DecisionSettings
from stream.hot_reload import HotReload, Overlays
from stream.monitor import Monitor
from training.config import RetrainSettings

WEB = Path(__file__).with_name("web")
LOOK_S = 1.0  # between two looks at the overlay and the bundle in use

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """The components of the console."""

    detector: BundledDetector
    """of the bundle in use at the start"""
    newest: Callable[[], BundledDetector | None]
    """the detector of another bundle once that is in use; None if nothing changed"""
    overlays: Callable[[BundledDetector], Overlays]
    """the confirmed references of a detector"""
    configured: Path | None
    """the bundle beside which others may be promoted; None if that is not allowed"""
    retrain_command: Sequence[str]
    enrol_command: Sequence[str]
    """train.py enrol, without the folders of the recordings"""
    learning: model_routes.LearningActions
    decision: DecisionSettings
    alerts: AlertSettings
    storage: StorageSettings
    review: ReviewSettings
    serve: ServeSettings
    retrain: RetrainSettings
    overlay_s: float
    """seconds between checks for confirmed references and for another bundle; 0: never"""


def make_app(parts: Parts) -> FastAPI:
    """The application, on a database that has its tables; nothing is started or opened before
    startup.
    """
    serve, champion = parts.serve, HotSwapDetector(parts.detector)

    def monitor(detector: Detector) -> Monitor:
        return Monitor(detector, parts.decision, parts.alerts, str(uuid.uuid4()))

    judge = Predictor(champion, monitor, Decider(parts.decision))
    decoders = Decoders(Limits(serve.decode_s, serve.decode_memory_mb, serve.max_duration_s))
    desk, meters, keys = JobQueue(judge, decoders, serve), Metrics(), Keys(serve)
    quorum = parts.review.among(len(serve.named))
    reader, reviews = Reader(parts.storage.url), Reviews(parts.storage.url, quorum)
    learning = model_routes.ModelControl(
        parts.storage.url,
        parts.configured,
        parts.retrain,
        parts.retrain_command,
        parts.learning,
        parts.overlay_s,
    )
    meters.watch(desk)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        with decoders:
            following = asyncio.create_task(_follow(champion, parts))
            yield
            following.cancel()
            await asyncio.wait([following])
        desk.close()
        reader.close()
        reviews.database.close()
        learning.close()

    app = FastAPI(
        title="RADD console",
        version="1",
        lifespan=running,
        openapi_url=None,  # _add_state serves it, made once
        docs_url=None,
        redoc_url=None,
        description="Whether a voice is a person's or synthetic.",
    )
    http_errors.install(app)
    app.add_middleware(AuthMiddleware, settings=serve, keys=keys, bodies=BodyLimits(serve))
    app.add_middleware(MetricsMiddleware, meters=meters)
    app.include_router(recordings.routes(desk, champion, meters, serve))
    app.include_router(
        streams.routes(
            desk,
            lambda meter: streams.StreamSession(champion, monitor, meter),
            meters,
            serve.idle_s,
        )
    )
    app.include_router(live.routes(reader, judge, meters))
    app.include_router(stream_commands.routes(reviews.database))
    app.include_router(
        reviewing.routes(reader, reviews, parts.learning.index_confirmed, judge, champion, meters)
    )
    app.include_router(
        uploads.routes(
            desk,
            judge,
            champion,
            reviews,
            parts.learning.index_confirmed,
            parts.storage.clip_quota_mb,
        )
    )
    app.include_router(reviewers.routes(reviews, parts.learning.index_confirmed, champion))
    app.include_router(model_routes.routes(learning, champion, reader))
    enroller = enrolling.Enroller(parts.enrol_command)
    app.include_router(enrolling.routes(enroller, parts.storage.url))
    _add_state(app, champion, reader, meters)
    _add_session(app, keys)
    add_try_page(app, BUILT)
    app.mount("/", StaticFiles(directory=WEB, html=True))
    return app


async def _follow(champion: HotSwapDetector, parts: Parts) -> None:
    """Score with confirmed references and with the bundle in use, like the daemons."""
    if not parts.overlay_s:
        return
    index = HotReload(champion, parts.overlays, parts.overlay_s, parts.newest)
    entering = asyncio.create_task(run_in_threadpool(index.__enter__))
    try:
        await asyncio.shield(entering)
        while True:
            if name := index.take_model():
                log.warning("%s is in use from now on", name)
            index.take()
            await asyncio.sleep(LOOK_S)
    finally:
        await entering  # a console that stops during startup leaves no thread behind
        index.__exit__()


def _add_state(app: FastAPI, champion: HotSwapDetector, reader: Reader, meters: Metrics) -> None:
    @app.get("/v1/openapi.json", include_in_schema=False)
    def openapi() -> Response:
        """What this API takes and answers."""
        return Response(described(app), media_type="application/json")

    @app.head("/health", include_in_schema=False)
    @app.get("/health", tags=["state"])
    async def health() -> Health:
        """Report that the process responds."""
        return Health(status="ok")

    @app.head("/ready", include_in_schema=False)
    @app.get("/ready", tags=["state"], responses={503: {"model": Ready}})
    def ready(request: Request, response: Response) -> Ready:
        """Report whether everything the console needs is available; details only with a token."""
        database = _database(reader)
        if database != "ok":
            response.status_code = 503
        is_known = request.scope["role"] is not None
        return Ready(
            ready=database == "ok",
            model=champion.name if is_known else None,
            database=database if is_known else None,
        )

    @app.get(
        "/metrics",
        tags=["state"],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}},
    )
    def metrics() -> Response:
        """Counters for Prometheus."""
        is_up = _database(reader) == "ok"
        meters.database.set(is_up)
        if is_up:
            for review, count in reader.reviews().items():
                meters.reviews.labels(review).set(count)
            meters.watch_fleet(reader.detectors())
        return Response(meters.text(), media_type=CONTENT_TYPE)

    @app.get("/v1/model", tags=["state"])
    def model() -> Model:
        """The bundle used by this console, with its card and measured numbers."""
        now, same = champion.now, ("name", "version", "training", "metrics", "calibration")
        return Model(
            **{name: now.bundle.manifest[name] for name in same},
            encoder_id=now.encoder_id,
            card=now.bundle.card,
            limits=limits(now.bundle.card),
            references=_references(now),
            reviews=reader.reviews(),
        )


def _references(detector: BundledDetector) -> int:
    """The number of references that the bundle came with."""
    if detector.encoder is None:
        return 0
    rows = (detector.bundle.directory / REFERENCES).read_text(encoding="utf-8").splitlines()
    return len(rows) - 1


@cache
def described(app: FastAPI) -> bytes:
    """The OpenAPI of the application as JSON: a hundred times the work of a short answer."""
    return json.dumps(app.openapi()).encode()


def _database(reader: Reader) -> str:
    try:
        reader.check()
    except StorageError as error:
        return str(error)
    return "ok"


def _add_session(app: FastAPI, keys: Keys) -> None:
    @app.get("/v1/session", tags=["session"])
    async def who(request: Request) -> Session:
        """The permissions of this browser."""
        return _session(keys, Identity(request.scope["role"], request.scope["reviewer"]))

    @app.post("/v1/session", tags=["session"])
    async def enter(request: Request, response: Response, given: Token) -> Session:
        """Log in with a token; a cookie of this console stores the session."""
        identity = keys.identity(given.token)
        if identity is None:
            raise Refused(
                401,
                "this token is not valid; tokens are set in [serve] of the console's configuration",
            )
        response.set_cookie(
            COOKIE,
            keys.begin(identity),
            path=_cookie_path(request),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return _session(keys, identity)

    @app.delete("/v1/session", tags=["session"])
    async def leave(request: Request, response: Response) -> Session:
        """End this browser's session: its cookie is invalid from now on, wherever it was copied."""
        keys.end(session_of(request.headers))
        response.delete_cookie(COOKIE, path=_cookie_path(request), httponly=True, samesite="strict")
        return _session(keys, keys.of_session("") or Identity(None, None))


def _session(keys: Keys, identity: Identity) -> Session:
    return Session(role=identity.role, token_needed=keys.needed, reviewer=identity.name)


def _cookie_path(request: Request) -> str:
    return request.scope.get("root_path", "") or "/"
