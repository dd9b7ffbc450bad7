"""The console in the browser and the HTTP API, beside the daemons and without any part in their
listening.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from radd.resources import resource

EXIT_CODES = "exit codes: 0 ended, 1 a bug, 2 configuration, 4 model, 5 storage"
LAST_REQUESTS_S = 5
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of glibc's malloc.h
MAPPED_BYTES, ARENAS = 1 << 20, 2


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    os.environ.setdefault(
        "OPENBLAS_NUM_THREADS", "1"
    )  # read when numpy is imported: the desk's threads are parallel enough
    from app.exit import exit_code

    return exit_code(lambda: serve(arguments))


def serve(arguments: argparse.Namespace) -> None:
    from app.settings import load
    from radd.errors import ConfigError

    given = {
        f"RADD_SERVE_{name}".upper(): str(getattr(arguments, name))
        for name in ("host", "port")
        if getattr(arguments, name) is not None
    }
    settings = load(arguments.config, os.environ | given)
    try:
        import uvicorn

        from app.console import RetrainingActions, retrain_command
        from console.app import Parts, make_app
        from console.champion import Loaded
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is not installed; pip install -e '.[serve]'") from None
    from radd.bundle import load_detector
    from radd.hub import bundle_directory
    from radd.registry import in_use
    from stream.hot_reload import follow

    if arguments.bundle is not None:
        settings = replace(
            settings,
            model=replace(
                settings.model, bundle=str(bundle_directory(Path.cwd(), arguments.bundle))
            ),
        )
    configured = bundle_directory(resource(), settings.model.bundle)

    def load_bundle(bundle: Path) -> Loaded:
        return Loaded(bundle, load_detector(bundle, settings.model, settings.gate))

    def named() -> Path:
        return in_use(configured) if arguments.bundle is None else configured

    loaded = load_bundle(named())
    make_tables(settings.storage.url)
    give_memory_back()
    app = make_app(
        Parts(
            loaded=loaded,
            newest=follow(named, load_bundle, loaded.directory, loaded.kind),
            configured=configured if arguments.bundle is None else None,
            retrain_command=retrain_command(arguments.config, settings.serve.retrain_work),
            learning=RetrainingActions(),
            decision=settings.decision,
            alerts=settings.alerts,
            storage=settings.storage,
            review=settings.review,
            serve=settings.serve,
            retrain=settings.retrain,
            overlay_s=settings.model.overlay_s,
        )
    )
    door = listening(settings.serve.host, settings.serve.port)
    print(
        f"RADD console: {'https' if settings.serve.certificate else 'http'}://{address(door)}/",
        flush=True,
    )
    uvicorn.Server(
        uvicorn.Config(
            app,
            ssl_certfile=settings.serve.certificate or None,
            ssl_keyfile=settings.serve.key or None,
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
    ).run([door])


def give_memory_back() -> None:
    """Have glibc return to the system what a stream or a recording held; by itself it keeps blocks
    of their size for the next one, in an arena for each thread. Elsewhere nothing.
    """
    with suppress(AttributeError, OSError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(M_MMAP_THRESHOLD, MAPPED_BYTES)
        set_option(M_ARENA_MAX, ARENAS)


def make_tables(url: str) -> None:
    """Where there are none; a database that is away may come later."""
    from radd.errors import StorageUnreachable
    from storage.database import Database

    database = Database(url)
    with suppress(StorageUnreachable):
        database.prepare()
    database.close()


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; raises ConfigError where that cannot be had."""
    from radd.errors import ConfigError

    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host} port {port}: {error.strerror}; give another --port"
        ) from None


def address(door: socket.socket) -> str:
    host, port = door.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("serve.py", description=__doc__, epilog=EXIT_CODES)
    add = parser.add_argument
    add(
        "--host",
        help="where to listen; other than this machine's own address it takes a token, see [serve]",
    )
    add("--port", type=int, help="default 8420")
    add("--config", type=Path, metavar="FILE", help="settings that override config.toml")
    add(
        "--bundle", type=Path, metavar="DIR", help="the model bundle, instead of the configured one"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
