"""The bundles of a directory: which there are, what was measured of them, whether they are whole."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from radd.bundle import CHAMPION, MANIFEST, read_manifest
from radd.errors import ConfigError, ModelError

NUMBERS = {
    "eer_percent": "EER {:.1f} %",
    "missed_percent": "missed {:.0f} %",
    "false_alarms_per_hour": "{:.1f} false alarms an hour",
}


def list_models(directory: Path) -> str:
    """A paragraph for each bundle below `directory`, with its measured numbers; of a broken one, why it will not load.

    A bundle bears no date of its own, so that the same training gives the same bytes: what is told is the date of its
    file here. Raises ConfigError where there is no bundle.
    """
    found = sorted(path.parent for path in directory.glob(f"**/{MANIFEST}"))
    if not found:
        raise ConfigError(f"there is no bundle below {directory}; make one with: train.py fit --data CORPUS --out DIR")
    return "\n".join(_described(bundle) for bundle in found)


def _described(bundle: Path) -> str:
    try:
        manifest = read_manifest(bundle)
        name, version, learned = manifest["name"], manifest["version"], manifest["training"].get("train")
        metrics = manifest["metrics"]
    except ModelError as error:
        return f"{bundle}  BROKEN: {error}"
    except KeyError as error:
        return f"{bundle}  BROKEN: its manifest lacks {error}; restore the bundle"
    size = sum(path.stat().st_size for path in bundle.iterdir()) / 1e6
    since = date.fromtimestamp((bundle / MANIFEST).stat().st_mtime)
    alias = bundle.parent / CHAMPION
    used = ", in use" if alias.is_file() and alias.read_text(encoding="utf-8").strip() == bundle.name else ""
    lines = [f"{bundle}  {name} {version}, {size:.1f} MB, here since {since}, every hash holds{used}"]
    if learned:
        clips = ", ".join(f"{n} {label}" for label, n in sorted(learned["clips"].items()))
        lines.append(f"  learned from {clips} clips, {learned['hours']} h, {learned['systems']} synthesis systems")
    for run, values in metrics.items():
        numbers = [words.format(values[key]) for key, words in NUMBERS.items() if values.get(key) is not None]
        lines.append(f"  {run}: {', '.join(numbers)}")
    return "\n".join(lines if metrics else [*lines, "  not measured yet"])
