"""What a user can get wrong, each with its exit code and one clear line."""

import shutil

import pytest
import soundfile
from fixtures_detect import ROOT, wait_for
from fixtures_patience import PATIENCE_S


def refused(done, code: int, *words: str) -> bool:
    """Whether a run ended with this code and a message for people that holds these words."""
    told = done.stderr.splitlines()
    assert done.returncode == code and all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr and told[-1].startswith(("error: ", "detect.py: error: "))
    return True


def test_help_is_instant(command):
    process = command.start("--help")
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0 and b"--list-devices" in out
    assert "numpy" not in command.imported("--help")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--surce", "mic"], "--surce"),
        (["--duration", "0"], "--duration"),
        (["--duration", "nan"], "--duration"),
        (["--duration", "long"], "expected a number"),
        (["--source", "-", "--rate", "7"], "--rate"),
        (["--source", "-", "--channels", "0"], "--channels"),
        (["--source", "-", "--format", "s99"], "expected one of u8, s16le"),
        (["--source", "mic:"], "--list-devices"),
        (["--source", "-", "--source", "-"], "more than once"),
        (["--config", "none.toml"], "none.toml"),
    ],
)
def test_a_wrong_command_line_is_refused(call, arguments, word):
    assert refused(call.run(*arguments), 2, word)


def test_an_unknown_key_is_named_with_its_line_and_the_nearest(call):
    (call.directory / "own.toml").write_text("[alerts]\n\npre_rol_s = 2\n")
    assert refused(
        call.run("--config", "own.toml"), 2, "own.toml:3", "pre_rol_s", "did you mean pre_roll_s?"
    )


def test_an_impossible_value_in_the_environment_is_refused(call):
    call.setenv("RADD_DECISION_PRIOR", "1.5")
    assert refused(call.run(), 2, "RADD_DECISION_PRIOR", "1.5")


def test_a_configuration_of_ones_own_is_used(call):
    (call.directory / "own.toml").write_text("[model]\nbundle = 'nowhere'\n")
    assert refused(call.run("--config", "own.toml", "--source", "-"), 4, "nowhere")


def test_a_missing_bundle_is_told(call):
    assert refused(call.run("--bundle", "nowhere", "--source", "-"), 4, "nowhere", "--bundle")


@pytest.mark.parametrize("name", ["encoder.onnx", "index.npy", "card.md"])
def test_a_damaged_bundle_is_told(call, name):
    shutil.copytree(ROOT / "models/default", call.directory / "bundle")
    with open(call.directory / "bundle" / name, "ab") as file:
        file.write(b"!")
    assert refused(call.run("--bundle", "bundle", "--source", "-"), 4, name, "SHA-256")


def test_a_missing_file_is_told(call):
    assert refused(call.run("--no-store", "--source", "no.wav"), 3, "no.wav does not exist")


@pytest.mark.parametrize("content", [b"", b"hello, I am no sound at all"])
def test_a_file_that_is_not_audio_is_told(call, content):
    (call.directory / "x.wav").write_bytes(content)
    assert refused(call.run("--no-store", "--source", "x.wav"), 3, "x.wav")


def test_an_empty_stdin_is_told(command):
    assert refused(command.run("--no-store", "--source", "-"), 3, "stdin ended after 0 bytes")


def test_a_truncated_file_is_heard_to_its_end_and_then_told(command, speech):
    whole = speech.read_bytes()
    (command.directory / "cut.wav").write_bytes(whole[: len(whole) // 2])
    events = command.events("--no-store", "--source", "cut.wav", code=3)
    assert events[-1]["reason"] == "error" and 3.4 < events[-1]["t"] < 3.7


def test_a_wrong_password_is_told_without_showing_it(call, mariadb, speech):
    call.setenv("RADD_STORAGE_URL", mariadb.url("radd_x", password="open-sesame"))
    done = call.run("--source", speech)
    assert refused(done, 5, "radd") and "open-sesame" not in done.stderr + done.stdout


def test_a_spool_that_another_daemon_uses_is_told(command, speech):
    first = command.start("--json", "--source", "-")
    wait_for(first, "started")
    first.stdin.write(bytes(32_000))
    first.stdin.flush()
    wait_for(first, "score")
    assert refused(command.run("--source", speech), 5, "spool")
    first.communicate(timeout=PATIENCE_S)
    assert first.returncode == 0


def test_sound_of_a_hundredth_of_a_second_has_a_reason_and_no_number(command, speech):
    samples, rate_hz = soundfile.read(speech, frames=160)
    soundfile.write(command.directory / "short.wav", samples, rate_hz)
    scores = [
        event
        for event in command.events("--no-store", "--source", "short.wav")
        if event["type"] == "score"
    ]
    assert [(score["verdict"], score["llr"]) for score in scores] == [("warming_up", None)]
