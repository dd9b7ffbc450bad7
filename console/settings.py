"""[serve] of config.toml: where the console listens, who may use it, and its limits."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from radd.errors import ConfigError
from radd.ranges import check
from storage.people import is_imported, person

SHORTEST_TOKEN = 16  # shorter tokens can be guessed over the network
TOKEN_VARIABLES = (
    "RADD_SERVE_ADMIN_TOKEN, RADD_SERVE_REVIEWER_TOKEN or RADD_SERVE_VIEWER_TOKEN to the output of "
    "`openssl rand -hex 16`"
)
FILE = "@"  # prefix of the path of a file with the value


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Section [serve] of config.toml."""

    host: str
    port: int
    viewer_token: str
    reviewer_token: str
    admin_token: str
    reviewers: str
    allowed_hosts: str
    root_path: str
    trusted_proxies: str
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
    connections: int
    connections_of_client: int
    head_s: float
    body_s: float
    idle_s: float
    uploads_mb: int
    sound_h: float
    retrain_work: str

    @property
    def tokens(self) -> dict[str, str]:
        """The tokens that are set, by role."""
        tokens = {
            "viewer": self.viewer_token,
            "reviewer": self.reviewer_token,
            "admin": self.admin_token,
        }
        return {role: token for role, token in tokens.items() if token}

    @property
    def named(self) -> dict[str, str]:
        """Tokens of reviewers by their names.

        Raises ConfigError for an unreadable file and for an entry that is not NAME=TOKEN.
        """
        found: dict[str, str] = {}
        for entry in self._entries():
            name, equals, token = (part.strip() for part in entry.partition("="))
            if not (name and equals and token):
                raise ConfigError(
                    f"reviewers holds an entry of {len(entry)} characters that is not NAME=TOKEN; "
                    "separate entries by commas or lines"
                )
            if person(name) in {person(known) for known in (*found, *self.tokens)}:
                raise ConfigError(
                    f"reviewers: {name} is named twice, or like a role, or looks like another "
                    "name: expected one token for each person"
                )
            if not person(name) or is_imported(name):
                raise ConfigError(f"reviewers: {name!r} is no name of a person")
            found[name] = token
        return found

    def _entries(self) -> list[str]:
        text = self.reviewers
        if text.startswith(FILE):
            try:
                text = Path(text.removeprefix(FILE)).read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"reviewers = {self.reviewers}: {error}") from None
        return [one for line in text.splitlines() for one in line.split(",") if one.strip()]

    @property
    def hosts(self) -> list[str]:
        """Host names, with optional port, under which browsers may call the console."""
        return _parts(self.allowed_hosts.lower())

    @property
    def proxies(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        """Networks of trusted proxies, whose forwarded client addresses are believed.

        Raises ConfigError for an entry that is neither an address nor a network.
        """
        try:
            return [ipaddress.ip_network(one) for one in _parts(self.trusted_proxies)]
        except ValueError as error:
            raise ConfigError(
                f"trusted_proxies: {error}; expected addresses or networks such as 127.0.0.1 or "
                "10.0.0.0/8, separated by commas"
            ) from None

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
            connections=(16, 100_000),
            connections_of_client=(4, 100_000),
            head_s=(0.1, 600.0),
            body_s=(0.1, 3_600.0),
            idle_s=(0.1, 3_600.0),
            uploads_mb=(1, 1_000_000),
            sound_h=(0.001, 100_000.0),
        )
        if not self.reviewers.startswith(FILE):
            self.check_tokens()
        if self.root_path and not (self.root_path.startswith("/") and self.root_path[-1] != "/"):
            raise ConfigError(
                f"root_path = {self.root_path!r}: expected a path such as /radd, with a leading "
                "slash "
                "and no trailing one"
            )
        if bool(self.certificate) != bool(self.key):
            raise ConfigError("certificate and key belong together: expected both or neither")
        self._check_reach()

    def _check_reach(self) -> None:
        """Raises ConfigError where other machines reach the console without a token."""
        if any((self.hosts, self.proxies, self.root_path)) and not self.has_tokens:
            raise ConfigError(
                "allowed_hosts, root_path and trusted_proxies mean that other machines reach this "
                "console "
                f"through a proxy, so a token is needed: set {TOKEN_VARIABLES}"
            )
        if not self.is_local and not self.has_tokens:
            raise ConfigError(
                f"host = {self.host!r} can be reached from other machines, so a token is needed: "
                f"set {TOKEN_VARIABLES}"
            )

    @property
    def has_tokens(self) -> bool:
        return bool(self.tokens or self.reviewers)

    def check_tokens(self) -> None:
        """Raises ConfigError for tokens that are short or given twice; reads the file of reviewers,
        which only the console has to be able to.
        """
        said = {f"{role}_token": token for role, token in self.tokens.items()} | {
            f"the token of {name} in reviewers": token for name, token in self.named.items()
        }
        for whose, token in said.items():
            if len(token) < SHORTEST_TOKEN:
                raise ConfigError(
                    f"{whose} is too short to be safe: expected {SHORTEST_TOKEN} characters "
                    "or more, say those that `openssl rand -hex 16` prints"
                )
        if len(set(said.values())) < len(said):
            raise ConfigError(
                f"the tokens of {', '.join(said)} are not all different: expected one for each"
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def _parts(text: str) -> list[str]:
    """The comma-separated parts."""
    return [part.strip() for part in text.split(",") if part.strip()]
