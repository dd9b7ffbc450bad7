"""The same work on a Ray cluster gives the same bytes as on one machine."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_generative import bytes_of, tone, tones

from generative.corpus import write_corpus
from radd.parallel import Workers, forked_in_order

PLANS = 100, 200, 300, 400
ON_RAY = """
import sys
from pathlib import Path
from test_generative import tone, tones
from test_ray import PLANS, squares
from generative.corpus import write_corpus
from radd.parallel import Workers
from radd.ray_cluster import work_in_order
write_corpus(Path(sys.argv[1]), tones(*PLANS), tone, Workers(2, work_in_order))
np_file = Path(sys.argv[2])
np_file.write_text(repr(list(work_in_order(squares, range(6), 2))))
"""


@pytest.fixture
def ray():
    return pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[ray]'")


class Squares:
    """Work that opens something in each process, like the features of a backbone."""

    def __init__(self):
        self._table: np.ndarray | None = None

    def __call__(self, number: int) -> int:
        self._table = np.arange(10) ** 2 if self._table is None else self._table
        return int(self._table[number])


squares = Squares()


def test_generated_clips_and_computed_features_are_the_same_on_a_cluster(ray, tmp_path):
    here, there, told = tmp_path / "here", tmp_path / "there", tmp_path / "told.txt"
    write_corpus(here, tones(*PLANS), tone)
    tests = Path(__file__).parent
    environ = os.environ | {"PYTHONPATH": os.pathsep.join((str(tests), str(tests.parent)))}
    environ.pop("RAY_ADDRESS", None)
    done = subprocess.run(
        [sys.executable, "-c", ON_RAY, str(there), str(told)],
        cwd=tests,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert bytes_of(there) == bytes_of(here)
    assert told.read_text() == repr(list(forked_in_order(squares, range(6), 2)))


def test_two_processes_write_what_one_writes(tmp_path):
    write_corpus(tmp_path / "one", tones(*PLANS), tone)
    write_corpus(tmp_path / "two", tones(*PLANS), tone, Workers(2))
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")
