"""Access control and rate limits, and the security headers of every answer."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.body_limits import BodyLimits
from console.clients import client_of
from console.http_errors import Refused, problem
from console.keys import RANK, Identity, Keys
from console.origin import OriginCheck, route_path
from console.settings import ServeSettings

COOKIE = "radd_session"
OPEN_PATHS = {"/health", "/ready", "/v1/session", "/v1/openapi.json"}
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
ONLY_HTTPS = "max-age=31536000"


def require(scope: Scope, role: str) -> None:
    """Raise Refused if the client has a lesser role."""
    if RANK[scope["role"]] < RANK[role]:
        raise Refused(
            403, f"this needs the role {role}, but the token has the role {scope['role']}"
        )


class AuthMiddleware:
    """ASGI middleware in front of everything else; sets `role` and `reviewer` of an HTTP or
    WebSocket scope.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings, keys: Keys, bodies: BodyLimits):
        self._app, self._settings, self._keys, self._bodies = app, settings, keys, bodies
        self._origin = OriginCheck(settings)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._rate = RateLimitItemPerMinute(settings.requests_a_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send, scope)
        try:
            self._admit(scope)
            if scope["type"] != "http":
                await self._app(scope, receive, send)
                return
            body = self._bodies.open(scope, route_path(scope), receive)
        except Refused as refused:
            await problem(refused.status_code, refused.detail, refused.headers)(
                scope, receive, send
            )
            return
        try:
            await self._app(scope, body, send)
        finally:
            body.close()

    def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        self._origin.check(scope, headers)
        if not self._limiter.hit(self._rate, client_of(scope)):
            raise Refused(
                429,
                f"more than {self._settings.requests_a_minute} requests per minute; try again "
                "later",
                10,
            )
        identity, path = self._identity(headers), route_path(scope)
        is_open = path in OPEN_PATHS or not (path.startswith("/v1/") or path == "/metrics")
        if identity is None and not is_open:
            raise Refused(
                401,
                "a token is needed: open the console's page to enter it, or send the header "
                "Authorization: Bearer TOKEN",
            )
        scope["role"], scope["reviewer"] = identity or (None, None)

    def _identity(self, headers: Headers) -> Identity | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._keys.identity(token)
        return self._keys.of_session(session_of(headers))


def session_of(headers: Headers) -> str:
    """The console's session cookie; empty if there is none."""
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""


def _with_headers(send: Send, scope: Scope) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if scope["scheme"] == "https":
                headers.setdefault("Strict-Transport-Security", ONLY_HTTPS)
        await send(message)

    return sending
