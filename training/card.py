"""The card of a bundle: what a person should know before trusting it."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from radd.bundle import CARD, MANIFEST, read_manifest, sha256
from radd.dataset import DecodedClips
from radd.errors import ConfigError, reason
from training.card_metrics import NUMBERS, collect, describe
from training.config import TrainingConfig

FIGURES = {
    "dev_scores.svg": (
        "Scores of the dev side's clips as they are; calibration has seen them, so new sound does "
        "worse."
    ),
    "importances.svg": (
        "What a feature is worth: the part of the area under the ROC curve that sources which "
        "were not learned from lose where its values are shuffled. importances.csv has them all."
    ),
    "loss.svg": (
        "Losses in training. Labels are smoothed and channels rough, so no loss comes near zero."
    ),
}
LIMITS = """\
## What it cannot do

- It knows the synthesis systems in its training data and what resembles them. A new family of
  systems may pass, and no score is proof by itself: it is evidence that a person weighs.
- Expect the figures of sources that training never met, such as the dev set above, not those of a
  set that resembles the training data.
- A telephone line removes what lies above 3.4 kHz. More fakes are missed there, and more real
  voices are called fake.
- Scores drift between sources. A threshold that fits one line or one microphone may not fit
  another: check it on recordings of your own.
- It scores windows of one to four seconds of speech. Shorter speech gets no number.
- Labels of the training data come from the names of pages and folders. Some are wrong.
- Speech that was enhanced, heavily compressed or converted by a lossy neural codec may be called
  synthetic, because it partly is.
- It does not say who speaks, and it was not tested for equal accuracy over languages, ages and
  sexes.
"""
WINDOW_LIMITS = """\
## What it cannot do

- It is a baseline: a model of simpler projects, trained here to compare with. bench/baselines.md
  has what it is worth.
- It judges a window of sound as a whole, has no index of known voices and cannot learn from labels.
- It knows the synthesis systems in its training data and what resembles them; no score is proof by
  itself.
