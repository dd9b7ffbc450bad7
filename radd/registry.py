"""The bundles of a directory: which there are, which one is in use, and which one is tried.

Bundles are directories side by side. The file CHAMPION among them names the one in use, and the
file CANDIDATE one that scores in shadow mode beside it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from radd.bundle import MANIFEST, read_manifest
from radd.errors import ConfigError, ModelError

CHAMPION = "champion"  # a file beside the bundles that names the one in use
CANDIDATE = "candidate"  # and one that names a bundle which judges beside it, without a voice
RETRAINED = re.compile(
    r"r\d{8}T\d{6}"
)  # names that retraining gives, and the only ones that it removes

NUMBERS = {
    "eer_percent": "EER {:.1f} %",
    "missed_percent": "missed {:.0f} %",
    "false_alarms_per_hour": "{:.1f} false alarms an hour",
}


def in_use(configured: Path) -> Path:
    """The bundle that the file CHAMPION beside the configured one names; where there is none, the
    configured one.

    Raises ModelError where that file names no directory beside it.
    """
    return _read_alias(configured.parent / CHAMPION) or configured


def candidate_in_use(configured: Path) -> Path | None:
    """The bundle that the file CANDIDATE beside the configured one names; None where there is none.
    Raises as in_use.
    """
    return _read_alias(configured.parent / CANDIDATE)


def _read_alias(alias: Path) -> Path | None:
    try:
        name = alias.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"cannot read {alias}: {error}; name a bundle anew with train.py promote"
        ) from None
    if not name or name != Path(name).name or not (alias.parent / name).is_dir():
        raise ModelError(
            f"{alias} names {name!r}, which is no bundle beside it; name one with train.py promote"
        )
    return alias.parent / name


def promote(bundle: Path) -> str:
    """Put a bundle to use in one step; its name and version. Raises ModelError for one that is not
    whole.
    """
    manifest = read_manifest(bundle)
    _write_alias(bundle, CHAMPION)
    return version_of(manifest)


def propose_candidate(bundle: Path) -> None:
    """Have daemons judge with a bundle beside the champion, without a voice."""
    _write_alias(bundle, CANDIDATE)


def withdraw_candidate(models: Path) -> None:
    """No candidate any more."""
    (models / CANDIDATE).unlink(missing_ok=True)


def version_of(manifest: dict[str, Any]) -> str:
    """Name and version, as alerts and shadow runs have it."""
    return f"{manifest['name']} {manifest['version']}"


def _write_alias(bundle: Path, file: str) -> None:
    alias = bundle.parent / file
    aside = alias.with_name(f"{file}.new")
    try:
        with aside.open("w", encoding="utf-8") as opened:
            opened.write(f"{bundle.name}\n")
            opened.flush()
            os.fsync(opened.fileno())
        aside.replace(alias)
    except OSError as error:
        raise ModelError(
            f"cannot write {alias}: {error.strerror}; this user must be allowed to"
        ) from None


def sibling(configured: Path, name: str) -> Path:
    """The directory of the bundle `name` beside the configured one; raises ConfigError for what is
    no name.
    """
    if not name or name != Path(name).name or not (configured.parent / name).is_dir():
        raise ConfigError(
            f"there is no bundle {name!r} in {configured.parent}; train.py models lists what "
            "there is"
        )
    return configured.parent / name


def prune(models: Path, keep: int, needed: Collection[str]) -> list[str]:
    """Remove the oldest retrained bundles until `keep` are left; those `needed` stay. The names of
    what went.
    """
    found = sorted(
        path.name for path in models.iterdir() if path.is_dir() and RETRAINED.fullmatch(path.name)
    )
    spare = [name for name in found if name not in needed]
    gone = spare[: max(0, len(found) - keep)]
    for name in gone:
        shutil.rmtree(models / name)
    return gone


@dataclass(frozen=True, slots=True)
class BundleEntry:
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


def list_entries(directory: Path, deep: bool) -> list[BundleEntry]:
    """The bundles in `directory`, or with `deep` anywhere below it, by path; reads every file of
    theirs.
    """
    return [_entry(path.parent) for path in manifests(directory, deep)]


def _entry(bundle: Path) -> BundleEntry:
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
    return BundleEntry(
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
    found = list_entries(directory, deep=True)
    if not found:
        raise ConfigError(
            f"there is no bundle below {directory}; make one with: train.py fit --data CORPUS "
            "--out DIR"
        )
    return "\n".join(_described(bundle) for bundle in found)


def _described(bundle: BundleEntry) -> str:
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
