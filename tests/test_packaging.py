"""The wheel: built without the network, installed beside the project's packages, run elsewhere."""

import json
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from fixtures_patience import PATIENCE_S

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PATH": "/usr/bin:/bin"}


def pip(*arguments, python=sys.executable):
    done = subprocess.run(
        [python, "-m", "pip", *map(str, arguments)],
        env=OFFLINE,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling", reason="hatchling is not installed: pip install -e '.[dev]'")
    pytest.importorskip("pip", reason="this environment has no pip")
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    (built,) = folder.glob("radd-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of the commands of an environment that has the wheel and sees this one's packages,
    but not the checkout.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip("--python", python, "install", "--no-deps", wheel)
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin"


def run(command, *arguments, cwd):
    return subprocess.run(
        [command, *arguments], cwd=cwd, capture_output=True, text=True, timeout=PATIENCE_S
    )


def test_the_dependencies_are_those_of_requirements_txt():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [pin for line in lines if (pin := line.partition("#")[0].strip())]
    assert pins == PROJECT["dependencies"]


def test_every_package_of_an_extra_is_pinned_once_and_alike():
    everything = [*PROJECT["dependencies"], *sum(PROJECT["optional-dependencies"].values(), [])]
    pins = {}
    for requirement in everything:
        if requirement.startswith("radd["):
            continue
        name, version = re.fullmatch(r"([\w.-]+)==([\w.]+)", requirement).groups()
        assert pins.setdefault(name.lower(), version) == version
    assert len(pins) > 30


def test_the_wheel_holds_what_runs_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {"tests", "bench", "docs", "deploy"} & tops == set()
    for needed in (
        "radd/share/config.toml",
        "radd/share/models/default/manifest.json",
        "radd/share/assets/demo.flac",
        "console/web/index.html",
        "storage/alembic.ini",
        "storage/migrations/env.py",
        "evaluation/page.html",
    ):
        assert needed in names


def test_a_shell_completes_options_choices_and_paths(tmp_path):
    pytest.importorskip("shtab", reason="shtab is not installed: pip install -e '.[dev]'")
    (tmp_path / "calls").mkdir()
    written = run(
        sys.executable, ROOT / "deploy/completion.py", "bash", tmp_path / "made", cwd=tmp_path
    )
    assert written.returncode == 0, written.stderr
    assert {path.name for path in (tmp_path / "made").iterdir()} == set(PROJECT["scripts"])
    asked = {"--doc": "--doctor", "--fail-on s": "spoof suspect", "--source ca": "calls"}
    for words, expected in asked.items():
        script = f"""
            . made/radd-detect
            COMP_WORDS=(radd-detect {words})
            COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
            _shtab_radd_detect
            echo "${{COMPREPLY[@]}}"
        """
        completed = run("bash", "-c", script, cwd=tmp_path)
        assert completed.stdout.split() == expected.split(), completed.stderr


def test_the_version_is_the_same_everywhere_and_the_licence_is_named(wheel):
    version = PROJECT["version"]
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    for line in ("cff-version: 1.2.0", f"version: {version}", "license: MIT", "type: software"):
        assert line in cited.splitlines()
    assert all(f"\n{key}:" in cited for key in ("message", "title", "authors"))
    images = re.findall(r"image: radd[\w-]*:(\S+)", (ROOT / "deploy/compose.yaml").read_text())
    assert images and set(images) == {version}
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License\n")
    archive = zipfile.ZipFile(wheel)
    (metadata,) = [name for name in archive.namelist() if name.endswith("dist-info/METADATA")]
    told = archive.read(metadata).decode()
    assert "License-Expression: MIT\n" in told and "License-File: LICENSE\n" in told
    assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())


@pytest.mark.parametrize("script", PROJECT["scripts"])
def test_each_command_says_how_it_is_used(installed, script, tmp_path):
    done = run(installed / script, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")


def test_the_installed_detector_hears_the_demo_and_stores_it(installed, tmp_path):
    demo = ROOT / "assets" / "demo.flac"
    done = run(installed / "radd-detect", "--source", demo, "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert any(line["type"] == "alert" for line in lines)
    assert (tmp_path / "radd.db").is_file()  # its tables are made by the packaged migrations


def test_the_installed_console_finds_its_pages_font_and_bundle(installed, tmp_path):
    pytest.importorskip(
        "fastapi", reason="the console's packages are missing: pip install -e '.[serve]'"
    )
    program = (
        "import console.app, console.report, radd.resources as r;"
        "assert not r.in_checkout(), r.CHECKOUT;"
        "print((console.app.WEB / 'index.html').is_file(), console.report.FONT.is_file(),"
        "      r.resource('models/default').is_dir())"
    )
    done = run(installed / "python", "-c", program, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("True True True\n", "")
