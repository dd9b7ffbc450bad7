"""The card of a bundle: what a person should know before trusting it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from radd.bundle import CARD, MANIFEST, read_manifest, sha256
from radd.dataset import DecodedClips
from radd.errors import ConfigError
from training.recipe import RecipeSettings

NUMBERS = {
    "eer_percent": "EER, %",
    "eer_percent_ci95": "its 95 % interval",
    "cllr_bits": "Cllr, bit",
    "min_cllr_bits": "min Cllr, bit",
    "min_dcf": "minDCF (ASVspoof 5)",
    "act_dcf": "actDCF (ASVspoof 5)",
    "n_bonafide": "bona fide clips",
    "n_spoof": "spoof clips",
    "hours_real": "hours of real speech listened to",
    "false_alarms": "false alarms in them",
    "false_alarms_per_hour": "false alarms an hour, with the exact 95 % Poisson interval",
    "n_fakes": "fakes that took over",
    "missed_percent": "missed, %",
    "median_time_to_detection_s": "median time to detection, s",
    "p90_time_to_detection_s": "90th percentile of it, s",
}
FIGURES = {
    "dev_scores.svg": "Scores of the dev side's clips as they are; calibration has seen them, so new sound does worse.",
    "loss.svg": "Losses in training. Labels are smoothed and channels rough, so no loss comes near zero.",
}
LIMITS = """\
## What it cannot do

- It knows the synthesis systems in its training data and what resembles them. A new family of systems may pass, and no
  score of this program is proof by itself: it is evidence that a person weighs.
- Formant and diphone synthesis (espeak-ng, festival) is not in the training data and passes as a person's voice.
- A telephone line costs it most: G.711 hides what it listens for, and more fakes are missed.
- The encoder learned for minutes on two cores, not for days: its references lie close together, so the nearest known
  voices are hints to a listener at most, and the fusion gives them hardly any weight. The network on the spectrum judges.
- It judges windows of one to four seconds of speech. Shorter speech gets no number.
- Labels of the training data come from the names of pages and folders; some are wrong.
- Speech that was enhanced, heavily compressed or converted by a lossy neural codec may be called synthetic, because it
  partly is.
- It does not say who speaks, and it was not tested for equal accuracy over languages, ages and sexes.
"""


def describe_data(
    train: DecodedClips, dev: DecodedClips, recipe: RecipeSettings, references: int, licences: str
) -> dict[str, Any]:
    """What the bundle was made from, for manifest and card; `licences` is the choice that was made among them."""
    def side(clips: DecodedClips) -> dict[str, Any]:
        return {
            "clips": Counter(c.label for c in clips.clips),
            "hours": round(clips.hours, 1),
            "systems": len({c.system for c in clips.clips if c.label == "spoof"}),
            "sources": len({c.source for c in clips.clips}),
            "languages": len({c.language for c in clips.clips} - {"-"}),
        }

    stated = Counter(c.licence for c in train.clips)
    return {"train": side(train), "dev": side(dev), "references": references, "recipe": asdict(recipe),
            "licences_chosen": licences, "licences": dict(stated.most_common()),
            "sources": sorted({c.source for c in train.clips})}


def write_card(path: Path, training: dict[str, Any], metrics: dict[str, dict]) -> None:
    """Write the card: data, recipe, measured numbers by name of the run, limits."""
    lines = ["# Model card", "", "Tells speech of a person (bona fide) from synthetic speech (spoof); scores are natural-log",
             "likelihood ratios, higher = bona fide.", "", "## Data", ""]
    for side in ("train", "dev"):
        told = training[side]
        labels = ", ".join(f"{n} {label}" for label, n in sorted(told["clips"].items()))
        lines.append(f"- {side}: {labels} clips, {told['hours']} h, {told['systems']} synthesis systems, "
                     f"{told['sources']} sources, {told['languages']} languages")
    if training.get("licences_chosen") == "permissive":
        lines.append("- of both sides only the clips whose licence allows any use, trade included; all others were left out")
    lines += [f"- index: {training['references']} references from the train side",
              "- networks and index learned from the train side; fusion and calibration from the dev side", ""]
    lines += ["## Measured numbers", ""]
    lines += _numbers(metrics) if metrics else ["None yet: `train.py card --bundle DIR --metrics NAME=FILE` copies them in.", ""]
    lines += [line for figure, words in FIGURES.items() if (path.parent / figure).is_file()
              for line in (f"![{words}]({figure})", "", words, "")]
    lines += [LIMITS, "## Recipe", ""]
    lines += [f"- {key} = {value}" for key, value in training["recipe"].items()]
    lines += ["", "## Licences of the training clips", "", "| licence | clips |", "|---|---|"]
    lines += [f"| {licence} | {n} |" for licence, n in training["licences"].items()]
    lines += ["", "## Sources of the training clips", "", ", ".join(training["sources"]), ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def _numbers(metrics: dict[str, dict]) -> list[str]:
    lines = []
    for run, values in metrics.items():
        lines += [f"### {run}", "", "| what | value |", "|---|---|"]
        lines += [f"| {words} | {_shown(values[key])} |" for key, words in NUMBERS.items() if values.get(key) is not None]
        lines.append("")
    return lines


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return " to ".join(_shown(v) for v in value) if isinstance(value, list) else str(value)


def add_metrics(bundle: Path, files: dict[str, Path]) -> None:
    """Copy measured numbers into the card and manifest of `bundle`; the weights and their version stay what they are.

    `files` are metrics.json or stream.json files of evaluate.py by the name of the run. Raises ConfigError for a file
    that holds none of the known numbers.
    """
    manifest = read_manifest(bundle)
    metrics = dict(manifest["metrics"])
    for run, file in files.items():
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"cannot read the metrics {file}: {error}") from None
        if not isinstance(values, dict) or not NUMBERS.keys() & values.keys():
            raise ConfigError(f"{file} holds none of {', '.join(NUMBERS)}; expected metrics.json or stream.json of evaluate.py")
        metrics[run] = {key: values[key] for key in NUMBERS if key in values}
    write_card(bundle / CARD, manifest["training"], metrics)
    manifest["metrics"] = metrics
    manifest["files"][CARD] = sha256(bundle / CARD)
    (bundle / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
