"""Tokens, the identities behind them, and their sessions."""

from __future__ import annotations

import hmac
import secrets
import time
from typing import NamedTuple

from console.settings import ServeSettings

VIEWER, REVIEWER, ADMIN = "viewer", "reviewer", "admin"
RANK = {VIEWER: 1, REVIEWER: 2, ADMIN: 3}
SESSION_S = 12 * 3600  # after which a browser must enter its token again
MOST_SESSIONS = 1_000  # of all tokens; above this the oldest ends


class Identity(NamedTuple):
    """The identity of a client."""

    role: str | None
    """None: no access"""
    name: str | None
    """name stored with this client's labels; None: without tokens anybody may enter any name"""


class Keys:
    """Maps tokens to identities; without tokens everyone on this machine is an admin."""

    def __init__(self, settings: ServeSettings):
        """A role token shared by several people counts as one person with that name.

        Raises ConfigError for tokens that are not safe.
        """
        settings.check_tokens()
        self._tokens = {token: Identity(role, role) for role, token in settings.tokens.items()}
        self._tokens |= {t: Identity(REVIEWER, name) for name, t in settings.named.items()}
        self._sessions: dict[str, tuple[Identity, float]] = {}

    @property
    def needed(self) -> bool:
        """Whether any token is configured."""
        return bool(self._tokens)

    def identity(self, token: str) -> Identity | None:
        """The identity of a token; None if it is not valid."""
        if not self._tokens:
            return Identity(ADMIN, None)
        given, found = token.encode(errors="surrogatepass"), None
        for known, identity in self._tokens.items():
            if hmac.compare_digest(given, known.encode()):
                found = identity
        return found

    def begin(self, identity: Identity) -> str:
        """Begin a session of this identity and return its random cookie value."""
        now = time.monotonic()
        self._sessions = {id: one for id, one in self._sessions.items() if one[1] > now}
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        id = secrets.token_urlsafe(32)
        self._sessions[id] = identity, now + SESSION_S
        return id

    def of_session(self, id: str) -> Identity | None:
        """The identity of a session; None if it has ended or never existed."""
        if not self._tokens:
            return Identity(ADMIN, None)
        identity, until = self._sessions.get(id, (None, 0.0))
        return identity if until > time.monotonic() else None

    def end(self, id: str) -> None:
        """End a session."""
        self._sessions.pop(id, None)
