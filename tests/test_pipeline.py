"""dvc.yaml: its stages are those of train.py and evaluate.py, and what they depend on is there."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("yaml", reason="PyYAML is not installed: pip install -e '.[train]' brings it")
import yaml

from app.options.evaluate import parse as parse_evaluate
from app.options.train import parse as parse_train
from training.config import STAGES

ROOT = Path(__file__).parents[1]
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())
VARIABLES = {name: value for entry in PIPELINE["vars"] for name, value in entry.items()}
NO_NETWORK = {
    "references",
    "imagenet",
}  # keys of [training] that both networks of the pipeline have nothing of


def filled(text: str) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda found: VARIABLES[found[1]], text)


def names(entries: list) -> list[str]:
    return [filled(entry if isinstance(entry, str) else next(iter(entry))) for entry in entries]


def parameters(stage: str) -> set[str]:
    return {
        key for entry in PIPELINE["stages"][stage].get("params", []) for key in entry["config.toml"]
    }


def test_each_stage_is_one_command_and_gives_what_later_ones_take():
    made = {VARIABLES[name] for name in ("corpus", "trials", "sound")}
    for name, stage in PIPELINE["stages"].items():
        missing = {
            path for path in names(stage["deps"]) if path not in made and not (ROOT / path).exists()
        }
        assert not missing, f"{name} depends on {missing}, which no stage before it makes"
        python, door, *arguments = shlex.split(filled(stage["cmd"]))
        assert python == VARIABLES["python"]
        parsed = parse_evaluate(arguments) if door == "evaluate.py" else parse_train(arguments)
        assert getattr(parsed, "stage", None) == (name if name in STAGES else None)
        assert door == "evaluate.py" or name in STAGES or parsed.command == "bundles.card"
        made |= {
            path for kind in ("outs", "metrics", "plots") for path in names(stage.get(kind, []))
        }
    assert tuple(PIPELINE["stages"]) == (*STAGES, "evaluate", "card")
    assert VARIABLES["bundle"] in made


def test_learning_is_repeated_for_each_setting_that_it_knows():
    settings = tomllib.loads((ROOT / "config.toml").read_text())
    assert parameters("train") == {
        f"training.{key}" for key in settings["training"].keys() - NO_NETWORK
    }
    for stage in PIPELINE["stages"]:
        for parameter in parameters(stage):
            section, _, key = parameter.partition(".")
            assert key in settings[section] or (not key and section in settings), (
                f"{stage}: {parameter}"
            )
