"""What a destination of notifications must be able to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from notify.messages import Message


class Destination(Protocol):
    """A destination of notifications. One thread at a time calls it."""

    kind: str
    """webhook, apprise or mqtt"""
    name: str
    """for logs, without passwords"""
    key: str
    """tells the destination from others, as a file name"""
    group_s: float
    """after a message, seconds in which further ones are gathered into one; 0: none is"""

    def wants(self, message: Message) -> bool:
        """Whether this destination is sent messages of this type."""
        ...

    def send(self, messages: Sequence[Message]) -> str:
        """Send one or more messages as one; returns what the receiver answered.

        Raises NotifyError if they did not arrive, MessageRefused if they never will.
        """
        ...

    def close(self) -> None:
        """Close connections."""
        ...
