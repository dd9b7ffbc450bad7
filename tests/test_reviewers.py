"""Who a reviewer is, what one alone may decide, and how an admin takes back what one did."""

import hashlib
import importlib
import json

import numpy as np
import pytest
from fixtures_console import ADMIN, REVIEWER, VIEWER
from fixtures_review import flagged, keep, one
from fixtures_storage import rows, storage_settings
from test_console_auth import bearer
from test_console_recordings import problem
from test_overlay import references, unit
from test_review import SumEncoder

from app.settings import load
from radd.errors import ConfigError
from radd.files import load_speech
from radd.flac import flac_bytes, flac_samples
from retraining.confirmed_clips import index_confirmed
from storage import tables
from storage.clip_archive import export_clips, import_clips
from storage.overlay import OverlayStore, Review
from storage.people import person
from storage.review import Label, Quorum, Reviews, agreed
from storage.undo import undo, work_of
from stream.capture.sources import DEMO

NAMED = {"admin_token": ADMIN, "reviewers": f"Ada={REVIEWER}, Ben={VIEWER}"}
ALIKE = [
    "Ann",
    "ANN ",
    "\u0410nn",
    "A\u200bnn",
    "Ａnn",
    "A\ufe0fnn",
    "An\u3164n",
    "𝐀nn",
    "an\u0578",
]


@pytest.mark.parametrize("name", ALIKE)
def test_a_name_that_looks_the_same_is_the_same_person(name):
    assert person(name) == person("ann")
    assert agreed([("ann", "real"), (name, "real")], 2) == "pending"


@pytest.mark.parametrize("name", ["Anna", "Bob", "Петя", "Zoë", "李", "Αννα"])
def test_other_names_are_other_people_in_both_cases(name):
    assert person(name) != person("ann") and person(name.upper()) == person(name.lower())
    assert person(name)


@pytest.mark.parametrize("name", ["", " ", "\u200b", "\u2800", "\u3164", "\u202e"])
def test_a_name_that_nobody_sees_is_none(settings, name):
    heard = flagged()
    keep(settings, heard)
    with Reviews(settings.url, 1) as reviews, pytest.raises(ConfigError, match="needs the name"):
        reviews.label([heard.id], Label.FAKE, name, "")


@pytest.mark.parametrize(
    ("environ", "quorum"),
    [
        ({}, Quorum(1, 1)),
        ({"RADD_SERVE_REVIEWERS": f"Ada={REVIEWER}"}, Quorum(1, 1)),
        ({"RADD_SERVE_REVIEWERS": f"Ada={REVIEWER}\nBen={VIEWER}"}, Quorum(1, 2)),
        ({"RADD_SERVE_REVIEWERS": "@/nowhere"}, Quorum(1, 2)),
        ({"RADD_REVIEW_QUORUM": "2"}, Quorum(2, 2)),
        (
            {
                "RADD_SERVE_REVIEWERS": f"Ada={REVIEWER},Ben={VIEWER}",
                "RADD_REVIEW_QUORUM_REAL": "1",
            },
            Quorum(1, 1),
        ),
    ],
)
def test_where_two_review_one_alone_calls_no_voice_real(environ, quorum):
    assert load(environ=environ).quorum == quorum


def test_fake_and_real_have_a_quorum_each():
    one_each = Quorum(1, 2)
    assert agreed([("ann", "real")], one_each) == "pending"
    assert agreed([("ann", "real"), ("bob", "real")], one_each) == "real"
    assert agreed([("ann", "fake")], one_each) == "fake"
    assert agreed([("ann", "fake"), ("ann", "withdrawn")], one_each) == "pending"


def label(client, id: str, token: str, name: str = "", said: str = "fake"):
    return client.post(
        f"/v1/clips/{id}/label", json={"label": said, "reviewer": name}, headers=bearer(token)
    )


def test_a_reviewer_is_who_the_token_says(console, local):
    heard = flagged()
    keep(local, heard)
    client = console(local.url, **NAMED)
    assert label(client, heard.id, REVIEWER, "Ben", "real").json() == {"review": "pending"}
    assert label(client, heard.id, REVIEWER, "Cyn", "real").json() == {"review": "pending"}
    assert label(client, heard.id, VIEWER, "", "real").json() == {"review": "real"}
    assert [row["reviewer"] for row in rows(local.url, tables.labels)] == ["Ada", "Ben"]


