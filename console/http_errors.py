"""Errors as problem+json (RFC 9457), each with a sentence that says what to do."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from radd.errors import AudioError, ConfigError, RaddError, StorageUnreachable

MEDIA_TYPE = "application/problem+json"
RETRY_S = 5

log = logging.getLogger(__name__)


class Refused(HTTPException):
    """A rejected request; `detail` is the message for people."""

    def __init__(self, status: int, detail: str, retry_s: int | None = None):
        super().__init__(status, detail, {} if retry_s is None else {"Retry-After": str(retry_s)})


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A problem+json response."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def refusal(error: RaddError) -> Refused:
    """A RaddError as a response; server-side errors are logged too."""
    if isinstance(error, AudioError):
        return Refused(422, str(error))
    if isinstance(error, ConfigError):
        return Refused(400, str(error))
    log.error("%s", error)
    if isinstance(error, StorageUnreachable):
        return Refused(503, str(error), RETRY_S)
    return Refused(500, str(error))


def install(app: FastAPI) -> None:
    """Register the error handlers of `app` and describe them in its OpenAPI."""
    # FastAPI's documented way to extend the schema
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        detail = str(error.detail)
        if detail == HTTPStatus(error.status_code).phrase:
            detail = (
                f"{request.method} {request.url.path}: {detail.lower()}; /v1/openapi.json lists "
                "what there is"
            )
        return problem(error.status_code, detail, error.headers)

    @app.exception_handler(RaddError)
    async def failed(request: Request, error: RaddError) -> JSONResponse:
        told = refusal(error)
        return problem(told.status_code, told.detail, told.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        found = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
        )
        return problem(422, f"{found}; /v1/openapi.json says what is expected")

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        return problem(
            500, "this is a bug in RADD, not your mistake; the console's log has the details"
        )


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI with every error as a problem; those not listed may come from any route."""
    if app.openapi_schema is None:
        schema = FastAPI.openapi(app)
        told = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for operation in (one for path in schema["paths"].values() for one in path.values()):
            responses = operation["responses"]
            for code, response in responses.items():
                if int(code) >= HTTPStatus.BAD_REQUEST and "Ready" not in str(
                    response.get("content")
                ):
                    response["content"] = told
            responses["default"] = {
                "description": "What is wrong, in a sentence that helps",
                "content": told,
            }
        for name in ("HTTPValidationError", "ValidationError"):
            schema["components"]["schemas"].pop(name, None)
        app.openapi_schema = schema
    return app.openapi_schema
