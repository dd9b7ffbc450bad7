"""The console as a server: socket, uvicorn, and returning memory to the system."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

from console.connections import OTHER_FILES, Door, TimedProtocol, raise_open_files
from console.settings import ServeSettings
from radd.errors import ConfigError

LAST_REQUESTS_S = 5  # running requests may finish; open streams must not delay the shutdown
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # from glibc's malloc.h
MAPPED_BYTES, ARENAS = 1 << 20, 2
HEAD_BYTES = 32_768  # of a request's head
WEBSOCKET_BYTES = 1 << 20  # of a packet
BACKLOG = 512  # bursts of connections wait here instead of being reset


def serve(app: FastAPI, settings: ServeSettings) -> None:
    """Serve until a signal; prints the address once it is reachable."""
    give_memory_back()
    end_with_the_terminal()
    opened = listening(settings)
    protocol = type("Protocol", (TimedProtocol,), {"head_s": settings.head_s})
    scheme = "https" if settings.certificate else "http"
    print(f"RADD console: {scheme}://{address(opened)}/", flush=True)
    uvicorn.Server(
        uvicorn.Config(
            app,
            loop="asyncio",  # Door counts what asyncio accepts and closes
            http=protocol,
            ssl_certfile=settings.certificate or None,
            ssl_keyfile=settings.key or None,
            ws_max_size=WEBSOCKET_BYTES,
            ws_max_queue=4,
            # an answer waits behind the audio of a late stream; idle_s detects disconnected clients
            ws_ping_timeout=None,
            ws_per_message_deflate=False,
            h11_max_incomplete_event_size=HEAD_BYTES,
            root_path=settings.root_path,
            proxy_headers=bool(settings.proxies),
            forwarded_allow_ips=[str(network) for network in settings.proxies],
            backlog=BACKLOG,
            timeout_graceful_shutdown=LAST_REQUESTS_S,
            server_header=False,
            access_log=False,
            use_colors=False,
            log_level="warning",
        )
    ).run([opened])


def end_with_the_terminal() -> None:
    """Take SIGHUP for SIGTERM, so that requests are answered first; ignored under nohup."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))


def give_memory_back() -> None:
    """Make glibc return the memory of a stream or recording to the system. By default it keeps
    blocks of this size for reuse, in one arena per thread. Does nothing on other systems.
    """
    with suppress(AttributeError, OSError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(M_MMAP_THRESHOLD, MAPPED_BYTES)
        set_option(M_ARENA_MAX, ARENAS)


def listening(settings: ServeSettings) -> Door:
    """A listening socket. Raises ConfigError if the address is not available."""
    host, port = settings.host, settings.port
    files = raise_open_files(settings.connections + OTHER_FILES)
    door = Door(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((host, port))
        door.listen(BACKLOG)
    except OSError as error:
        door.close()
        raise ConfigError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another --port"
        ) from None
    return door.bound(settings, files)


def address(opened: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = opened.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
