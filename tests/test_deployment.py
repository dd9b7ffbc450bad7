"""What is installed, and what a service may do: lock files and systemd units."""

import re
import tomllib
import typing

import pytest
import yaml
from fixtures_house import ROOT

from app.settings import Settings, load

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKS = {
    "deploy/requirements.lock": PROJECT["dependencies"],
    "deploy/services.lock": [
        *PROJECT["dependencies"],
        *(
            asked
            for extra in ("serve", "retrain", "fleet")
            for asked in EXTRAS[extra]
            if "==" in asked
        ),
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


def fleet_compose() -> dict:
    return yaml.safe_load((ROOT / "deploy/fleet.compose.yaml").read_text(encoding="utf-8"))


def test_a_fleet_in_compose_is_a_broker_two_gateways_and_detectors():
    services = fleet_compose()["services"]
    roles = [
        set(service.get("command", ())) & {"--publish", "--consume"}
        for service in services.values()
    ]
    assert roles.count({"--publish"}) == 2 and roles.count({"--consume"}) == 1
    assert {"broker", "database", "console"} <= services.keys()
    assert "container_name" not in services["detector"] and "ports" not in services["detector"]


@pytest.mark.parametrize("name", ["deploy/compose.yaml", "deploy/fleet.compose.yaml"])
def test_compose_sets_only_what_the_program_has_and_publishes_to_this_machine_only(name):
    services = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))["services"]
    for service in services.values():
        environ = service.get("environment", {})
        ours = {key: "1" for key in environ if key.startswith("RADD_")}
        known_names(ours)
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:")


def known_names(environ: dict[str, str]) -> None:
    """Raises ConfigError for a variable that no setting has."""
    sections = typing.get_type_hints(Settings)
    names = {
        f"RADD_{section}_{key}".upper()
        for section, kind in sections.items()
        for key in typing.get_type_hints(kind)
    }
    assert environ.keys() <= names


def test_kubernetes_manifests_fit_their_schemas():
    validator = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    text = (ROOT / "deploy/kubernetes.yaml").read_text(encoding="utf-8")
    documents = list(yaml.safe_load_all(text))
    for document in documents:
        validator.validate(document, "1.30", strict=True)
    kinds = [document["kind"] for document in documents]
    assert {"Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget"} <= set(kinds)
    for document in documents:
        if document["kind"] != "Deployment":
            continue
        pod = document["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        known_names({entry["name"]: "" for entry in container["env"]})
        assert {"livenessProbe", "readinessProbe"} <= container.keys()
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert not pod["automountServiceAccountToken"]


def test_more_detectors_than_partitions_are_never_started():
    text = (ROOT / "deploy/kubernetes.yaml").read_text(encoding="utf-8")
    scaling = next(d for d in yaml.safe_load_all(text) if d["kind"] == "HorizontalPodAutoscaler")
    assert scaling["spec"]["maxReplicas"] <= load().fleet.partitions


def test_each_service_runs_in_an_image_that_the_dockerfile_makes():
    dockerfile = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
    compose = (ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")
    targets = set(re.findall(r"target: (\w+)", compose))
    assert targets == {"daemon", "services"} <= set(re.findall(r" AS (\w+)", dockerfile))
    last_user = dockerfile.rindex("\nUSER ")
    assert dockerfile[last_user:].split()[1] == "$UID", "no image ends as root"


def test_ci_keeps_the_wheel():
    workflow = (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
    assert "pip wheel --no-deps --wheel-dir dist ." in workflow
    assert "actions/upload-artifact@" in workflow and "path: dist/radd-*.whl" in workflow
