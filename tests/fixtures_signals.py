"""Signals as a terminal would leave them: what a test run inherits as ignored, its children would
ignore too.
"""

import signal

import pytest


@pytest.fixture(scope="session", autouse=True)
def signals_of_a_terminal():
    """Under nohup, or in the background of a script, SIGHUP and SIGINT are ignored by default."""
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
