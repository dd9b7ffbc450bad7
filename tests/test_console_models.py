"""The loop that learns, as the console shows and steers it: who may, what is told, what then
judges.
"""

import os
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from fixtures_console import ADMIN, REVIEWER, ROOT, VIEWER
from fixtures_review import flagged, keep, one
from fixtures_storage import score, until
from test_console_auth import bearer
from test_console_recordings import as_file, predict, problem

import train
from app.settings import load
from radd.bundle import load_detector, read_manifest
from radd.files import load_speech
from radd.registry import in_use, worse_than
from radd.types import Neighbour
from storage import tables
from storage.learning import Learning
from stream.hot_reload import follow

pytest.importorskip(
    "fastapi", reason="the console's packages are missing: pip install -e '.[serve]'"
)

ANN = {"person": "Ann", "reason": "<b>'; DROP TABLE decisions; --"}
GATE = {
    "name": "clean: EER",
    "champion": 0.2,
    "candidate": None,
    "interval": [None, 0.1],
    "passed": False,
}


@pytest.fixture
def looped(console, models, loaded):
    """A client of a console that follows the bundle in use below `models`; its command to retrain
    may be given.
    """

    def make(url: str | None = None, command=("false",), **changes):
        shipped = load(environ={})
        newest = follow(
            lambda: in_use(models / "default"),
            lambda now: load_detector(now, shipped.model, shipped.gate),
            models / "default",
        )
        mine = replace(loaded, bundle=replace(loaded.bundle, directory=models / "default"))
        return console(
            url,
            parts={
                "detector": mine,
                "newest": newest,
                "configured": models / "default",
                "retrain_command": command,
                "overlay_s": 0.05,
            },
            **changes,
        )

    return make


def test_only_an_admin_chooses_and_retrains(looped, models):
    client = looped(viewer_token=VIEWER, reviewer_token=REVIEWER, admin_token=ADMIN)
    for path in ("/v1/retrain", "/v1/models/rollback", "/v1/models/r20260101T000000/promote"):
        problem(client.post(path, json=ANN), 401)
        for token in (VIEWER, REVIEWER):
            assert "admin" in problem(client.post(path, json=ANN, headers=bearer(token)), 403)
    for path in ("/v1/models", "/v1/drift"):
        problem(client.get(path), 401)
        assert client.get(path, headers=bearer(VIEWER)).status_code == 200
    assert in_use(models / "default").name == "default"
    assert (
        client.post(
            "/v1/models/r20260101T000000/promote", json=ANN, headers=bearer(ADMIN)
        ).status_code
        == 200
    )


def test_what_is_put_to_use_judges_without_a_restart_and_says_so(looped, models, speech):
    client, recording = looped(), as_file(load_speech(speech)[: 4 * 16_000], "wav")
    before = predict(client, recording).json()
    assert before["verdict"] != "spoof"
    with client.websocket_connect("/v1/stream", headers={"Host": "localhost"}) as socket:
        socket.send_bytes(bytes(4096))
        assert socket.receive_json()["type"] == "score"
        answer = client.post(
            "/v1/models/r20260101T000000/promote", json=ANN | {"instead_of": "default"}
        ).json()
        assert answer["in_use"] == "r20260101T000000" == in_use(models / "default").name
        after = until(
            lambda: (
                (found := predict(client, recording).json())["model"] == answer["model"] and found
            )
        )
        assert after["verdict"] == "spoof" and before["model"] != after["model"] == client.get(
            "/v1/model"
        ).json()["name"] + (" " + client.get("/v1/model").json()["version"])
        socket.send_bytes(bytes(4096))
        assert socket.receive_json() == {"type": "model", "t": 0.128, "bundle": answer["model"]}
        assert socket.receive_json()["type"] == "score"
    assert client.post("/v1/models/rollback", json=ANN).json() == {
        "in_use": "default",
        "model": before["model"],
    }
    until(lambda: client.get("/v1/models").json()["judging"] == before["model"])
    assert predict(client, recording).json()["llr"] == pytest.approx(before["llr"], abs=1e-4)