- Labels of the training data come from the names of pages and folders; some are wrong.
- It was not tested for equal accuracy over languages, ages and sexes.
"""


def describe_data(
    train: DecodedClips, dev: DecodedClips, recipe: TrainingConfig, references: int, licences: str
) -> dict[str, Any]:
    """What the bundle was made from, for manifest and card; `licences` is the licence filter that
    was used.
    """

    def side(clips: DecodedClips) -> dict[str, Any]:
        return {
            "clips": Counter(c.label for c in clips.clips),
            "hours": round(clips.hours, 1),
            "systems": len({c.system for c in clips.clips if c.label == "spoof"}),
            "sources": len({c.source for c in clips.clips}),
            "languages": len({c.language for c in clips.clips} - {"-"}),
        }

    stated = Counter(c.licence for c in train.clips)
    return {
        "train": side(train),
        "dev": side(dev),
        "references": references,
        "recipe": asdict(recipe),
        "licences_chosen": licences,
        "licences": dict(stated.most_common()),
        "sources": sorted({c.source for c in train.clips}),
    }


def write_card(path: Path, training: dict[str, Any], metrics: dict[str, dict]) -> None:
    """Write the card: data, recipe, measured numbers by name of the run, limits."""
    numbers = ["## Measured numbers", ""]
    numbers += (
        describe(metrics)
        if metrics
        else ["None yet: `train.py card --metrics NAME=FILE` copies them in.", ""]
    )
    if "imported" in training:
        path.write_text("\n".join([*_imported(training), *numbers]), encoding="utf-8")
        return
    lines = [
        "# Model card",
        "",
        "Tells speech of a person (bona fide) from synthetic speech (spoof); scores are",
        "natural-log likelihood ratios, higher = bona fide.",
        "",
        "## Data",
        "",
    ]
    for side in ("train", "dev"):
        of = training[side]
        labels = ", ".join(f"{n} {label}" for label, n in sorted(of["clips"].items()))
        lines.append(
            f"- {side}: {labels} clips, {of['hours']} h, {of['systems']} synthesis systems, "
            f"{of['sources']} sources, {of['languages']} languages"
        )
    if training.get("licences_chosen") == "permissive":
        lines.append(
            "- of both sides only clips whose licence allows any use, trade included: `--licences "
            "permissive`"
        )
    if "model" in training:
        lines += [
            f"- the model {training['model']} learned from the train side; calibration from the "
            "dev side",
            "",
        ]
    else:
        lines += [
            f"- index: {training['references']} references from the train side",
            "- networks and index learned from the train side; fusion and calibration from the "
            "dev side",
            "",
        ]
    lines += _backbone(training.get("backbone", {}))
    lines += numbers
    lines += [
        line
        for figure, words in FIGURES.items()
        if (path.parent / figure).is_file()
        for line in (f"![{words}]({figure})", "", words, "")
    ]
    lines += [WINDOW_LIMITS if "model" in training else LIMITS, "## Recipe", ""]
    lines += [f"- {key} = {value}" for key, value in training["recipe"].items()]
    for earlier in training.get("before", []):
        lines += [
            "",
            "Learning went on from networks that had learned with "
            + ", ".join(f"{key} = {value}" for key, value in earlier.items())
            + ".",
        ]
    lines += ["", "## Licences of the training clips", "", "| licence | clips |", "|---|---|"]
    lines += [f"| {licence} | {n} |" for licence, n in training["licences"].items()]
    lines += ["", "## Sources of the training clips", "", ", ".join(training["sources"]), ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def _backbone(origins: dict[str, str]) -> list[str]:
    """Where the frozen networks below the encoder come from."""
    if not origins:
        return []
    parts = [f"- {origin}" for origin in origins.values()]
    return ["## Pretrained parts", "", "Frozen; only a head was trained on them.", "", *parts, ""]


def _imported(training: dict[str, Any]) -> list[str]:
    """What is known about a third-party model."""
    sources = training["calibrated_on"]
    classes = [
        f"- {label}: its class{'es' if len(names) > 1 else ''} {', '.join(names)}"
        for label, names in training["classes"].items()
    ]
    return [
        "# Model card",
        "",
        f"{training['imported']}, a model of kind {training['kind']} with "
        f"{training['parameters']:,} parameters, converted as",
        "it is. What its makers say of data, licence and limits holds here too.",
        "",
        *classes,
        f"- Its scores are differences of its logits, calibrated on clips of {', '.join(sources)}."
        if sources
        else "- Its scores are differences of its logits. Nobody has calibrated them, so "
        "probabilities and alerts may be off;\n"
        "  the Cllr of `evaluate.py score` says by how much, and `train.py import --data CORPUS` "
        "calibrates.",
        "",
    ]


def refuse_other(out: Path) -> None:
    """Raise ConfigError if the directory is neither empty nor a bundle."""
    if out.exists() and any(out.iterdir()) and not (out / CARD).is_file():
        raise ConfigError(f"{out} is neither empty nor a bundle; name another directory with --out")


def replace_bundle(made: Path, out: Path) -> None:
    """Copy a finished bundle to `out` atomically, so that nobody loads half of one."""
    refuse_other(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = out.with_name(out.name + ".new"), out.with_name(out.name + ".old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(made, fresh)
    if out.exists():
        out.rename(old)
    fresh.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def add_metrics(bundle: Path, files: dict[str, Path], out: Path | None = None) -> None:
    """Copy measured numbers into the card and manifest of `bundle`; the weights and their version
    do not change.

    `files` are metrics.json or stream.json of evaluate.py or heard.json of bench/robustness.py, by
    name of the run. With `out`, the bundle is unchanged and a copy there gets the numbers. Raises
    ConfigError for a file without any known number, and if `out` is neither empty nor a bundle.
    """
    manifest = read_manifest(bundle)
    metrics = dict(manifest["metrics"])
    for run, file in files.items():
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"cannot read the metrics {file}: {reason(error)}") from None
        if not isinstance(values, dict) or not (kept := collect(values)):
            raise ConfigError(
                f"{file} has none of {', '.join(NUMBERS)}; expected metrics.json or stream.json "
                "of evaluate.py, or heard.json of bench/robustness.py"
            )
        metrics[run] = kept
    if out is not None:
        replace_bundle(bundle, out)
        bundle = out
    write_card(bundle / CARD, manifest["training"], metrics)
    manifest["metrics"] = metrics
    manifest["files"][CARD] = sha256(bundle / CARD)
    (bundle / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
