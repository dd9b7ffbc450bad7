"""The bundles of a directory: what exists, which one is in use, and which one is a candidate.

Bundles are directories side by side. The file CHAMPION among them names the one in use, and the
file CANDIDATE one that scores in shadow mode.
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

from radd.bundle import CARD, MANIFEST, RADD, read_manifest
from radd.errors import ConfigError, ModelError

CHAMPION = "champion"  # a file beside the bundles that names the one in use
CANDIDATE = "candidate"  # a file that names the bundle in shadow mode
RETRAINED = re.compile(
    r"r\d{8}T\d{6}"
)  # names given by retraining; only bundles with such names are ever removed

NUMBERS = {
    "eer_percent": "EER {:.1f} %",
    "missed_percent": "missed {:.0f} %",
    "false_alarms_per_hour": "{:.1f} false alarms per hour",
}


def in_use(configured: Path) -> Path:
    """The bundle that the file CHAMPION beside the configured one names; without that file, the
    configured one.

    Raises ModelError if the file does not name a directory beside it.
    """
    return _read_alias(configured.parent / CHAMPION) or configured


def candidate_in_use(configured: Path) -> Path | None:
    """The bundle that the file CANDIDATE beside the configured one names, or None. Raises
    ModelError like in_use.
    """
    return _read_alias(configured.parent / CANDIDATE)


def _read_alias(alias: Path) -> Path | None:
    try:
        name = alias.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"cannot read {alias}: {error}; choose a bundle again with train.py promote"
        ) from None
    if not name or name != Path(name).name or not (alias.parent / name).is_dir():
        raise ModelError(
            f"{alias} names {name!r}, but there is no such bundle; choose one with train.py promote"
        )
    return alias.parent / name


def promote(bundle: Path) -> str:
    """Put a bundle into use atomically and return its name and version. Raises ModelError for a
    damaged one.
    """
    manifest = read_manifest(bundle)
    _write_alias(bundle, CHAMPION)
    return version_of(manifest)


def propose_candidate(bundle: Path) -> None:
    """Have daemons score with a bundle in shadow mode."""
    _write_alias(bundle, CANDIDATE)


def withdraw_candidate(models: Path) -> None:
    """End shadow mode."""
    (models / CANDIDATE).unlink(missing_ok=True)


def version_of(manifest: dict[str, Any]) -> str:
    """Name and version, as in alerts and shadow runs."""
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
            f"cannot write {alias}: {error.strerror}; give this user write permission"
        ) from None


def sibling(configured: Path, name: str) -> Path:
    """The directory of the bundle `name` beside the configured one. Raises ConfigError for an
    invalid name.
    """
    if not name or name != Path(name).name or not (configured.parent / name).is_dir():
        raise ConfigError(
            f"there is no bundle {name!r} in {configured.parent}; train.py models lists the "
            "available ones"
        )
    return configured.parent / name


def prune(models: Path, keep: int, needed: Collection[str]) -> list[str]:
    """Remove the oldest retrained bundles until `keep` are left, except those `needed`. Returns the
    removed names.
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
    """A bundle on this machine."""

    directory: Path
    since: date
    """modification date of the manifest: a bundle has no date of its own, so that the same training
    gives the same bytes
    """
    size_mb: float
    in_use: bool
    """named by the file CHAMPION beside it"""
    manifest: dict[str, Any]
    """empty if the bundle does not load"""
    problem: str | None
    """why the bundle does not load"""


def manifests(directory: Path, deep: bool) -> list[Path]:
    """Manifests of the bundles in `directory`, or with `deep` anywhere below it, by path."""
    return sorted(directory.glob(f"{'**' if deep else '*'}/{MANIFEST}"))


def against(used: dict[str, Any], other: dict[str, Any]) -> str | None:
    """In a sentence what speaks against promoting the bundle of manifest `other`: it is worse than
    the one in use, or of another kind; None if nothing does.
    """
    kinds = [manifest.get("kind", RADD) for manifest in (used, other)]
    is_other = f"it is another kind of model ({kinds[1]}; in use: {kinds[0]})"
    told = [worse_than(used, other), is_other if kinds[0] != kinds[1] else None]
    return "; ".join(text for text in told if text) or None


def worse_than(used: dict[str, Any], other: dict[str, Any]) -> str | None:
    """In a sentence that the bundle of manifest `other` has a higher equal error rate than the one
    in use on the same recordings, or that this was not measured; None if it is not so.
    """
    rates = [
        {
            name: one["eer_percent"]
            for name, one in manifest.get("metrics", {}).items()
            if isinstance(one, dict) and one.get("eer_percent") is not None
        }
        for manifest in (used, other)
    ]
    both = [name for name in rates[0] if name in rates[1]]
    if not both:
        return "its error rate was not measured on the recordings of the bundle in use"
    worse = [
        f"{name}: EER {rates[1][name]:.1f} %, that of the bundle in use {rates[0][name]:.1f} %"
        for name in both
        if rates[1][name] > rates[0][name]
    ]
    return f"it is worse than the bundle in use ({'; '.join(worse)})" if worse else None


def list_entries(directory: Path, deep: bool) -> list[BundleEntry]:
    """The bundles in `directory`, or with `deep` anywhere below it, by path; reads all their
    files.
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
    """Describe each bundle below `directory` with its measured numbers, or why it does not load.

    Raises ConfigError if there is no bundle.
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
        f"here since {bundle.since}, every hash matches{used}"
    ]
    if learned := manifest["training"].get("train"):
        clips = ", ".join(f"{n} {label}" for label, n in sorted(learned["clips"].items()))
        lines.append(
            f"  trained on {clips} clips, {learned['hours']} h, {learned['systems']} synthesis "
            "systems"
        )
    for run, values in manifest["metrics"].items():
        numbers = [
            words.format(values[key])
            for key, words in NUMBERS.items()
            if values.get(key) is not None
        ]
        lines.append(f"  {run}: {', '.join(numbers) or f'see {CARD}'}")
    return "\n".join(lines if manifest["metrics"] else [*lines, "  not measured yet"])
