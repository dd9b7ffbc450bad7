"""detect.py --doctor: what of this machine is ready, one line each; opens no network connection."""

from __future__ import annotations

import argparse
import errno
import os
import platform
import re
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from app.guidance import Store
from app.installation import Installation, installation
from radd.bundle import read_manifest
from radd.errors import RaddError, reason
from radd.registry import version_of
from radd.resources import CHECKOUT, in_checkout
from storage.database import Database
from stream.capture.devices import find_device
from stream.capture.level import input_level_dbfs
from stream.capture.microphone import MicrophoneSource
from stream.capture.portaudio import list_devices

OK, NOTE, WRONG = "ok", "note", "mend"
QUIET_DBFS, CLIPPED_DBFS = -70.0, -3.0
LISTENED_S = 1.0
MEGABYTE = 1 << 20
LOCAL = {"", "localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    state: str
    """OK; NOTE: it may be as wanted; WRONG: the text says what to do"""
    text: str


def doctor(arguments: argparse.Namespace) -> int:
    """Print a line for each check; returns the exit code: 0, or 1 if something has to be mended."""
    try:
        here = installation(arguments.config, arguments.bundle)
    except RaddError as error:
        found = [("versions", versions()), ("configuration", Check(WRONG, str(error)))]
    else:
        found = [(name, _guarded(check, here)) for name, check in CHECKS.items()]
    for name, check in found:
        print(f"{check.state:5} {name:13} {check.text}")
    return int(any(check.state == WRONG for _, check in found))


def _guarded(check: Callable[[Installation], Check], here: Installation) -> Check:
    """A check whose failure is a finding, never a traceback."""
    try:
        return check(here)
    except (RaddError, OSError) as error:
        return Check(WRONG, str(error))


def versions(here: Installation | None = None) -> Check:
    """Python and the pinned packages."""
    try:
        own = metadata.version("radd")
    except metadata.PackageNotFoundError:
        own = "from a checkout"
    text = (
        f"RADD {own}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )
    wrong = unlike(_pins())
    if wrong:
        todo = "pip install -r requirements.txt" if in_checkout() else "install the wheel again"
        return Check(WRONG, f"{text}: {'; '.join(wrong)}: {todo}")
    return Check(OK, f"{text}, all packages as pinned")


def unlike(pins: Iterable[tuple[str, str]]) -> list[str]:
    """The packages, by name and version, that are missing or have another version, in words."""
    wrong = []
    for name, pinned in pins:
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            found = "missing"
        if found != pinned:
            wrong.append(f"{name} {found}, expected {pinned}")
    return wrong


def _pins() -> Iterator[tuple[str, str]]:
    if in_checkout():
        lines = (CHECKOUT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    else:
        lines = [line for line in metadata.requires("radd") or [] if "extra ==" not in line]
    for line in lines:
        if found := re.match(r"([\w.-]+)==([\w.]+)", line):
            yield found[1], found[2]


def bundle(here: Installation) -> Check:
    """The model bundle in use, with the hashes of all its files."""
    used = here.bundle()
    manifest = read_manifest(used)
    return Check(OK, f"{version_of(manifest)} in {used}, {len(manifest['files'])} hashes match")


def devices(here: Installation) -> Check:
    """The microphones."""
    found = list_devices(here.settings.capture.backend)
    if not found:
        return Check(NOTE, "no microphone: connect one, or judge files: detect.py FILE")
    default = find_device(found, None)
    return Check(OK, f"{len(found)} found, the default is {default.name}")


def level(here: Installation) -> Check:
    """The level of the default microphone."""
    if not list_devices(here.settings.capture.backend):
        return Check(NOTE, "not measured: no microphone")
    with MicrophoneSource(here.settings.capture) as microphone:
        found = input_level_dbfs(microphone, LISTENED_S)
    if found is None:
        return Check(
            WRONG, "the microphone delivers nothing: choose another with --source mic:NAME"
        )
    if found < QUIET_DBFS:
        return Check(
            WRONG,
            f"{found:.0f} dBFS, which is silence: unmute it, raise its level, or allow this "
            "program to record",
        )
    if found > CLIPPED_DBFS:
        return Check(WRONG, f"{found:.0f} dBFS, which clips: lower the input level")
    return Check(OK, f"{found:.0f} dBFS during {LISTENED_S:g} s")


def database(here: Installation) -> Check:
    """The database: its place and its schema; one on another machine is not contacted."""
    url = here.settings.storage.url
    parts, place = urlsplit(url), Store(url).place
    if parts.scheme == "sqlite":
        folder = Path(place).resolve().parent
        if not Path(place).exists():
            if os.access(folder, os.W_OK):
                return Check(OK, f"{place} will be created by the first run")
            return Check(
                WRONG, f"{folder} is missing or not writable: create it, or set [storage] url"
            )
    elif parts.hostname not in LOCAL:
        return Check(NOTE, f"{place}: not contacted, because that would use the network")
    opened = Database(url, reads_only=True)
    try:
        version = opened.check()
    finally:
        opened.close()
    if version is None:
        return Check(OK, f"{place}: empty, the first run creates its tables")
    return Check(OK, f"{place}: schema {version}")


def spool(here: Installation) -> Check:
    """The spool: writable, what waits, and whether the disk has room for its quota."""
    settings = here.settings.storage
    folder = settings.spool_directory.resolve()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK):
        return Check(WRONG, f"{there} is not writable: change its owner, or set [storage] spool")
    free_mb = shutil.disk_usage(there).free // MEGABYTE
    if free_mb < settings.spool_quota_mb:
        return Check(
            WRONG,
            f"{free_mb} MB are free at {there}, fewer than spool_quota_mb = "
            f"{settings.spool_quota_mb}: free space, or lower it",
        )
    waiting = sum(1 for path in folder.iterdir() if "-" in path.name) if folder.is_dir() else 0
    told = f"{waiting} events wait for the database" if waiting else "nothing waits"
    return Check(OK, f"{folder}: {told}, {free_mb} MB free")


def ports(here: Installation) -> Check:
    """Whether the console and the metrics could listen where the configuration says."""
    serve, metrics = here.settings.serve, here.settings.metrics
    wanted = [("console", serve.host, serve.port)]
    if metrics.listen:
        wanted.append(("metrics", *metrics.address))
    told, state = [], OK
    for name, host, port in wanted:
        problem = _taken(host, port)
        told.append(f"{name} {host}:{port} {problem or 'is free'}")
        state = NOTE if problem else state
    return Check(state, ", ".join(told))


def _taken(host: str, port: int) -> str | None:
    """Why a program could not listen there; None if it could. Nothing is sent or accepted."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "is in use: by RADD if it runs, else set another port"
            return f"cannot be used ({reason(error)}): set another address"
    return None


CHECKS: dict[str, Callable[[Installation], Check]] = {
    "versions": versions,
    "bundle": bundle,
    "microphones": devices,
    "input level": level,
    "database": database,
    "spool": spool,
    "ports": ports,
}
