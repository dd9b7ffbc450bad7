"""Processes whose every system call that reaches a network is written down, by strace."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

CALLS = "connect,sendto,sendmsg,sendmmsg"
ADDRESS = re.compile(r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"')
LOOPBACK = re.compile(r"127\.|::1$|::ffff:127\.")


@dataclass
class Watch:
    """`prefix` goes before a command; `home` is where it believes its user lives."""

    trace: Path
    home: Path

    @property
    def prefix(self) -> list[str]:
        return ["strace", "-D", "-f", "-qq", "-e", f"trace={CALLS}", "-o", str(self.trace)]

    @property
    def environ(self) -> dict[str, str]:
        return {"HOME": str(self.home), "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": ""}

    def strangers(self) -> list[str]:
        """The lines of calls that address another machine, or ask for the address of one."""
        return [line for line in self.trace.read_text().splitlines() if _leaves(line)]

    def written(self) -> list[Path]:
        return sorted(self.home.rglob("*"))


def _leaves(line: str) -> bool:
    found = ADDRESS.search(line)
    return found is not None and (found[1] == "53" or not LOOPBACK.match(found[2]))


@pytest.fixture
def watch(tmp_path):
    """Makes a Watch for each name."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: apt install strace")

    def make(name: str) -> Watch:
        home = tmp_path / f"home of {name}"
        home.mkdir()
        return Watch(tmp_path / f"{name}.trace", home)

    return make