def test_a_token_that_people_share_votes_once(console, local):
    heard = flagged()
    keep(local, heard)
    client = console(local.url, quorum=2, reviewer_token=REVIEWER)
    for name in ("ann", "bob"):
        assert label(client, heard.id, REVIEWER, name).json() == {"review": "pending"}
    assert {row["reviewer"] for row in rows(local.url, tables.labels)} == {"reviewer"}


def test_an_admin_sees_and_undoes_what_one_reviewer_did(console, local):
    heard = [flagged(seed=n) for n in range(3)]
    keep(local, *heard)
    client = console(local.url, **NAMED)
    for alert in heard:
        label(client, alert.id, REVIEWER)
    label(client, heard[0].id, VIEWER)
    for path in ("/v1/reviewers", "/v1/reviewers/work?name=Ada"):
        problem(client.get(path, headers=bearer(REVIEWER)), 403)
    listed = client.get("/v1/reviewers", headers=bearer(ADMIN)).json()
    assert {one["name"]: one["labels"]["fake"] for one in listed} == {"ada": 3, "ben": 1}
    wish = {"reviewer": "ADA", "person": "x", "reason": "guessed"}
    problem(client.post("/v1/reviewers/undo", json=wish, headers=bearer(REVIEWER)), 403)
    undone = client.post("/v1/reviewers/undo", json=wish, headers=bearer(ADMIN)).json()
    assert undone == {"labels": 3, "added": 0, "removed": 0}
    states = [one(local.url, tables.alerts, id=alert.id)["review"] for alert in heard]
    assert states == ["fake", "pending", "pending"]
    work = client.get("/v1/reviewers/work?name=ada", headers=bearer(ADMIN)).json()
    assert [row["label"] for row in work["labels"]].count("withdrawn") == 3
    assert "undone by admin: guessed" in {row["reason"] for row in work["labels"]}
    again = client.post("/v1/reviewers/undo", json=wish, headers=bearer(ADMIN)).json()
    assert again["labels"] == 0


def test_an_undo_covers_what_was_added_to_the_index_by_hand(settings):
    with OverlayStore(settings.url, "e") as store, Reviews(settings.url, 1) as reviews:
        store.add(references(1, "spoof", "mine"), unit(1, 1), Review("Eve", ""))
        store.add(references(1, "spoof", "other"), unit(2, 1), Review("bob", ""))
        store.remove(["fake1"], {"fake1"}, Review("eve", ""))
        work = work_of(reviews, "EVE")
        assert [len(work[what]) for what in ("labels", "added", "removed")] == [0, 1, 1]
        assert undo(reviews, "eve", "ann", "") == {"labels": 0, "added": 1, "removed": 1}
        now = store.read()
        assert now.recordings.keys() == {"other0"} and now.removed == frozenset()


def test_who_confirmed_a_clip_is_counted_for_the_bound(settings):
    heard = flagged(clip=load_speech(DEMO)[: 5 * 16_000])
    keep(settings, heard)
    encoder = SumEncoder()
    with Reviews(settings.url, Quorum(1, 2)) as reviews:
        reviews.label([heard.id], Label.FAKE, "Ann", "")
        reviews.label([heard.id], Label.FAKE, "bob", "")
        index_confirmed(reviews, encoder)
        with OverlayStore(settings.url, encoder.id) as store:
            (key,) = store.read().recordings.values()
            assert key.reviewers == {person("ann"), person("bob")}
            undo(reviews, "bob", "cyn", "")
            index_confirmed(reviews, encoder)
            (key,) = store.read().recordings.values()
            assert key.reviewers == {person("ann")}


@pytest.fixture
def elsewhere(tmp_path):
    return storage_settings(f"sqlite:///{tmp_path}/elsewhere.db", tmp_path / "elsewhere-spool")


def moved(source, target, directory, quorum=1) -> None:
    with Reviews(source.url, 1) as there:
        export_clips(there, directory, ["fake", "real", "unsure", "pending"])
    with Reviews(target.url, quorum) as here:
        import_clips(here, directory, flac_samples)


