"""What comes from outside reaches a terminal as text, never as an order to it."""

import ast
import io
import shutil
import sys
import unicodedata

import pytest
from fixtures_house import DOORS, tree
from fixtures_patience import PATIENCE_S
from hypothesis import given
from hypothesis import strategies as st

from app.exit import exit_code
from radd.errors import ConfigError
from radd.terminal import PrintableStream, drawing, printable

HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\u202egnp.exe\u2028\r\ud800"


@given(st.text(st.characters(codec="utf-8")))
def test_no_text_steers_a_terminal_and_letters_stay(text):
    shown = printable(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert shown.splitlines() in ([shown], [])
    assert printable(shown) == shown
    if text.isprintable() and not set(text) & set("\u200e\u200f"):
        assert [c for c in text if c.isalpha()] == [c for c in shown if c.isalpha()]


@pytest.mark.parametrize("name", ["Zoë 李 مرحبا", "a\u0301", "\U0001f600", "-", "C:\\x1b"])
def test_names_of_all_languages_stay_as_they_are(name):
    assert printable(name) == name


def test_whatever_a_program_prints_is_text(capsys):
    def run() -> None:
        print(f"a name: {HOSTILE}\tand\nmore")
        sys.stderr.writelines([HOSTILE, "\n"])
        raise ConfigError(f"no file {HOSTILE}")

    assert exit_code(run) == 2
    out, err = capsys.readouterr()
    for text in (out, err):
        assert "\x1b" not in text and "\x9b" not in text and "\u202e" not in text
    assert out.endswith("\tand\nmore\n") and "\\x1b[2J" in out and err.count("\\x1b[2J") == 2


def test_a_traceback_of_a_bug_is_text_too(capsys):
    def run() -> None:
        raise ValueError(HOSTILE)

    assert exit_code(run) == 1
    assert "\x1b" not in capsys.readouterr().err and not isinstance(sys.stdout, PrintableStream)


def test_who_draws_has_the_stream_itself():
    inside = io.StringIO()
    assert drawing(PrintableStream(inside)) is inside is drawing(inside)


@pytest.mark.parametrize("door", sorted(DOORS))
def test_every_entry_point_prints_within_exit_code(door):
    called = {
        node.func.id
        for node in ast.walk(tree(door))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "exit_code" in called and "print" not in called


def test_the_name_of_a_recording_is_text_in_lines(command, speech, tmp_path):
    hostile = tmp_path / "a\x1b[2J\nb\u202e.wav"
    shutil.copy(speech, hostile)
    process = command.start("--source", hostile)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0 and b"\x1b" not in out + err
    assert b"\\x1b[2J\\nb\\u202e.wav" in out
