"""train.py models: the bundles that are here, whole and broken ones."""

import json
import shutil
import subprocess
import sys

import train


def test_whole_and_broken_bundles_are_told_apart(
    shipped_bundle, suspicious_bundle, tmp_path, capsys
):
    for name in ("whole", "changed", "robbed", "bare"):
        shutil.copytree(shipped_bundle, tmp_path / name)
    shutil.copytree(suspicious_bundle, tmp_path / "deeper" / "unmeasured")
    card = tmp_path / "changed" / "card.md"
    card.write_text(card.read_text() + "It never errs.")
    (tmp_path / "robbed" / "index.npy").unlink()
    manifest = json.loads((tmp_path / "bare" / "manifest.json").read_text())
    (tmp_path / "bare" / "manifest.json").write_text(json.dumps(manifest | {"files": {}}))
    assert train.main(["models", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    blocks = dict(block.split("  ", 1) for block in said.replace("\n  ", " / ").splitlines())
    found = {path.rpartition("/")[2]: told for path, told in blocks.items()}
    assert (
        manifest["version"] in found["whole"]
        and "every hash matches" in found["whole"]
        and "EER" in found["whole"]
    )
    assert "BROKEN" in found["changed"] and "card.md differs from the file" in found["changed"]
    assert "BROKEN" in found["robbed"] and "lacks index.npy" in found["robbed"]
    assert "BROKEN" in found["bare"]
    assert "every hash matches" in found["unmeasured"] and "not measured yet" in found["unmeasured"]


def test_a_run_without_a_figure_of_its_own_points_to_the_card(shipped_bundle, tmp_path, capsys):
    shutil.copytree(shipped_bundle, tmp_path / "bundle")
    table = {"n_bonafide": 2, "n_spoof": 3, "heard": {"clean": {"eer_percent": 7.0}}}
    (tmp_path / "heard.json").write_text(json.dumps(table))
    run = f"conditions={tmp_path / 'heard.json'}"
    assert train.main(["card", "--bundle", str(tmp_path / "bundle"), "--metrics", run]) == 0
    assert train.main(["models", str(tmp_path)]) == 0
    assert "conditions: see card.md" in capsys.readouterr().out


def test_a_directory_without_bundles(tmp_path, capsys):
    assert train.main(["models", str(tmp_path)]) == 2
    assert "no bundle below" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_fault():
    with subprocess.Popen(
        [sys.executable, train.__file__, "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as ended:
        ended.stdout.close()
        assert ended.stderr.read() == b"" and ended.wait() == 141
