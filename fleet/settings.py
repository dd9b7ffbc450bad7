"""The section [fleet] of config.toml, and the names in the broker that follow from it."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

from radd.errors import ConfigError
from radd.ranges import check, check_choice

SAMPLE_FORMATS = ("s16le", "mulaw")


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """Section [fleet] of config.toml; prefix and partitions are the same in the whole fleet."""

    url: str
    name: str
    prefix: str
    partitions: int
    samples: str
    calls: int
    buffer_s: float
    queue_mb: int
    late_s: float
    save_s: float
    idle_s: float

    def __post_init__(self) -> None:
        check(
            self,
            partitions=(1, 1024),
            calls=(1, 100_000),
            buffer_s=(1.0, 3_600.0),
            queue_mb=(1, 100_000),
            late_s=(0.1, 3_600.0),
            save_s=(0.1, 60.0),
            idle_s=(1.0, 86_400.0),
        )
        check_choice(self, samples=SAMPLE_FORMATS)
        if not self.prefix:
            raise ConfigError("prefix is empty; expected a name such as radd")

    @property
    def process(self) -> str:
        """The name of this gateway or detector."""
        return self.name or f"{platform.node()}-{os.getpid()}"

    def address(self, given: str) -> str:
        """The broker's URL: `given` on the command line, or that of [fleet] url.

        Raises ConfigError if there is neither.
        """
        if given or self.url:
            return given or self.url
        raise ConfigError(
            "no broker was named; pass amqp://HOST, or set RADD_FLEET_URL if the address contains "
            "a password"
        )

    def queue(self, partition: int) -> str:
        """The queue of a partition; its name says how many there are, so that a detector with
        another number is noticed: its queues are others.
        """
        return f"{self.prefix}.calls.{partition}of{self.partitions}"
