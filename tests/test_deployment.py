"""What is installed, and what a service may do: lock files and systemd units."""

import re
import tomllib

import pytest
from fixtures_house import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKS = {
    "deploy/requirements.lock": PROJECT["dependencies"],
    "deploy/services.lock": [
        *PROJECT["dependencies"],
        *(asked for extra in ("serve", "retrain") for asked in EXTRAS[extra] if "==" in asked),
    ],
}
UNITS = ROOT / "deploy/systemd"


def normal(requirement: str) -> str:
    """One spelling of NAME==VERSION, as package indices have it."""
    return re.sub(r"[-_.]+(?=.*==)", "-", requirement).lower()


def locked(name: str) -> dict[str, list[str]]:
    """The blocks of a lock file by package and version, one for each environment."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", "")
    blocks: dict[str, list[str]] = {}
    for line in text.splitlines():
        if found := re.match(r"([\w.-]+==[\w.]+)", line):
            blocks.setdefault(normal(found[1]), []).append(line)
    return blocks


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_holds_all_that_is_asked_for_each_with_its_hashes(name):
    blocks = locked(name)
    assert {normal(asked) for asked in LOCKS[name]} <= blocks.keys()
    assert len(blocks) > len(LOCKS[name]), "what those need in their turn is missing"
    assert all(
        re.search(r"--hash=sha256:[0-9a-f]{64}", line)
        for lines in blocks.values()
        for line in lines
    )


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_names_no_host(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text and "--index" not in text and "--extra-index" not in text


def test_the_services_have_the_versions_of_what_listens():
    assert locked("deploy/requirements.lock").keys() <= locked("deploy/services.lock").keys()


@pytest.mark.parametrize("name", ["Makefile", "deploy/Dockerfile"])
def test_what_is_shipped_is_installed_from_a_lock_file_alone(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    installs = [
        line for line in text.splitlines() if re.search(r"(INSTALL\)|pip install).* -+r", line)
    ]
    assert installs and all("--require-hashes" in line and ".lock" in line for line in installs)


def restrictions(unit: str) -> set[str]:
    """The lines of a unit that take something away from the service."""
    lines = (UNITS / unit).read_text(encoding="utf-8").splitlines()
    kinds = ("Protect", "Private", "Restrict", "NoNew", "Lock", "Capability", "SystemCall", "UMask")
    return {line for line in lines if line.startswith(kinds)}


def test_every_service_is_as_hardened_as_its_siblings():
    units = [path.name for path in UNITS.glob("*.service")]
    assert len(units) >= 3
    of_all = restrictions("radd-detect.service") & restrictions("radd-console.service")
    assert len(of_all) > 15
    for unit in units:
        assert of_all <= restrictions(unit), unit
