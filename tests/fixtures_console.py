"""The console: as an application in this process with any settings, and as serve.py in a process of
its own.
"""

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_detector import STREAM_ID
from fixtures_patience import PATIENCE_S

from app.installation import installation, make_tables
from app.settings import load
from radd.bundle import MANIFEST, load_detector, read_manifest, write_manifest
from radd.calibration import Calibration
from radd.types import AudioChunk, Event

ROOT = Path(__file__).parents[1]
BUNDLE = ROOT / "models/default"
VIEWER, REVIEWER, ADMIN = "viewer-0123456789", "reviewer-0123456789", "admin-0123456789"


class Serve:
    """serve.py in an empty directory; `url` is where it answers."""

    def __init__(self, directory: Path, *arguments, prefix=(), **environ):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RADD_")}
        command = [sys.executable, str(ROOT / "serve.py"), "--port", "0", *map(str, arguments)]
        command = [*prefix, *command]
        self._process = subprocess.Popen(
            command, cwd=directory, env=kept | environ, text=True, stdout=subprocess.PIPE
        )
        line = self._process.stdout.readline()
        assert line.startswith("RADD console: "), f"serve.py ended with {self._process.wait()}"
        self.url = line.removeprefix("RADD console: ").strip().rstrip("/")

    def kill(self) -> None:
        self._process.kill()

    def stop(self) -> int:
        self._process.terminate()
        code = self._process.wait(PATIENCE_S)
        self._process.stdout.close()
        return code


@pytest.fixture(scope="session")
def loaded():
    """The shipped bundle, loaded once."""
    pytest.importorskip(
        "fastapi",
        reason="the console's packages are missing: pip install -e '.[serve]'",
    )
    shipped = load(environ={})
    return load_detector(BUNDLE, shipped.model, shipped.gate)


@pytest.fixture(scope="session")
def events_of(loaded):
    """What detect.py's monitor makes of a whole sound, float32 (n,)."""
    from stream.monitor import Monitor

    def listen(samples: np.ndarray) -> list[Event]:
        shipped = load(environ={})
        monitor = Monitor(loaded, shipped.decision, shipped.alerts, STREAM_ID)
        return monitor.feed(AudioChunk(samples, 0)) + monitor.flush()

    return listen


@pytest.fixture
def console(loaded, tmp_path):
    """Makes a client of a console: of the database `url`, by default one of its own, with changes
    to its parts and to [serve].
    """
    from starlette.testclient import TestClient

    from app.console import RetrainingActions
    from console.app import Parts, make_app

    with ExitStack() as running:

        def make(
            url: str | None = None, quorum: int = 1, parts: dict[str, Any] | None = None, **changes
        ) -> TestClient:
            shipped, url = load(environ={}), url or f"sqlite:///{tmp_path}/console.db"
            make_tables(url)
            of_the_bundle = {
                "detector": loaded,
                "newest": lambda: None,
                "overlays": installation(environ={"RADD_STORAGE_URL": url}).overlays,
                "configured": None,
                "retrain_command": ["false"],
                "enrol_command": ["false"],
                "learning": RetrainingActions(),
                "overlay_s": 0.0,
            }
            app = make_app(
                Parts(
                    decision=shipped.decision,
                    alerts=shipped.alerts,
                    storage=replace(shipped.storage, url=url),
                    review=replace(shipped.review, quorum=quorum),
                    serve=replace(shipped.serve, **{"requests_a_minute": 1_000_000} | changes),
                    retrain=shipped.retrain,
                    **of_the_bundle | (parts or {}),
                )
            )
            client = TestClient(app, "http://localhost", raise_server_exceptions=False)
            return running.enter_context(client)

        yield make


@pytest.fixture
def models(tmp_path):
    """The directory of the shipped bundle and of another one, which calls everything synthetic."""
    for name in ("default", "r20260101T000000"):
        shutil.copytree(BUNDLE, tmp_path / "models" / name, copy_function=os.link)
    other = tmp_path / "models" / "r20260101T000000"
    manifest = read_manifest(other)
    (other / MANIFEST).unlink()
    fitted = Calibration(
        *(
            [tuple(row) if isinstance(row, list) else row for row in manifest["calibration"][name]]
            for name in ("speech_s", "alone", "fused")
        )
    )
    sure = replace(
        fitted,
        alone=[(*row[:-1], -20.0) for row in fitted.alone],
        fused=[(*row[:-1], -20.0) for row in fitted.fused],
    )
    write_manifest(other, "radd", sure, manifest["training"], {})
    return tmp_path / "models"


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
