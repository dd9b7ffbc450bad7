"""The tokens, who they say that somebody is, and the sessions that were begun with them."""

from __future__ import annotations

import hmac
import secrets
import time
from typing import NamedTuple

from console.settings import ServeSettings

VIEWER, REVIEWER, ADMIN = "viewer", "reviewer", "admin"
RANK = {VIEWER: 1, REVIEWER: 2, ADMIN: 3}
SESSION_S = 12 * 3600  # after which a browser is asked for its token again
MOST_SESSIONS = 1_000  # of all tokens; beyond it the oldest ends


class Identity(NamedTuple):
    """Who asks."""

    role: str | None
    """None: nobody is let in"""
    name: str | None
    """under which this one's labels are stored; None: without tokens everybody says a name"""


class Keys:
    """What tokens open; without any, everyone on this machine is an admin."""

    def __init__(self, settings: ServeSettings):
        """A token of a role that several people may share counts as one person of that name."""
        self._tokens = {token: Identity(role, role) for role, token in settings.tokens.items()}
        self._tokens |= {t: Identity(REVIEWER, name) for name, t in settings.named.items()}
        self._sessions: dict[str, tuple[Identity, float]] = {}

    @property
    def needed(self) -> bool:
        return bool(self._tokens)

    def identity(self, token: str) -> Identity | None:
        """Of a token; None for one that opens nothing."""
        if not self._tokens:
            return Identity(ADMIN, None)
        given, found = token.encode(errors="surrogatepass"), None
        for known, identity in self._tokens.items():
            if hmac.compare_digest(given, known.encode()):
                found = identity
        return found

    def begin(self, identity: Identity) -> str:
        """A session of this identity: the random text that its cookie holds."""
        now = time.monotonic()
        self._sessions = {id: one for id, one in self._sessions.items() if one[1] > now}
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        id = secrets.token_urlsafe(32)
        self._sessions[id] = identity, now + SESSION_S
        return id

    def of_session(self, id: str) -> Identity | None:
        """Whose session this is; None where it has ended or there never was one."""
        if not self._tokens:
            return Identity(ADMIN, None)
        identity, until = self._sessions.get(id, (None, 0.0))
        return identity if until > time.monotonic() else None

    def end(self, id: str) -> None:
        self._sessions.pop(id, None)
