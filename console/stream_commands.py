"""POST /v1/streams/ID/pause, resume, stop: commands to the daemon of a running stream."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request

from console.auth import require
from console.http_errors import Refused
from console.keys import REVIEWER
from console.schemas import CommandAnswer, Problem
from radd.errors import ConfigError
from storage.commands import NotRunning, give
from storage.database import Database

Id = Annotated[str, Path(pattern="^[0-9a-f-]{36}$", description="id of a stream")]
REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem} for code in (400, 401, 403, 404, 409, 422, 429, 503)
}


def routes(database: Database) -> APIRouter:
    """The routes of commands to streams."""
    router = APIRouter(prefix="/v1/streams", tags=["streams"], responses=REFUSALS)

    @router.post("/{id}/{action}", status_code=202)
    def command(
        request: Request, id: Id, action: Literal["pause", "resume", "stop"]
    ) -> CommandAnswer:
        """Pause a stream, for consent, hold music or a menu; resume it; or stop it for good. As a
        reviewer. Its daemon carries it out within [calls] commands_s; nothing said in a pause is
        judged or stored.
        """
        require(request.scope, REVIEWER)
        by = request.scope["reviewer"] or f"the role {request.scope['role']}"
        try:
            given = give(database, id, action, by)
        except NotRunning as error:
            raise Refused(409, str(error)) from None
        except ConfigError as error:
            raise Refused(404, str(error)) from None
        return CommandAnswer(id=given.id, stream=given.stream, action=action)

    return router
