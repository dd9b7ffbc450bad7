"""detect.py as a process of its own, real speech, and a bundle that takes every voice for a
synthetic one.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from fixtures_patience import PATIENCE_S

import detect
from radd.bundle import BACKBONE, CARD, WEIGHTS, write_manifest
from radd.calibration import Calibration
from radd.errors import DeviceError
from stream.capture.portaudio import list_devices

ROOT = Path(__file__).parents[1]
SPEECH = Path(
    "/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0870.wav"
)
WAV_HEADER_BYTES = 44
LIGHT = ROOT / "models/light"  # of the kind of models/default, and loaded in half the time
SUSPICION_LLR = -5.0
SCHEMA = json.loads((ROOT / "docs/events.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


TELL_IMPORTS = """
import atexit, os, pathlib, sys
tell = lambda: pathlib.Path(os.environ["IMPORTED"]).write_text(" ".join(sys.modules))
atexit.register(tell)
"""


class DetectCommand:
    """Runs detect.py in an empty directory of its own, with its database and spool there."""

    def __init__(self, directory: Path):
        self.directory = directory
        # However busy the machine is that runs the tests, nothing is shed and the database gets
        # everything.
        self.environ = {
            "RADD_ENGINE_LATE_MS": "0",
            "RADD_STORAGE_FLUSH_S": str(PATIENCE_S),
            "RADD_MODEL_BUNDLE": str(LIGHT),
        }
        self.prefix = []
        self.processes = []

    def start(self, *arguments) -> subprocess.Popen:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RADD_")}
        command = [*self.prefix, sys.executable, str(ROOT / "detect.py"), *map(str, arguments)]
        pipe = subprocess.PIPE
        self.processes.append(
            subprocess.Popen(
                command,
                cwd=self.directory,
                env=kept | self.environ,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
            )
        )
        return self.processes[-1]

    def close(self) -> None:
        """End what a test that failed has left running."""
        for process in self.processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                pipe.close()

    def run(self, *arguments, stdin: bytes = b"") -> subprocess.CompletedProcess:
        process = self.start(*arguments)
        out, err = process.communicate(stdin, timeout=PATIENCE_S)
        return subprocess.CompletedProcess(
            arguments, process.returncode, out.decode(), err.decode()
        )

    def imported(self, *arguments) -> set[str]:
        """The top-level modules that a run which succeeds has imported when it ends."""
        site, names = self.directory / "site", self.directory / "imported.txt"
        site.mkdir()
        (site / "sitecustomize.py").write_text(TELL_IMPORTS)
        self.environ |= {"PYTHONPATH": str(site), "IMPORTED": str(names)}
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return {name.partition(".")[0] for name in names.read_text().split()}

    def events(self, *arguments, stdin: bytes = b"", code: int = 0) -> list[dict]:
        """What --json prints, each object held to the schema."""
        done = self.run("--json", *arguments, stdin=stdin)
        assert done.returncode == code, done.stderr
        return [read_event(line) for line in done.stdout.splitlines()]


class DetectCall:
    """Runs detect.main in this process, in an empty directory; for runs that are refused before any
    sound.
    """

    def __init__(self, directory: Path, monkeypatch, capsys):
        self.directory, self.capsys = directory, capsys
        self.setenv = monkeypatch.setenv
        monkeypatch.chdir(directory)

    def run(self, *arguments) -> subprocess.CompletedProcess:
        try:
            code = detect.main([str(argument) for argument in arguments])
        except SystemExit as wrong_usage:
            code = wrong_usage.code
        return subprocess.CompletedProcess(arguments, code, *self.capsys.readouterr())


def read_event(line: str | bytes) -> dict:
    event = json.loads(line)
    VALIDATOR.validate(event)
    return event


def wait_for(process: subprocess.Popen, type: str, **fields) -> dict:
    """The next object of this type and with these fields that `process` prints."""
    for line in process.stdout:
        event = read_event(line)
        if event["type"] == type and fields.items() <= event.items():
            return event
    raise AssertionError(f"detect.py ended without {type} {fields}: {process.stderr.read()}")


def of_type(events: list[dict], type: str) -> list[dict]:
    return [event for event in events if event["type"] == type]


@pytest.fixture
def command(tmp_path):
    made = DetectCommand(tmp_path)
    yield made
    made.close()


@pytest.fixture
def call(tmp_path, monkeypatch, capsys) -> DetectCall:
    return DetectCall(tmp_path, monkeypatch, capsys)


@pytest.fixture
def no_microphone():
    """A machine on which nothing can be listened to."""
    try:
        found = list_devices("sounddevice")
    except DeviceError:
        found = []
    if found:
        pytest.skip("this machine has a microphone")


@pytest.fixture(scope="session")
def speech() -> Path:
    """7.1 s of a person reading, 16 kHz mono."""
    if not SPEECH.exists():
        pytest.skip("there is no real speech: apt install pocketsphinx-testdata")
    return SPEECH


@pytest.fixture(scope="session")
def speech_pcm(speech) -> bytes:
    """The same as raw s16le."""
    return speech.read_bytes()[WAV_HEADER_BYTES:]


@pytest.fixture(scope="session")
def suspicious_bundle(tmp_path_factory) -> Path:
    """The light bundle, calibrated to take any speech for synthetic, so that alerts do not depend
    on its skill.
    """
    calibration = Calibration((1.0,), ((0.0, SUSPICION_LLR),), ((0.0, 0.0, 0.0, SUSPICION_LLR),))
    return bundle_with(tmp_path_factory.mktemp("bundle") / "suspicious", calibration)


def bundle_with(directory: Path, calibration: Calibration) -> Path:
    """The light bundle, named as the directory and calibrated in this way."""
    directory.mkdir()
    for name in (*WEIGHTS, BACKBONE, CARD):
        shutil.copy(LIGHT / name, directory)
    write_manifest(directory, directory.name, calibration, {}, {})
    return directory
