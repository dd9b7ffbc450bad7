"""[calls] of config.toml."""

from __future__ import annotations

from dataclasses import dataclass

from radd.errors import ConfigError
from radd.ranges import check

LEAST_TOKEN = 16  # characters; a shorter one can be guessed


@dataclass(frozen=True, slots=True)
class CallSettings:
    """[calls] of config.toml."""

    streams: int
    stall_s: float
    reconnect_s: float
    idle_s: float
    queue_s: float
    commands_s: float
    keep: str
    token: str
    twilio_token: str
    twilio_url: str

    def __post_init__(self):
        check(
            self,
            streams=(1, 10_000),
            stall_s=(0.25, 2),
            reconnect_s=(0, 600),
            idle_s=(1, 3_600),
            queue_s=(0.5, 60),
            commands_s=(0.1, 60),
        )
        for name in ("token", "twilio_token"):
            if 0 < len(getattr(self, name)) < LEAST_TOKEN:
                raise ConfigError(
                    f"{name} has {len(getattr(self, name))} characters; expected at least "
                    f"{LEAST_TOKEN}"
                )

    @property
    def kept(self) -> frozenset[str]:
        """Names of the details that are stored, in lower case."""
        return frozenset(name.strip().lower() for name in self.keep.split(",") if name.strip())
