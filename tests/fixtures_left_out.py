"""The last line of a test run: which tests were left out and why."""

from collections import defaultdict

import pytest

LEFT_OUT = pytest.StashKey[str]()


def left_out(skipped) -> str:
    """The line for these (nodeid, reason) pairs; parametrised tests are named once."""
    tests = defaultdict(dict)
    for nodeid, reason in skipped:
        tests[reason.removeprefix("Skipped: ")][nodeid.split("::")[-1].split("[")[0]] = None
    return "; ".join(f"{', '.join(names)} ({reason})" for reason, names in sorted(tests.items()))


def pytest_terminal_summary(terminalreporter, config):
    reports = terminalreporter.stats.get("skipped", [])
    config.stash[LEFT_OUT] = left_out((report.nodeid, report.longrepr[2]) for report in reports)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    if LEFT_OUT in config.stash:
        print(f"Tests left out: {config.stash[LEFT_OUT] or 'none'}")
