"""[serve] of config.toml: where the console listens, who may enter and how much it takes."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from radd.errors import ConfigError
from radd.ranges import check

SHORTEST_TOKEN = 16


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Section [serve] of config.toml."""

    host: str
    port: int
    viewer_token: str
    reviewer_token: str
    admin_token: str
    certificate: str
    key: str
    workers: int
    queue: int
    streams: int
    max_upload_mb: int
    max_duration_s: int
    max_batch: int
    decode_s: int
    decode_memory_mb: int
    requests_a_minute: int
    retrain_work: str

    @property
    def tokens(self) -> dict[str, str]:
        """By role, those that are set."""
        tokens = {
            "viewer": self.viewer_token,
            "reviewer": self.reviewer_token,
            "admin": self.admin_token,
        }
        return {role: token for role, token in tokens.items() if token}

    def __post_init__(self) -> None:
        check(
            self,
            port=(0, 65_535),
            workers=(1, 256),
            queue=(0, 10_000),
            streams=(1, 10_000),
            max_upload_mb=(1, 4_096),
            max_duration_s=(1, 86_400),
            max_batch=(1, 1_000),
            decode_s=(1, 3_600),
            decode_memory_mb=(64, 65_536),
            requests_a_minute=(1, 1_000_000),
        )
        for role, token in self.tokens.items():
            if len(token) < SHORTEST_TOKEN:
                raise ConfigError(
                    f"{role}_token is too short to be safe: expected {SHORTEST_TOKEN} characters "
                    "or more, say those that `openssl rand -hex 16` prints"
                )
        if len(set(self.tokens.values())) < len(self.tokens):
            raise ConfigError(
                f"the tokens of {', '.join(self.tokens)} are not all different: expected one for "
                "each role"
            )
        if bool(self.certificate) != bool(self.key):
            raise ConfigError("certificate and key belong together: expected both or neither")
        if not self.is_local and not self.tokens:
            raise ConfigError(
                f"host = {self.host!r} can be reached from other machines, so a token is needed: "
                "set RADD_SERVE_ADMIN_TOKEN, RADD_SERVE_REVIEWER_TOKEN or "
                "RADD_SERVE_VIEWER_TOKEN to the output of `openssl rand -hex 16`"
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
