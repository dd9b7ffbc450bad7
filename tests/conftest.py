"""Fixtures live in files of their own, by what they provide."""

import os
import sys

# The programs that tests start load the compiled modules of the first one.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# The workers of pytest-xdist occupy the cores already.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

pytest_plugins = [
    "fixtures_corpus",
    "fixtures_backbone",
    "fixtures_detect",
    "fixtures_microphone",
    "fixtures_detector",
    "fixtures_left_out",
    "fixtures_signals",
    "fixtures_scores",
    "fixtures_mariadb",
    "fixtures_storage",
    "fixtures_console",
    "fixtures_chromium",
    "fixtures_fuzz",
    "fixtures_window_bundle",
    "fixtures_watch",
    "fixtures_notify",
    "fixtures_fleet",
    "fixtures_space",
]


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait for a program, a database or a page."""
    return (os.cpu_count() or 1) + 1