def test_a_bundle_that_is_worse_or_was_not_measured_is_warned_of(looped, models):
    client = looped()
    entries = {one["directory"]: one for one in client.get("/v1/models").json()["bundles"]}
    assert entries["default"]["warning"] is None
    assert "not measured" in entries["r20260101T000000"]["warning"]
    (name, measured), *_ = read_manifest(models / "default")["metrics"].items()
    for eer, words in ((99.0, "worse"), (0.0, None)):
        other = {"metrics": {name: measured | {"eer_percent": eer}}}
        told = worse_than(read_manifest(models / "default"), other)
        assert words in told if words else told is None


def test_a_promotion_on_the_command_line_warns_too(models, tmp_path, capsys):
    config = tmp_path / "c.toml"
    config.write_text(
        f'[model]\nbundle = "{models}/default"\n[storage]\nurl = "sqlite:///{tmp_path}/a.db"\n'
    )
    assert train.main(["promote", "r20260101T000000", "--config", str(config)]) == 0
    assert "warning: r20260101T000000: its error rate was not measured" in capsys.readouterr().err


def test_retraining_is_not_offered_where_it_cannot_run(looped, monkeypatch):
    client = looped()
    assert client.get("/v1/models").json()["cannot_retrain"] is None
    monkeypatch.setattr("app.console.find_spec", lambda name: None)
    assert "scikit-learn" in client.get("/v1/models").json()["cannot_retrain"]
    assert "scikit-learn" in problem(client.post("/v1/retrain", json=ANN), 409)


def test_every_choice_is_told_with_who_made_it_and_why(looped, models, settings):
    client = looped(settings.url)
    version = client.get("/v1/models").json()["bundles"][1]["version"]
    assert client.post(f"/v1/models/{version}/promote", json=ANN).status_code == 200
    assert client.post("/v1/models/rollback", json={"person": "Bea"}).status_code == 200
    with Learning(settings.url) as store:
        store.decide("refuse", "r20260102T000000", "radd x", "default", "default stays", [GATE])
    told = client.get("/v1/models").json()
    assert [row["action"] for row in told["decisions"]] == ["refuse", "rollback", "promote"]
    assert told["decisions"][0]["gates"] == [GATE]
    assert told["decisions"][1]["reason"] == "Bea in the console"
    assert (
        told["decisions"][2]["reason"]
        == f"Ann in the console: {ANN['reason']}"
        == one(settings.url, tables.decisions, action="promote")["reason"]
    )
    assert told["in_use"] == "default" and [row["in_use"] for row in told["bundles"]] == [
        True,
        False,
    ]


def test_what_cannot_be_chosen_changes_nothing(looped, models):
    shutil.copytree(models / "default", models / "broken")
    (models / "broken" / "index.npy").write_bytes(b"")
    client = looped()
    for path, sent, status, words in [
        ("r20260101T000000/promote", {"instead_of": "mine"}, 409, "default is in use, not mine"),
        ("r20260101T000000/promote", {"person": " "}, 422, "person"),
        ("default%00/promote", {}, 404, "no bundle default"),
        ("nothing/promote", {}, 404, "no bundle nothing"),
        ("default/promote", {}, 400, "in use already"),
        ("broken/promote", {}, 409, "SHA-256 mismatch"),
        ("rollback", {}, 400, "no bundle was in use before"),
    ]:
        assert words in problem(client.post(f"/v1/models/{path}", json=ANN | sent), status)
    told = client.get("/v1/models").json()
    assert (
        in_use(models / "default").name == told["in_use"] == "default" and told["decisions"] == []
    )
    assert "SHA-256" in told["bundles"][0]["problem"]


def test_a_console_of_one_bundle_alone_chooses_none(console):
    client = console()
    for path in ("/v1/models/rollback", "/v1/models/default/promote", "/v1/retrain"):
        assert "--bundle" in problem(client.post(path, json=ANN), 409)
    told = client.get("/v1/models").json()
    assert [row["directory"] for row in told["bundles"]] == ["default"] and not told["follows"]


