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

    def __post_init__(self) -> None:
        check(
            self, port=(0, 65_535), workers=(1, 256), queue=(0, 10_000), streams=(1, 10_000), max_upload_mb=(1, 4_096),
            max_duration_s=(1, 86_400), max_batch=(1, 1_000), decode_s=(1, 3_600), decode_memory_mb=(64, 65_536),
            requests_a_minute=(1, 1_000_000),
        )  # fmt: skip
        for name in ("viewer_token", "reviewer_token"):
            if 0 < len(getattr(self, name)) < SHORTEST_TOKEN:
                raise ConfigError(f"{name} is too short to be safe: expected {SHORTEST_TOKEN} characters or more, say "
                                  "those that `openssl rand -hex 16` prints")
        if self.viewer_token and self.viewer_token == self.reviewer_token:
            raise ConfigError("viewer_token is the reviewer_token too: expected a token for each role")
        if bool(self.certificate) != bool(self.key):
            raise ConfigError("certificate and key belong together: expected both or neither")
        if not self.is_local and not (self.viewer_token or self.reviewer_token):
            raise ConfigError(
                f"host = {self.host!r} can be reached from other machines, so a token is needed: set "
                "RADD_SERVE_REVIEWER_TOKEN (and RADD_SERVE_VIEWER_TOKEN) to the output of `openssl rand -hex 16`"
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
