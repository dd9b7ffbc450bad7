"""How the five entry points start and end, whatever they are started with and whatever happens."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from fixtures_detect import LIGHT, of_type, read_event, wait_for
from fixtures_house import DOORS, ROOT
from fixtures_patience import PATIENCE_S
from fixtures_storage import rows, until

from app.exit import exit_code
from app.settings import load
from storage import tables
from stream.capture.sources import DEMO

BARE = [sys.executable, "-S"]  # a Python without any installed package
WORK = {
    "detect": ["--source", "-"],
    "serve": ["--port", "0"],
    "train": ["models"],
    "evaluate": ["metrics", "--scores", "scores.txt", "--out", "out"],
    "review": ["list"],
}


def shell(line: str, directory: Path, **environ) -> subprocess.CompletedProcess:
    """A line of sh in which $PYTHON and $ROOT stand for what their names say."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RADD_")}
    known = {"PYTHON": sys.executable, "ROOT": str(ROOT), "RADD_MODEL_BUNDLE": str(LIGHT)}
    return subprocess.run(
        ["sh", "-c", line],
        cwd=directory,
        env=kept | known | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


@pytest.mark.parametrize("door", sorted(DOORS))
def test_without_its_packages_each_entry_point_says_in_one_line_what_to_type(door, tmp_path):
    done = subprocess.run(
        [*BARE, ROOT / f"{door}.py", *WORK[door]], cwd=tmp_path, capture_output=True, text=True
    )
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and "is not installed for" in line and "; type: " in line
    command = f"{ROOT}/.venv/bin/python {ROOT}/{door}.py {' '.join(WORK[door])}"
    assert line.endswith((command, f"make -C {ROOT} run"))


def test_a_package_of_an_extra_that_is_missing_is_named_with_its_extra(monkeypatch, capsys):
    def need_it():
        raise ModuleNotFoundError("No module named 'fastapi'", name="fastapi")

    monkeypatch.setattr(sys, "argv", ["serve.py"])
    assert exit_code(need_it) == 2
    assert f"fastapi is not installed for {sys.executable}; type: " in capsys.readouterr().err


def test_a_module_of_ours_that_is_missing_is_a_bug(capsys):
    def need_it():
        raise ModuleNotFoundError("No module named 'stream.nothing'", name="stream.nothing")

    assert exit_code(need_it) == 1
    assert "This is a bug in RADD" in capsys.readouterr().err


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("more", ["", "--json"])
def test_closed_standard_streams_end_no_run_and_reach_no_file(tmp_path, speech, closed, more):
    done = shell(f'"$PYTHON" "$ROOT/detect.py" {more} --source {speech} {closed}', tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (stream,) = rows(f"sqlite:///{tmp_path}/radd.db", tables.streams)
    assert stream["state"] == "ended"


def test_a_closed_stdin_is_no_sound_and_no_traceback(tmp_path):
    done = shell('"$PYTHON" "$ROOT/detect.py" --no-store --source - <&-', tmp_path)
    assert done.returncode == 3 and "stdin ended after 0 bytes" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("door, arguments", [("review", "list"), ("train", "models")])
@pytest.mark.parametrize("at_once", ["", "1"])
def test_a_full_disk_under_the_output_is_told_in_one_line(tmp_path, door, arguments, at_once):
    line = f'"$PYTHON" "$ROOT/{door}.py" {arguments} > /dev/full'
    done = shell(line, tmp_path, PYTHONUNBUFFERED=at_once)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 5 and "cannot write the output: No space left on device" in line


WRITES_RAW = "import ctypes; ctypes.CDLL(None).write(2, b'raw line\\n', 9)"


def test_lines_that_libraries_write_by_themselves_reach_nobody_and_ours_do(tmp_path):
    script = f"""
import sys
from app.exit import exit_code
def run():
    exec({WRITES_RAW!r})
    print("ours", file=sys.stderr)
    raise ValueError("what was found")
sys.exit(exit_code(run))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "raw line" not in done.stderr
    assert done.stderr.startswith("ours\n") and "ValueError: what was found" in done.stderr


def test_a_process_that_dies_in_a_library_still_says_where():
    script = """
import ctypes, sys
from app.exit import exit_code
exit_code(lambda: ctypes.string_at(0))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGSEGV and "Segmentation fault" in done.stderr


@pytest.mark.parametrize("twice", [False, True])
def test_sighup_ends_in_order(command, suspicious_bundle, speech_pcm, twice):
    process = command.start("--json", "--bundle", suspicious_bundle, "--source", "-")
    process.stdin.write(speech_pcm)
    process.stdin.flush()
    wait_for(process, "alert", state="open")
    for _ in range(1 + twice):
        process.send_signal(signal.SIGHUP)
    events = [read_event(line) for line in process.stdout]
    assert process.wait(PATIENCE_S) == 0 and process.stderr.read() == b""
    assert events[-1]["reason"] == "sighup"
    assert of_type(events, "alert")[-1]["state"] == "close"
    url = f"sqlite:///{command.directory}/radd.db"
    assert [row["state"] for row in rows(url, tables.streams)] == ["ended"]


def test_under_nohup_sighup_changes_nothing(command, speech_pcm):
    command.prefix = ["nohup"]
    process = command.start("--json", "--no-store", "--source", "-")
    process.stdin.write(speech_pcm)
    process.stdin.flush()
    wait_for(process, "score")
    process.send_signal(signal.SIGHUP)
    process.stdin.close()
    *_, last = (read_event(line) for line in process.stdout)
    assert process.wait(PATIENCE_S) == 0 and last["reason"] == "end"


def own_terminal():
    """In a session of its own: stdin is its terminal, whose end it is told of."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_terminal_that_is_closed_ends_the_run_in_order(command):
    keyboard, screen = pty.openpty()
    environ = {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(
        [sys.executable, ROOT / "detect.py", "--realtime", "--source", DEMO],
        cwd=command.directory,
        env=os.environ | environ,
        stdin=screen,
        stdout=screen,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=own_terminal,
    )
    os.close(screen)
    assert until(lambda: os.read(keyboard, 65_536))
    os.close(keyboard)
    _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0 and b"Traceback" not in told
    (stream,) = rows(f"sqlite:///{command.directory}/radd.db", tables.streams)
    assert stream["state"] == "ended" and stream["length_samples"] < 20 * 16_000


def test_a_console_whose_terminal_is_closed_ends_in_order(serve):
    console = serve()
    console._process.send_signal(signal.SIGHUP)
    assert console._process.wait(PATIENCE_S) == -signal.SIGTERM  # which uvicorn raises at its end


def test_each_source_that_does_not_open_is_told(command):
    done = command.run("--no-store", "--source", "a.wav", "--source", DEMO, "--source", "b.wav")
    assert done.returncode == 3
    assert done.stderr.splitlines() == ["b.wav does not exist", "error: a.wav does not exist"]


def test_each_source_that_fails_is_told_once_with_its_name_once(command, speech):
    whole, names = speech.read_bytes(), ("a.wav", "b.wav", "c.wav")
    for name, size in zip(names, (60_000, 90_000, 120_000), strict=True):
        (command.directory / name).write_bytes(whole[:size])
    done = command.run("--no-store", *(word for name in names for word in ("--source", name)))
    told = [line for line in done.stderr.splitlines() if "truncated" in line]
    assert done.returncode == 3 and all(line.count(".wav") == 1 for line in told)
    assert {name for name in names if any(name in line for line in told)} == set(names)
    assert told[-1].startswith("error: ")


def test_a_mark_before_the_text_of_a_configuration_is_no_text(tmp_path):
    own = tmp_path / "own.toml"
    own.write_bytes(b"\xef\xbb\xbf[alerts]\r\npre_roll_s = 2.5\r\n")
    assert load(own, {}).alerts.pre_roll_s == 2.5
    own.write_bytes(b"\xef\xbb\xbf[alerts]\npre_rol_s = 2.5\n")
    with pytest.raises(Exception, match=r"own.toml:2: unknown key pre_rol_s"):
        load(own, {})


def test_an_empty_variable_means_what_it_would_without_it(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('[storage]\nspool = "elsewhere"\nflush_s = 7\n')
    empty = {"RADD_STORAGE_SPOOL": "", "RADD_STORAGE_FLUSH_S": "", "RADD_SERVE_VIEWER_TOKEN": ""}
    assert load(own, empty) == load(own, {})
