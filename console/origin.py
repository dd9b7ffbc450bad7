"""Host names of the console and pages that may call it."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from console.http_errors import Refused
from console.settings import ServeSettings

READING = {"GET", "HEAD", "OPTIONS"}
LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}


def route_path(scope: Scope) -> str:
    """The path of a request as the routes have it, without [serve] root_path."""
    return scope["path"].removeprefix(scope.get("root_path", "")) or "/"


class OriginCheck:
    """Rejects posts and streams from pages of other sites, and requests under foreign host names
    (DNS rebinding).
    """

    def __init__(self, settings: ServeSettings):
        self._sites = set(settings.hosts)
        names = {name for host in settings.hosts if (name := _name(host)) is not None}
        self._names = names | LOCAL_NAMES if settings.hosts or settings.is_local else None

    def check(self, scope: Scope, headers: Headers) -> None:
        """Raise Refused for a host name or page that is not allowed."""
        host = headers.get("host", "")
        if self._names is not None and _name(host) not in self._names:
            raise Refused(
                421,
                f"host {host[:80]!r}: this console answers to "
                f"{', '.join(sorted(self._names - LOCAL_NAMES)) or 'localhost'} alone; [serve] "
                "host and allowed_hosts change it",
            )
        if scope["type"] == "http" and scope["method"] in READING:
            return
        origin = headers.get("origin")
        is_other = origin is not None and not self._is_own(origin, host)
        if headers.get("sec-fetch-site") == "cross-site" or is_other:
            raise Refused(
                403,
                f"this request comes from the page {str(origin)[:80]}, expected this console's "
                "own; behind a proxy name its host in [serve] allowed_hosts",
            )

    def _is_own(self, origin: str, host: str) -> bool:
        site = origin.lower().partition("://")[2]
        return bool(site) and (site == host.lower() or site in self._sites)


def _name(host: str) -> str | None:
    """The name in a Host header; None if it is not a host."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
