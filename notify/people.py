"""Mail, chat and push services, through Apprise; the only module that imports it."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from notify.messages import Message
from radd.errors import ConfigError, NotifyError

TOLD = {"alert.open", "alert.interrupted", "test"}  # people need no second message per alert
MOST_LINES = 20  # alerts that one message names; the others are only counted


class People:
    """One Apprise address, a Destination. Alerts that follow a message within `group_s` become one
    message.
    """

    kind = "apprise"

    def __init__(self, address: str, group_s: float):
        """Raises ConfigError if Apprise is not installed or does not know the address."""
        self.group_s = group_s
        self.key = f"apprise-{hashlib.sha256(address.encode()).hexdigest()[:12]}"
        apprise = _apprise()
        # as shipped it would add pictures from its own web site to messages
        asset = apprise.AppriseAsset(
            app_id="RADD", app_desc="RADD", app_url="", image_url_mask="", async_mode=False
        )
        self._service = apprise.Apprise.instantiate(address, asset=asset)
        if self._service is None:
            scheme = address.partition("://")[0]
            raise ConfigError(
                f"urls holds an address ({scheme}://...) that Apprise does not understand; "
                "https://appriseit.com lists the spelling of each service"
            )
        self.name = str(self._service.url(privacy=True)).partition("?")[0]

    def wants(self, message: Message) -> bool:
        """Alerts that open or were interrupted, and tests."""
        return message["type"] in TOLD

    def send(self, messages: Sequence[Message]) -> str:
        """Send one text about all messages."""
        title, body = as_text(messages)
        with _Said() as said:
            arrived = self._service.notify(body=body, title=title, body_format="text")
        if not arrived:
            problem = " ".join(said.lines) or "no reason given"
            raise NotifyError(f"{self.name} did not take a message: {problem}")
        return "sent"

    def close(self) -> None:
        """Nothing stays open between messages."""


class _Said(logging.Handler):
    """The warnings of Apprise in this thread: its functions return no reason."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.lines: list[str] = []

    def __enter__(self) -> _Said:
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *exc) -> None:
        logging.getLogger("apprise").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.lines.append(" ".join(record.getMessage().split()))


def as_text(messages: Sequence[Message]) -> tuple[str, str]:
    """Subject and text about one or more messages, for people."""
    if len(messages) == 1:
        return _subject(messages[0]), "\n".join(_lines(messages[0]))
    sources = {message.get("source") for message in messages}
    span_s = _span(messages)
    title = f"RADD: {len(messages)} alerts on {len(sources)} streams in {span_s / 60:.0f} min"
    named = [_line(message) for message in messages[:MOST_LINES]]
    more = len(messages) - len(named)
    return title, "\n".join(named + ([f"... and {more} more; see the console"] if more else []))


def _subject(message: Message) -> str:
    if message["type"] == "test":
        return "RADD: test message"
    return f"RADD: synthetic voice on {message['source'] or 'a stream of an interrupted run'}"


def _lines(message: Message) -> list[str]:
    if message["type"] == "test":
        return [message["text"]]
    known = message["evidence"]["neighbours"]
    lines = [
        f"{_line(message)}.",
        "An alert is a reason to look, not a proof.",
        f"Most similar known voice: {known[0]['system']} ({known[0]['label']})." if known else "",
        message["links"].get("review", ""),
    ]
    return [line for line in lines if line]


def _line(message: Message) -> str:
    where = [message["source"] or "interrupted run"]
    where += [f"call {message['call']}"] if message["call"] else []
    where += [str(message["track"])] if message["track"] else []
    return (
        f"{message['time'][:19]} UTC, {', '.join(where)}: synthetic voice with probability "
        f"{100 * (message['p_spoof'] or 0):.0f} %, for {message['since_began_s']:.1f} s so far"
    )


def _span(messages: Sequence[Message]) -> float:
    times = [datetime.fromisoformat(message["time"]) for message in messages]
    return (max(times) - min(times)).total_seconds()


def _apprise() -> Any:
    try:
        import apprise
    except ModuleNotFoundError:
        raise ConfigError(
            "[notify] urls needs Apprise, which is not installed: pip install -e '.[notify]'"
        ) from None
    its_own = logging.getLogger("apprise")
    its_own.propagate = False  # it logs whole addresses; our own errors have what went wrong
    if not its_own.handlers:
        its_own.addHandler(logging.NullHandler())
    return apprise