def test_an_import_never_overrules_a_label_that_was_given_here(local, elsewhere, tmp_path):
    heard = flagged()
    keep(local, heard)
    moved(local, elsewhere, tmp_path / "first")
    with Reviews(elsewhere.url, 1) as there:
        for name in ("Ann", "bob", "cyn"):
            there.label([heard.id], Label.REAL, name, "")
    with Reviews(local.url, 1) as here:
        here.label([heard.id], Label.FAKE, "ann", "mine")
    moved(elsewhere, local, tmp_path / "second")
    assert one(local.url, tables.alerts, id=heard.id)["review"] == "fake"
    names = [row["reviewer"] for row in rows(local.url, tables.labels)]
    assert names == ["ann", "imported: Ann", "imported: bob", "imported: cyn"]
    moved(local, elsewhere, tmp_path / "third")
    assert "imported: imported: Ann" not in {
        row["reviewer"] for row in rows(elsewhere.url, tables.labels)
    }
    with Reviews(local.url, 1) as here, pytest.raises(ConfigError, match="imported labels"):
        here.label([heard.id], Label.REAL, "Imported:  Ann", "")


def test_a_small_archive_that_decodes_to_hours_is_refused(local, elsewhere, tmp_path):
    keep(local, flagged())
    with Reviews(local.url, 1) as there:
        export_clips(there, tmp_path / "out", ["pending"])
    line = json.loads((tmp_path / "out/clips.jsonl").read_text())
    hours = flac_bytes(np.zeros(2 * 3600 * 16_000, np.float32))
    sha256 = hashlib.sha256(hours).hexdigest()
    assert len(hours) < 500_000
    line["clip"] |= {"sha256": sha256, "size_bytes": len(hours), "length_samples": 115_200_000}
    line["alerts"][0]["clip_sha256"] = sha256
    (tmp_path / "out/clips.jsonl").write_text(json.dumps(line))
    (tmp_path / f"out/flac/{sha256}.flac").write_bytes(hours)
    with Reviews(elsewhere.url, 1) as here, pytest.raises(ConfigError, match="at most"):
        import_clips(here, tmp_path / "out", flac_samples)


def damage_link(directory, line):
    (sound,) = (directory / "flac").iterdir()
    sound.rename(directory / "real.flac")
    sound.symlink_to(directory / "real.flac")


def damage_device(directory, line):
    (directory / "clips.jsonl").unlink()
    (directory / "clips.jsonl").symlink_to("/dev/zero")


def damage_trace(directory, line):
    line["alerts"][0]["trace"] = [[1, 0.5]] * 100_001


def damage_time(directory, line):
    line["alerts"][0]["trace"] = [[2**70, 0.5]]


def damage_neighbours(directory, line):
    line["alerts"][0]["neighbours"] *= 101


def damage_name(directory, line):
    line["alerts"][0]["neighbours"][0]["system"] = "x" * 1_001


@pytest.mark.parametrize(
    "damage",
    [damage_link, damage_device, damage_trace, damage_time, damage_neighbours, damage_name],
)
def test_an_archive_has_regular_files_and_bounded_evidence(local, elsewhere, tmp_path, damage):
    keep(local, flagged())
    directory = tmp_path / "out"
    with Reviews(local.url, 1) as there:
        export_clips(there, directory, ["pending"])
    line = json.loads((directory / "clips.jsonl").read_text())
    damage(directory, line)
    if not (directory / "clips.jsonl").is_symlink() and (directory / "clips.jsonl").exists():
        (directory / "clips.jsonl").write_text(json.dumps(line))
    with Reviews(elsewhere.url, 1) as here, pytest.raises(ConfigError):
        import_clips(here, directory, flac_samples)
    assert rows(elsewhere.url, tables.clips) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("review", "stats", "--url"),
        ("train", "index", "stats", "--url"),
        ("train", "drift", "--url"),
        ("evaluate", "score", "--overlay"),
    ],
)
def test_a_password_on_the_command_line_is_refused_and_not_repeated(arguments, capsys):
    door, *rest = arguments
    url = "mysql+mysqlconnector://radd:sesame@127.0.0.1/radd"
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(door).main([*rest, url])
    told = capsys.readouterr()
    assert ended.value.code == 2 and "RADD_STORAGE_URL" in told.err
    assert "sesame" not in told.out + told.err