def test_a_file_that_names_no_bundle_is_mended_by_a_choice(looped, models):
    client = looped()
    (models / "champion").write_text("gone\n")
    assert client.get("/v1/models").json()["in_use"] is None
    assert client.post("/v1/models/default/promote", json=ANN).json()["in_use"] == "default"


def test_a_retraining_is_a_process_whose_way_is_in_the_database(looped, settings, models, tmp_path):
    keep(settings, flagged())
    (tmp_path / "c.toml").write_text(
        f'[model]\nbundle = "{models}/default"\n[storage]\nurl = "{settings.url}"\n'
    )
    command = [
        sys.executable,
        str(ROOT / "train.py"),
        "retrain",
        "--once",
        "--config",
        str(tmp_path / "c.toml"),
        "--work",
        str(tmp_path / "work"),
    ]
    client = looped(settings.url, command)
    answer = client.post("/v1/retrain", json=ANN)
    begun = answer.json()
    assert answer.status_code == 202 and answer.headers["location"] == f"/v1/retrain/{begun['id']}"
    assert (
        begun["state"] == "running"
        and begun["why"] == f"requested by Ann in the console: {ANN['reason']}"
    )
    told = until(
        lambda: (
            (found := client.get(answer.headers["location"]).json())["state"] != "running" and found
        )
    )
    if "scikit-learn" in told["outcome"]:
        assert told["state"] == "failed"
    else:
        assert told["state"] == "not_due" and "0 new labels of 20" in told["outcome"]
    assert told["ended_utc"] and client.get("/v1/models").json()["retrainings"] == [told]
    problem(client.get(f"/v1/retrain/{'0' * 36}"), 404)


def test_one_retraining_at_a_time_and_one_that_fails_harms_nothing(looped, settings, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    client = looped(
        settings.url, ["sh", "-c", f"read x < {tmp_path}/fifo; echo no space left >&2; exit 7"]
    )
    id = client.post("/v1/retrain", json=ANN).json()["id"]
    assert "only one may run at a time" in problem(client.post("/v1/retrain", json=ANN), 409)
    with open(tmp_path / "fifo", "w") as fifo:
        fifo.write("\n")
    told = until(
        lambda: (found := client.get(f"/v1/retrain/{id}").json())["state"] != "running" and found
    )
    assert told["state"] == "failed" and told["outcome"] == "it ended with code 7: no space left"
    with Learning(settings.url) as timer:
        timer.lease._holder = "1 another machine"
        with timer.lease:
            assert "only one may run at a time" in problem(
                client.post("/v1/retrain", json=ANN), 409
            )
    assert client.get("/ready").status_code == 200


def test_a_program_that_is_not_there_is_told(looped):
    assert "could not be started" in problem(
        looped(command=["/nowhere/python"]).post("/v1/retrain", json=ANN), 500
    )


def test_drift_is_told_by_source_and_day(looped, settings):
    began = datetime.now(UTC).replace(hour=0, minute=0, second=1)
    for source, distance in (("far", 0.9), ("near", 0.01), ("near", 0.03)):
        known = (Neighbour("r", "spoof", "tts", 1 - distance),)
        keep(
            settings,
            *(replace(score(k * 16_000), neighbours=known) for k in range(1, 9)),
            source=source,
            started=began,
        )
    told = looped(settings.url).get("/v1/drift?days=3").json()
    assert 0 < told["usual"] < told["bound"] == pytest.approx(told["usual"] * 1.3)
    far, near = told["sources"]
    assert [row["source"] for row in (far, near)] == ["far", "near"]
    assert (
        far["days"][0]["is_drift"]
        and not near["days"][0]["is_drift"]
        and near["days"][0]["seconds"] == 16
    )
    assert near["days"][0]["distance"] == pytest.approx(0.02)
    assert np.isclose(far["days"][0]["distance"], 0.9)
