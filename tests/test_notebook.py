"""notebooks/first_look.ipynb: it was run from top to bottom, and every cell runs again on a corpus
that it makes itself.
"""

import json
import shutil
import sys
from pathlib import Path

import matplotlib
import pytest

from notebooks.small_corpus import PEOPLE

ROOT = Path(__file__).parents[1]
NOTEBOOK = json.loads((ROOT / "notebooks" / "first_look.ipynb").read_text(encoding="utf-8"))
CELLS = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def test_it_holds_the_outputs_of_one_run_without_errors_and_without_places_of_a_machine():
    assert [cell["execution_count"] for cell in CELLS] == list(range(1, len(CELLS) + 1))
    outputs = [output for cell in CELLS for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} == {"stream", "display_data"}
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    printed = "".join("".join(output.get("text", "")) for output in outputs)
    assert "bonafide: " in printed and "shipped: " in printed
    assert str(ROOT) not in printed and "/site-packages/" not in printed and "/home/" not in printed


def test_every_cell_runs(tmp_path, monkeypatch, capsys):
    for needed in ("librosa", "sklearn", "skl2onnx"):
        pytest.importorskip(needed, reason=f"{needed} is not installed: pip install -e '.[train]'")
    if not PEOPLE.is_dir():
        pytest.skip("there is no real speech: apt install pocketsphinx-testdata")
    if shutil.which("espeak-ng") is None:
        pytest.skip("there is no speech engine: apt install espeak-ng")
    corpus = tmp_path / "corpus"
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(ROOT)
    matplotlib.use("agg")
    from matplotlib import pyplot

    names = {}
    for cell in CELLS:
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
        if "parameters" in cell["metadata"].get("tags", ()):
            names |= {
                "CORPUS": str(corpus),
                "TRIALS": str(corpus / "protocol.eval.txt"),
                "SOUND": str(corpus),
                "WORK": str(tmp_path / "work"),
                "JOBS": 1,
            }
    said = capsys.readouterr().out
    assert names["rates"].keys() == {"logistic", "shipped"}
    assert all(f"{name}: " in said for name in ("bonafide", "spoof", "logistic", "shipped"))
    titles = [
        axis.get_title() for number in pyplot.get_fignums() for axis in pyplot.figure(number).axes
    ]
    assert len(pyplot.get_fignums()) == 3 and any(title.startswith("spoof: ") for title in titles)
    assert all(len(axis.lines) >= 2 for axis in pyplot.figure(pyplot.get_fignums()[-1]).axes)
    pyplot.close("all")
