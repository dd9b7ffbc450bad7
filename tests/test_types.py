"""The annotations agree with the code: mypy finds nothing, and little is hidden from it."""

import io
import re
import subprocess
import sys
import tokenize

import pytest
from fixtures_house import ROOT, modules, source
from fixtures_patience import PATIENCE_S

MOST_IGNORED = 15
NAMED = re.compile(r"# type: ignore\[[a-z-]+(, [a-z-]+)*\]")


def test_annotations_agree_with_the_code():
    pytest.importorskip("mypy", reason="mypy is not installed: pip install -e '.[dev]'")
    done = subprocess.run(
        [sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_few_errors_are_ignored_each_by_name_and_with_a_reason():
    ignored = [place for module in modules() for place in ignores(module)]
    assert len(ignored) <= MOST_IGNORED, ignored
    assert not [place for place, comment, _ in ignored if not NAMED.match(comment)]
    assert not [place for place, _, before in ignored if not before.lstrip().startswith("#")]


def ignores(module):
    """Place, comment and the line before of each error of a module that mypy is told to ignore."""
    lines = source(module).splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source(module)).readline):
        if token.type == tokenize.COMMENT and "type: ignore" in token.string:
            number = token.start[0]
            yield f"{module}:{number}", token.string, lines[number - 2]
