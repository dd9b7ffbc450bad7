"""The console as a server: its socket, uvicorn, and memory that goes back to the system."""

from __future__ import annotations

import ctypes
import socket
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

from console.settings import ServeSettings
from radd.errors import ConfigError

LAST_REQUESTS_S = 5
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of glibc's malloc.h
MAPPED_BYTES, ARENAS = 1 << 20, 2


def serve(app: FastAPI, settings: ServeSettings) -> None:
    """Serve until a signal ends it; prints the address once it can be reached."""
    give_memory_back()
    opened = listening(settings.host, settings.port)
    scheme = "https" if settings.certificate else "http"
    print(f"RADD console: {scheme}://{address(opened)}/", flush=True)
    uvicorn.Server(
        uvicorn.Config(
            app,
            ssl_certfile=settings.certificate or None,
            ssl_keyfile=settings.key or None,
            ws_max_size=1 << 20,
            ws_max_queue=4,
            # an answer waits behind the sound of a stream that is late; streams.IDLE_S finds who
            # has gone
            ws_ping_timeout=None,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=LAST_REQUESTS_S,
            server_header=False,
            access_log=False,
            log_level="warning",
        )
    ).run([opened])


def give_memory_back() -> None:
    """Have glibc return to the system what a stream or a recording held; by itself it keeps blocks
    of their size for the next one, in an arena for each thread. Elsewhere nothing.
    """
    with suppress(AttributeError, OSError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(M_MMAP_THRESHOLD, MAPPED_BYTES)
        set_option(M_ARENA_MAX, ARENAS)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; raises ConfigError where that cannot be had."""
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host} port {port}: {error.strerror}; give another --port"
        ) from None


def address(opened: socket.socket) -> str:
    host, port = opened.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
