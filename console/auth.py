"""Who may enter, from where and how often; and what every answer tells the browser to refuse."""

from __future__ import annotations

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.http_errors import Refused, problem
from console.settings import ServeSettings

COOKIE = "radd_session"
VIEWER, REVIEWER, ADMIN = "viewer", "reviewer", "admin"
RANK = {VIEWER: 1, REVIEWER: 2, ADMIN: 3}
OPEN_PATHS = {"/health", "/ready", "/v1/session", "/v1/openapi.json"}
READING = {"GET", "HEAD", "OPTIONS"}
LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}
FORM_BYTES = 100_000  # of boundaries and fields around the files
MEGABYTE = 1_000_000
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cache-Control": "no-store",
}


class Keys:
    """The tokens and the roles that they open; without any, everyone on this machine is an
    admin.
    """

    def __init__(self, settings: ServeSettings):
        self._tokens = settings.tokens

    @property
    def needed(self) -> bool:
        return bool(self._tokens)

    def role(self, token: str) -> str | None:
        """The role of a token or of a session cookie made from it; None for any other text."""
        if not self._tokens:
            return ADMIN
        for role, known in self._tokens.items():
            if any(
                hmac.compare_digest(token.encode(), text.encode())
                for text in (known, session(known))
            ):
                return role
        return None


def session(token: str) -> str:
    """What the cookie holds in place of the token, so that the token itself lies in no browser."""
    return hmac.new(token.encode(), b"RADD console session", hashlib.sha256).hexdigest()


def require(scope: Scope, role: str) -> None:
    """Raises Refused where whoever asks has a lesser role."""
    if RANK[scope["role"]] < RANK[role]:
        raise Refused(
            403, f"this takes the role {role}, the token given has the role {scope['role']}"
        )


class AuthMiddleware:
    """ASGI middleware in front of everything else."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, keys: Keys):
        self._app, self._settings, self._keys = app, settings, keys
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._rate = RateLimitItemPerMinute(settings.requests_a_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check_origin(scope, headers)
            self._check_rate(scope)
            scope["role"] = self._role(scope, headers)
            receive = self._limited(scope, headers, receive)
        except Refused as refused:
            answer = problem(refused.status_code, refused.detail, refused.headers)
            await answer(scope, receive, _with_headers(send))
            return
        await self._app(scope, receive, _with_headers(send))

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """Other sites' pages may neither post here nor open a stream, nor pass for this one under
        another name.
        """
        host = headers.get("host", "")
        if self._settings.is_local and urlsplit(f"//{host}").hostname not in LOCAL_NAMES:
            raise Refused(
                421,
                f"host {host[:80]!r}: this console answers to localhost alone; [serve] host "
                "changes it",
            )
        if scope["type"] == "http" and scope["method"] in READING:
            return
        origin = headers.get("origin")
        if (
            headers.get("sec-fetch-site") == "cross-site"
            or origin is not None
            and urlsplit(origin).netloc != host
        ):
            raise Refused(
                403,
                f"this request comes from the page {str(origin)[:80]}, expected this console's own",
            )

    def _check_rate(self, scope: Scope) -> None:
        client = scope["client"][0] if scope.get("client") else "unknown"
        if not self._limiter.hit(self._rate, client):
            raise Refused(
                429,
                f"more than {self._settings.requests_a_minute} requests a minute; try again later",
                10,
            )

    def _role(self, scope: Scope, headers: Headers) -> str | None:
        path = scope["path"]
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            token = _cookie(headers)
        role = self._keys.role(token)
        if (
            role is None
            and path not in OPEN_PATHS
            and (path.startswith("/v1/") or path == "/metrics")
        ):
            raise Refused(
                401,
                "a token is needed: open the console's page to enter it, or send the header "
                "Authorization: Bearer TOKEN",
            )
        return role

    def _limited(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        """`receive` that stops a body which is larger than the settings allow; one of many files
        may hold them all.
        """
        if scope["type"] != "http":
            return receive
        files = self._settings.max_batch if scope["path"] == "/v1/predict/batch" else 1
        most = files * self._settings.max_upload_mb * MEGABYTE + FORM_BYTES
        refused = Refused(
            413,
            f"more than {most // MEGABYTE} MB came; send less, or raise max_upload_mb in [serve]",
        )
        said = headers.get("content-length", "0")
        if not said.isdecimal() or int(said) > most:
            raise refused
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > most:
                raise refused
            return message

        return counted


def _cookie(headers: Headers) -> str:
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
