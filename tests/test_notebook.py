"""notebooks/first_look.ipynb: stripped of outputs, and every cell runs on a tiny corpus."""

import json
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import soundfile

from radd.files import load_speech

NOTEBOOK = json.loads((Path(__file__).parents[1] / "notebooks" / "first_look.ipynb").read_text())
CELLS = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def test_it_holds_no_outputs():
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in CELLS)


@pytest.fixture
def corpus(tmp_path, speech, request) -> Path:
    """Recordings of a reader and sentences of the installed engines, in three sides and four
    sources of both labels.
    """
    for needed in ("librosa", "sklearn", "skl2onnx"):
        pytest.importorskip(needed, reason=f"{needed} is not installed: pip install -e '.[train]'")
    import train

    folder = tmp_path / "corpus"
    assert train.main(["generate", "engines", "--out", str(folder), "--clips", "18"]) == 0
    fakes = (folder / "protocol.train.txt").read_text().splitlines()
    if not fakes:
        pytest.skip("there is no speech engine: apt install espeak-ng")
    sides = {"train": fakes[:9], "dev": fakes[9:14], "eval": fakes[14:]}
    voices = sorted({line.split()[0] for line in fakes})
    rows = [
        "utt,source_repo",
        *(f"{line.split()[1]},set{voices.index(line.split()[0]) % 4}" for line in fakes),
    ]
    for k, path in enumerate(sorted(speech.parent.glob("*.wav"))):
        samples = load_speech(path)
        for i, piece in enumerate(np.array_split(samples, max(3, len(samples) // 48_000))):
            soundfile.write(folder / f"real{k}-{i}.flac", piece, 16_000)
            sides[("train", "dev", "eval")[min(i, 2)]].append(f"reader{k} real{k}-{i} - - bonafide")
            rows.append(f"real{k}-{i},set{k % 4}")
    for side, lines in sides.items():
        (folder / f"protocol.{side}.txt").write_text("\n".join([*lines, ""]))
    (folder / "meta_real.csv").write_text("\n".join([*rows, ""]))
    return folder


def test_every_cell_runs(corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(Path(__file__).parents[1])
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
