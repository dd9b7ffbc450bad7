"""The bundles of a directory: which there are, what was measured of them, whether they are
whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from radd.bundle import CHAMPION, MANIFEST, read_manifest
from radd.errors import ConfigError, ModelError

NUMBERS = {
    "eer_percent": "EER {:.1f} %",
    "missed_percent": "missed {:.0f} %",
    "false_alarms_per_hour": "{:.1f} false alarms an hour",
}


@dataclass(frozen=True, slots=True)
class Shelved:
    """A bundle that is here."""

    directory: Path
    since: date
    """of its manifest's file here: a bundle bears no date of its own, so that the same training
    gives the same bytes
    """
    size_mb: float
    in_use: bool
    """named by the file CHAMPION beside it"""
    manifest: dict[str, Any]
    """empty where it will not load"""
    problem: str | None
    """why it will not load"""


def manifests(directory: Path, deep: bool) -> list[Path]:
    """Those of the bundles in `directory`, or with `deep` anywhere below it, by path."""
    return sorted(directory.glob(f"{'**' if deep else '*'}/{MANIFEST}"))


def shelf(directory: Path, deep: bool) -> list[Shelved]:
    """The bundles in `directory`, or with `deep` anywhere below it, by path; reads every file of
    theirs.
    """
    return [_shelved(path.parent) for path in manifests(directory, deep)]


def _shelved(bundle: Path) -> Shelved:
    manifest, problem = {}, None
    try:
        manifest = read_manifest(bundle)
        if lacking := [
            key for key in ("name", "version", "training", "metrics") if key not in manifest
        ]:
            manifest, problem = {}, f"its manifest lacks {', '.join(lacking)}; restore the bundle"
    except ModelError as error:
        problem = str(error)
    alias = bundle.parent / CHAMPION
    return Shelved(
        directory=bundle,
        since=date.fromtimestamp((bundle / MANIFEST).stat().st_mtime),
        size_mb=sum(path.stat().st_size for path in bundle.iterdir()) / 1e6,
        in_use=alias.is_file() and alias.read_text(encoding="utf-8").strip() == bundle.name,
        manifest=manifest,
        problem=problem,
    )


def list_models(directory: Path) -> str:
    """A paragraph for each bundle below `directory`, with its measured numbers; of a broken one,
    why it will not load.

    Raises ConfigError where there is no bundle.
    """
    found = shelf(directory, deep=True)
    if not found:
        raise ConfigError(
            f"there is no bundle below {directory}; make one with: train.py fit --data CORPUS "
            "--out DIR"
        )
    return "\n".join(_described(bundle) for bundle in found)


def _described(bundle: Shelved) -> str:
    if bundle.problem is not None:
        return f"{bundle.directory}  BROKEN: {bundle.problem}"
    manifest, used = bundle.manifest, ", in use" if bundle.in_use else ""
    lines = [
        f"{bundle.directory}  {manifest['name']} {manifest['version']}, {bundle.size_mb:.1f} MB, "
        f"here since {bundle.since}, every hash holds{used}"
    ]
    if learned := manifest["training"].get("train"):
        clips = ", ".join(f"{n} {label}" for label, n in sorted(learned["clips"].items()))
        lines.append(
            f"  learned from {clips} clips, {learned['hours']} h, {learned['systems']} synthesis "
            "systems"
        )
    for run, values in manifest["metrics"].items():
        numbers = [
            words.format(values[key])
            for key, words in NUMBERS.items()
            if values.get(key) is not None
        ]
        lines.append(f"  {run}: {', '.join(numbers)}")
    return "\n".join(lines if manifest["metrics"] else [*lines, "  not measured yet"])
