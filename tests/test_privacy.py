"""Nothing leaves the machine, and what is kept of voices is its owner's alone."""

import os
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from fixtures_detect import ROOT
from fixtures_patience import PATIENCE_S
from fixtures_storage import alert, storage_settings, stream_info

from radd.types import AlertState
from storage.clip_archive import export_clips
from storage.journal import Journal
from storage.review import Reviews
from stream.capture.sources import DEMO

TELEMETRY_AFTER_S = 9  # after its start, of ONNX Runtime 1.29 and later
LISTENING_S = TELEMETRY_AFTER_S + 3
BOUNDARY = "part"


def upload(url: str, sound: bytes) -> int:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    body = head.encode() + sound + f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    request = urllib.request.Request(f"{url}/v1/predict", body, kind)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return answer.status


def test_daemon_and_console_speak_to_no_other_machine_and_write_nothing_at_home(
    watch, command, serve, speech
):
    pytest.importorskip("fastapi", reason="the console is missing: pip install -e '.[serve]'")
    of_daemon, of_console = watch("daemon"), watch("console")
    console = serve(prefix=of_console.prefix, **of_console.environ)
    command.prefix = of_daemon.prefix
    command.environ |= of_daemon.environ
    arguments = ["--json", "--realtime", "--source", DEMO, "--duration", LISTENING_S]
    daemon = command.start(*arguments)
    assert upload(console.url, speech.read_bytes()) == 200
    daemon.communicate(timeout=PATIENCE_S)
    assert upload(console.url, speech.read_bytes()) == 200
    console.stop()
    assert daemon.returncode == 0
    for each in (of_daemon, of_console):
        assert each.trace.exists() and each.strangers() == [] and each.written() == []


ASKS_ABROAD = """
import pathlib, socket, sys
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
made.connect((sys.argv[1], 9))  # of a datagram socket: nothing is sent
pathlib.Path.home().joinpath("trace").write_text("")
"""


@pytest.mark.parametrize("address, abroad", [("192.0.2.1", 1), ("127.0.0.1", 0)])
def test_the_watch_sees_what_it_looks_for(watch, address, abroad):
    one = watch("stranger")
    script = [*one.prefix, sys.executable, "-c", ASKS_ABROAD, address]
    subprocess.run(script, check=True, env=os.environ | one.environ)
    assert len(one.strangers()) == abroad and [path.name for path in one.written()] == ["trace"]


@pytest.mark.parametrize(
    "name, told",
    [
        ("onnxruntime", "import radd.onnx, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"),
        (
            "huggingface_hub",
            "import training; from huggingface_hub import constants as told; "
            "print(int(told.HF_HUB_DISABLE_TELEMETRY))",
        ),
    ],
)
def test_libraries_that_would_report_to_their_vendor_are_told_not_to(name, told):
    pytest.importorskip(name, reason=f"{name} is not installed")
    run = [sys.executable, "-c", told]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def others_may_read(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if stat.S_IMODE(path.stat().st_mode) & 0o077]


@pytest.fixture
def usual_umask():
    """That of most machines: everyone may read what does not say otherwise."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_database_companions_spool_and_exported_clips_are_their_owners_alone(tmp_path, usual_umask):
    settings = storage_settings(f"sqlite:///{tmp_path}/radd.db", tmp_path / "spool")
    with Journal(settings, stream_info()) as journal:
        journal.write(alert())
        beside = {path.name for path in tmp_path.iterdir()}
        assert {"radd.db", "radd.db-wal", "radd.db-shm"} <= beside
        assert others_may_read(tmp_path) == []
        journal.write(alert(AlertState.CLOSE))
    with Reviews(settings.url, 1) as reviews:
        assert export_clips(reviews, tmp_path / "export", ["pending"]) > 0
    assert others_may_read(tmp_path) == []


def test_a_database_that_everyone_can_read_is_told(tmp_path, usual_umask, caplog):
    (tmp_path / "radd.db").touch(0o644)
    settings = storage_settings(f"sqlite:///{tmp_path}/radd.db", tmp_path / "spool")
    with Journal(settings, stream_info()):
        pass
    assert "everyone on this machine can read" in caplog.text and "chmod 600" in caplog.text


@pytest.mark.parametrize("name", [".gitignore", ".dockerignore"])
def test_secrets_and_databases_stay_out_of_commits_and_images(name):
    ignored = (ROOT / name).read_text(encoding="utf-8").split()
    patterns = {pattern.removeprefix("**/") for pattern in ignored}
    assert {".env", "*.db", "*.db-wal", "*.db-shm", "*-spool"} <= {p.rstrip("/") for p in patterns}
