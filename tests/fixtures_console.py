"""The console: as an application in this process with any settings, and as serve.py in a process of its own."""

import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixtures_detector import STREAM_ID

from radd.bundle import load_detector, load_known_voices, read_manifest
from radd.types import AudioChunk, Event
from serve import make_tables
from settings import load

ROOT = Path(__file__).parents[1]
BUNDLE = ROOT / "models/default"
VIEWER, REVIEWER = "viewer-0123456789", "reviewer-0123456789"


class Serve:
    """serve.py in an empty directory; `url` is where it answers."""

    def __init__(self, directory: Path, *arguments, **environ):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RADD_")}
        command = [sys.executable, str(ROOT / "serve.py"), "--port", "0", *map(str, arguments)]
        self._process = subprocess.Popen(command, cwd=directory, env=kept | environ, text=True, stdout=subprocess.PIPE)
        line = self._process.stdout.readline()
        assert line.startswith("RADD console: "), f"serve.py ended with {self._process.wait()}"
        self.url = line.removeprefix("RADD console: ").strip().rstrip("/")

    def kill(self) -> None:
        self._process.kill()

    def stop(self) -> int:
        self._process.terminate()
        code = self._process.wait(30)
        self._process.stdout.close()
        return code


@pytest.fixture(scope="session")
def bundle_parts():
    """What of the console is loaded once: detector, encoder and manifest of the shipped bundle."""
    pytest.importorskip("fastapi", reason="the console's packages are missing: pip install -r requirements-serve.txt")
    shipped = load(environ={})
    return {"detector": load_detector(BUNDLE, shipped.model, shipped.gate), "encoder": load_known_voices(BUNDLE)[0],
            "bundle": BUNDLE, "manifest": read_manifest(BUNDLE)}


@pytest.fixture(scope="session")
def events_of(bundle_parts):
    """What detect.py's monitor makes of a whole sound, float32 (n,)."""
    from stream.monitor import Monitor

    def listen(samples: np.ndarray) -> list[Event]:
        shipped = load(environ={})
        monitor = Monitor(bundle_parts["detector"], shipped.decision, shipped.alerts, STREAM_ID)
        return monitor.feed(AudioChunk(samples, 0)) + monitor.flush()

    return listen


@pytest.fixture
def console(bundle_parts, tmp_path):
    """Makes a client of a console: of the database `url`, by default one of its own, with changes to [serve]."""
    from starlette.testclient import TestClient

    from console.app import Parts, make_app

    with ExitStack() as running:

        def make(url: str | None = None, quorum: int = 1, **changes) -> TestClient:
            shipped, url = load(environ={}), url or f"sqlite:///{tmp_path}/console.db"
            make_tables(url)
            app = make_app(Parts(
                **bundle_parts,
                decision=shipped.decision,
                alerts=shipped.alerts,
                storage=replace(shipped.storage, url=url),
                review=replace(shipped.review, quorum=quorum),
                serve=replace(shipped.serve, **changes),
                overlay_s=0.0,
            ))  # fmt: skip
            client = TestClient(app, "http://localhost", raise_server_exceptions=False)
            return running.enter_context(client)

        yield make


@pytest.fixture
def serve(tmp_path):
    """Starts serve.py; its arguments as strings, its environment by name."""
    started = []

    def start(*arguments, **environ) -> Serve:
        started.append(Serve(tmp_path, *arguments, **environ))
        return started[-1]

    yield start
    for one in started:
        one.stop()
