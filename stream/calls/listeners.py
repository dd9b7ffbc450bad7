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
    found = [listener for url in urls for listener in _listeners(url, admission)]
    return CallServer(found, admission)


def _listeners(url: str, admission: Admission) -> Sequence[Listener]:
    """One listener; of a range of ports one for each call."""
    if url.startswith("sdp:"):
        return [_described(url, admission)]
    address = parse(url)
    if address.scheme == "audiosocket":
        from stream.calls.audiosocket import AudioSocketListener

        return [AudioSocketListener(address, admission)]
    if address.scheme == "twilio":
        from stream.calls.twilio import TwilioListener

        return [TwilioListener(address, admission)]
    if address.scheme == "ws":
        from stream.calls.ws import WsListener

        return [WsListener(address, admission)]
    from stream.calls.rtp import PORTS, RtpListener, rtp_tracks

    calls = address.each(PORTS * len(rtp_tracks(address)))
    return [RtpListener(one, rtp_tracks(one), admission) for one in calls]


def _described(url: str, admission: Admission) -> Listener:
    """sdp:FILE?from=CIDR: the addresses are those of the file."""
    from stream.calls import sdp
    from stream.calls.rtp import RtpListener

    path, _, options = url.removeprefix("sdp:").partition("?")
    tracks = sdp.read(path)
    hosts = {track.host or "127.0.0.1" for track in tracks}
    if len(hosts) > 1:
        raise ConfigError(f"{path} names {len(hosts)} addresses; expected one, of this machine")
    host = hosts.pop()
    place = f"[{host}]" if ":" in host else host
    address = parse(f"rtp://{place}:{tracks[0].port}" + (f"?{options}" if options else ""))
    return RtpListener(address, tracks, admission)
