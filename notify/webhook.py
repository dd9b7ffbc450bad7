"""Posts messages to an address, signed as the Standard Webhooks specification says.

https://www.standardwebhooks.com: the headers webhook-id, webhook-timestamp and webhook-signature,
HMAC-SHA256 over "ID.TIMESTAMP.BODY".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import logging
import time
import urllib.request
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

from notify.messages import Message
from notify.settings import is_loopback
from radd.errors import MessageRefused, NotifyError

log = logging.getLogger(__name__)

SECRET_PREFIX = "whsec_"  # of secrets in base64, in the specification's spelling
NEVER = {400, 413, 422}  # the receiver reads the message and rejects it; others may pass
LONGEST_RETRY_AFTER_S = 3_600.0


class Webhook:
    """One address, a Destination. User and password in it are sent as HTTP basic authentication.

    Redirects are not followed: a signed message goes where it was addressed.
    """

    kind, group_s = "webhook", 0.0

    def __init__(
        self, address: str, secret: str, timeout_s: float, clock: Callable[[], float] = time.time
    ):
        """`clock` returns seconds since 1970, for the signature."""
        self._key, self._timeout_s, self._clock = _key(secret), timeout_s, clock
        parts = urlsplit(address)
        at_host = parts._replace(netloc=parts.netloc.rpartition("@")[2])
        self._address, self._password = at_host.geturl(), parts.netloc.rpartition("@")[0]
        self.name = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
        self.key = f"webhook-{hashlib.sha256(address.encode()).hexdigest()[:12]}"
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if is_loopback(parts.hostname):
            handlers.append(urllib.request.ProxyHandler({}))
        elif parts.scheme == "http":
            log.warning("the webhook %s is not encrypted; give it an https address", self.name)
        self._opener = urllib.request.build_opener(*handlers)

    def wants(self, message: Message) -> bool:
        """All of them."""
        return True

    def send(self, messages: Sequence[Message]) -> str:
        """Post one message; returns the status line and the time that it took."""
        (message,) = messages
        body = json.dumps(message, allow_nan=False).encode()
        headers = self._signed(str(message["id"]), body)
        request = urllib.request.Request(self._address, body, headers)
        began = time.monotonic()
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                took_ms = 1_000 * (time.monotonic() - began)
                return f"{answer.status} {answer.reason} in {took_ms:.0f} ms"
        except HTTPError as error:
            with error:
                raise self._refused(error) from None
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", None) or error
            raise NotifyError(f"the webhook {self.name} does not answer: {cause}") from None

    def close(self) -> None:
        """Nothing stays open between messages."""

    def _signed(self, id: str, body: bytes) -> dict[str, str]:
        timestamp = str(int(self._clock()))
        content = f"{id}.{timestamp}.".encode() + body
        digest = hmac.new(self._key, content, hashlib.sha256).digest()
        basic = base64.b64encode(unquote(self._password).encode()).decode()
        return ({"authorization": f"Basic {basic}"} if self._password else {}) | {
            "content-type": "application/json",
            "user-agent": "RADD",
            "idempotency-key": id,
            "webhook-id": id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        }

    def _refused(self, error: HTTPError) -> NotifyError:
        said = f"the webhook {self.name} answered {error.code} {error.reason}, expected 2xx"
        if error.code in NEVER:
            return MessageRefused(said)
        return NotifyError(said, self._retry_after_s(error.headers.get("Retry-After", "")))

    def _retry_after_s(self, text: str) -> float:
        """Seconds that a Retry-After header asks for, as a number or a date; 0 if it does not."""
        try:
            wait = float(text) if text.isdigit() else self._until(text)
        except (ValueError, OverflowError):
            return 0.0
        return min(max(wait, 0.0), LONGEST_RETRY_AFTER_S)

    def _until(self, date: str) -> float:
        return parsedate_to_datetime(date).timestamp() - self._clock()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments) -> None:
        return None


def _key(secret: str) -> bytes:
    """The bytes of a secret: base64 after whsec_, else its characters."""
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        return secret.encode()
