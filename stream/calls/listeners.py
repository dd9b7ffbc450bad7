"""The listeners of --listen."""

from __future__ import annotations

from collections.abc import Sequence

from radd.errors import ConfigError
from stream.calls.address import parse
from stream.calls.admission import Admission
from stream.calls.server import CallServer, Listener
from stream.calls.settings import CallSettings


def call_server(urls: Sequence[str], settings: CallSettings) -> CallServer:
    """The server for the addresses of --listen, not yet listening. Raises ConfigError for one that
    cannot be used.
    """
    admission = Admission(settings)
    return CallServer([_listener(url, admission) for url in urls], admission)


def _listener(url: str, admission: Admission) -> Listener:
    address = parse(url)
    if address.scheme == "audiosocket":
        from stream.calls.audiosocket import AudioSocketListener

        return AudioSocketListener(address, admission)
    if address.scheme == "twilio":
        from stream.calls.twilio import TwilioListener

        return TwilioListener(address, admission)
    if address.scheme == "ws":
        from stream.calls.ws import WsListener

        return WsListener(address, admission)
    raise ConfigError(f"--listen {url}: {address.scheme} is not supported")
