"""hf:NAME in place of a bundle: what was converted is found, what was not is said in one line."""

import json
from pathlib import Path

import pytest
from fixtures_window_bundle import write_window_bundle

import detect
import evaluate
from radd.bundle import read_manifest
from radd.errors import ModelError
from radd.hub import bundle_directory, place_of


def test_a_converted_model_is_found(tmp_path, monkeypatch):
    place = write_window_bundle(place_of("hf:some/model", tmp_path))
    assert bundle_directory(tmp_path / "elsewhere", "hf:some/model", tmp_path) == place
    assert place.name.startswith("some--model-") and read_manifest(place)
    assert place_of("hf:some--model", tmp_path) != place, "two names, one place"
    (tmp_path / "saved").mkdir()
    monkeypatch.chdir(tmp_path)
    assert place_of("hf:saved", tmp_path) == place_of(f"hf:{tmp_path / 'saved'}", tmp_path)


def test_a_converted_model_listens(tmp_path, monkeypatch, capsys):
    write_window_bundle(place_of("hf:some/model", tmp_path))
    monkeypatch.setattr("radd.hub.CONVERTED", tmp_path)
    demo = str(Path(__file__).parents[1] / "assets" / "demo.flac")
    assert (
        detect.main(
            [
                "--bundle",
                "hf:some/model",
                "--source",
                demo,
                "--json",
                "--no-store",
                "--duration",
                "6",
            ]
        )
        == 0
    )
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(one["type"] == "score" and one["llr"] is not None for one in told) > 10


def test_anything_else_is_a_directory(tmp_path):
    assert bundle_directory(tmp_path, "models/default") == tmp_path / "models" / "default"
    assert bundle_directory(tmp_path, "/somewhere") == Path("/somewhere")


def test_a_name_is_needed():
    with pytest.raises(ModelError, match="expected hf:NAME"):
        place_of("hf:")


def test_what_was_not_converted_is_told_in_one_line(tmp_path, capsys, monkeypatch):
    assert detect.main(["--bundle", "hf:nobody/nothing", "--source", "x.wav", "--no-store"]) == 4
    said = capsys.readouterr().err
    assert "hf:nobody/nothing has not been converted yet: run" in said and said.count("\n") == 1
    monkeypatch.setenv("RADD_MODEL_BUNDLE", "hf:nobody/nothing")
    (tmp_path / "trials.csv").write_text("utt,key\na,bonafide\nb,spoof\n")
    run = [
        "score",
        "--protocol",
        tmp_path / "trials.csv",
        "--audio",
        tmp_path,
        "--out",
        tmp_path / "run",
    ]
    assert evaluate.main([str(argument) for argument in run]) == 4
    assert "train.py import hf:nobody/nothing" in capsys.readouterr().err
