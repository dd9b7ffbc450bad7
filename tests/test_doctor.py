"""detect.py --doctor: a line for each part of an installation, with what to do, and never the
network.
"""

import shutil
import socket

import numpy as np
import pytest
from fixtures_detect import ROOT

from app.commands.doctor import unlike
from app.settings import load
from radd.errors import DeviceError
from radd.types import AudioChunk
from storage.database import Database
from stream.capture.level import input_level_dbfs
from stream.capture.portaudio import list_devices

NAMES = ["versions", "bundle", "microphones", "input level", "database", "spool", "ports"]


def told(done) -> dict[str, tuple[str, str]]:
    """State and text by the name of the check."""
    assert "Traceback" not in done.stderr + done.stdout
    return {line[6:19].strip(): (line[:5].strip(), line[20:]) for line in done.stdout.splitlines()}


@pytest.fixture
def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


def test_a_fresh_directory_is_ready_and_stays_as_it_is(call, free_port):
    call.setenv("RADD_SERVE_PORT", str(free_port))
    call.setenv("RADD_STORAGE_SPOOL_QUOTA_MB", "1")
    done = call.run("--doctor")
    checks = told(done)
    assert list(checks) == NAMES and done.stderr == ""
    for name in ("bundle", "database", "spool", "ports"):
        assert checks[name][0] == "ok", checks[name]
    assert "hashes match" in checks["bundle"][1] and "is free" in checks["ports"][1]
    assert "radd.db will be created" in checks["database"][1]
    assert list(call.directory.iterdir()) == []
    try:
        has_microphone = bool(list_devices(load(environ={}).capture.backend))
    except DeviceError:
        has_microphone = True
    if not has_microphone:
        assert checks["microphones"][0] == checks["input level"][0] == "note"
    assert done.returncode == ("mend" in {state for state, _ in checks.values()})


def test_what_is_wrong_is_told_with_what_to_do(call, free_port):
    shutil.copytree(ROOT / "models/default", call.directory / "bundle")
    with open(call.directory / "bundle" / "encoder.onnx", "ab") as file:
        file.write(b"!")
    (call.directory / "old.db").write_bytes(b"this is no database" * 99)
    call.setenv("RADD_STORAGE_URL", "sqlite:///old.db")
    call.setenv("RADD_STORAGE_SPOOL_QUOTA_MB", "1000000")
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        call.setenv("RADD_METRICS_LISTEN", f"127.0.0.1:{free_port}")
        done = call.run("--doctor", "--bundle", "bundle")
    checks = told(done)
    assert done.returncode == 1 and list(checks) == NAMES
    assert checks["bundle"][0] == "mend" and "SHA-256" in checks["bundle"][1]
    assert checks["database"][0] == "mend" and "move it away" in checks["database"][1]
    assert checks["spool"][0] == "mend" and "free space" in checks["spool"][1]
    assert checks["ports"][0] == "note" and f"{free_port} is in use" in checks["ports"][1]


def test_a_database_of_this_program_is_ready_and_another_machine_is_left_alone(call):
    Database(f"sqlite:///{call.directory}/radd.db").prepare()
    assert told(call.run("--doctor"))["database"][0] == "ok"
    call.setenv("RADD_STORAGE_URL", "mysql+mysqlconnector://radd:secret-word@203.0.113.1/radd")
    done = call.run("--doctor")
    state, text = told(done)["database"]
    assert state == "note" and "not contacted" in text
    assert "secret-word" not in done.stdout


def test_a_broken_configuration_is_told(call):
    call.setenv("RADD_DECISION_PRIOR", "2")
    done = call.run("--doctor")
    assert done.returncode == 1 and told(done)["configuration"][0] == "mend"


def test_other_versions_of_packages_are_told():
    assert unlike([("numpy", np.__version__)]) == []
    assert unlike([("numpy", "0.1"), ("no-such-package", "1.0")]) == [
        f"numpy {np.__version__}, expected 0.1",
        "no-such-package missing, expected 1.0",
    ]


class Sounding:
    """A source of these chunks."""

    def __init__(self, *chunks):
        self.chunks, self.stopped = chunks, False

    def __iter__(self):
        yield from self.chunks

    def stop(self):
        self.stopped = True


def test_the_input_level_is_that_of_the_first_seconds():
    loud = AudioChunk(np.full(16_000, 0.1, np.float32), 0)
    source = Sounding(loud, AudioChunk(np.ones(16_000, np.float32), 16_000))
    assert input_level_dbfs(source, 1.0) == pytest.approx(-20, abs=0.01) and source.stopped
    assert input_level_dbfs(Sounding(AudioChunk(np.zeros(16_000, np.float32), 0)), 1.0) == -120
    assert input_level_dbfs(Sounding(AudioChunk(np.zeros(0, np.float32), 0)), 1.0) is None
