"""What gateways and detectors need of a broker. fleet/rabbitmq.py implements it for RabbitMQ.

Queues are numbered partitions. A queue is durable, bounded, and has one consumer at a time: while
one detector has it, others wait in line, and the broker makes the next one active when that one
leaves or dies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Delivered(NamedTuple):
    """A message that this process has until it is acknowledged."""

    partition: int
    epoch: int
    """how often this process has subscribed to the partition"""
    tag: int
    again: bool
    """whether it was delivered before, to this process or another"""
    body: bytes


class Revoked(NamedTuple):
    """The broker has taken back the messages of a partition; another process may have it now."""

    partition: int


@dataclass(frozen=True, slots=True)
class Load:
    """What a detector announces to all gateways."""

    detector: str
    calls: int
    lag_s: float
    busy: float
    partitions: tuple[int, ...]
    """those of its calls"""


class Publisher(Protocol):
    """A gateway's side. A context manager; entering raises BrokerUnreachable without a broker."""

    @property
    def problem(self) -> str | None:
        """Why nothing can be published now; None if it can."""
        ...

    def __enter__(self) -> Publisher: ...
    def __exit__(self, *exc) -> None: ...
    def publish(self, partition: int, message: bytes, settled: Callable[[bool], None]) -> None:
        """Send a message, after those before it; again if the connection was lost meanwhile.

        `settled` is called in another thread: with True once the broker keeps the message, with
        False if its queue is full and the message is lost.
        """
        ...

    def consumers(self, partition: int) -> int:
        """How many detectors consume the partition now. Raises BrokerUnreachable."""
        ...

    def loads(self) -> Sequence[Load]:
        """What the detectors have announced within the last seconds."""
        ...


class Consumer(Protocol):
    """A detector's side. A context manager; entering raises BrokerUnreachable if no broker answers.

    A message that is not acknowledged is delivered again, to whichever process has the partition.
    """

    @property
    def problem(self) -> str | None:
        """Why nothing arrives now; None if all is well."""
        ...

    def __enter__(self) -> Consumer: ...
    def __exit__(self, *exc) -> None: ...
    def take(self, timeout_s: float) -> list[Delivered | Revoked]:
        """What has arrived, in order; waits for the first."""
        ...

    def acknowledge(self, delivered: Delivered) -> None:
        """The message is not needed any more."""
        ...

    def reject(self, delivered: Delivered) -> None:
        """The message can never be processed: to the queue of dead letters."""
        ...

    def give_up(self, partition: int) -> None:
        """Return the partition's messages and go to the end of its line."""
        ...

    def announce(self, load: Load) -> None:
        """Tell the gateways."""
        ...

    def count(self) -> None:
        """Ask how many detectors there are; the answer comes to `members`."""
        ...

    @property
    def members(self) -> tuple[int, int]:
        """How many detectors there are, and how many answers to `count` have come."""
        ...
