"""Recordings that people add with a label: reviewed like clips, safe against one, removable."""

import uuid

import pytest
from fixtures_console import ADMIN, VIEWER
from fixtures_storage import rows, until
from test_console_auth import bearer
from test_console_recordings import as_file, problem

from radd.errors import ConfigError
from radd.files import load_speech
from radd.types import Sample
from storage import tables
from storage.learning import Learning
from storage.review import Label, Reviews
from storage.uploads import UploadSource, add_upload
from stream.capture.sources import DEMO

pytest.importorskip(
    "fastapi", reason="the console's packages are missing: pip install -e '.[serve]'"
)

SAID = {"label": "fake", "source": "a podcast", "licence": "CC BY 4.0", "reviewer": "Ann"}
NAMED = "Ann=ann-0123456789abcdef, Ben=ben-0123456789abcdef"
ANN, BEN = "ann-0123456789abcdef", "ben-0123456789abcdef"


@pytest.fixture(scope="module")
def flac():
    """Five seconds of the demo."""
    return as_file(load_speech(DEMO)[: 5 * 16_000], "flac")


def add(client, data, token=None, **changes):
    headers = bearer(token) if token else {}
    files = {"file": ("voice.flac", data)}
    return client.post("/v1/uploads", data=SAID | changes, files=files, headers=headers)


def test_an_upload_is_reviewed_listed_learned_from_and_removed_for_good(console, flac, tmp_path):
    client, url = console(), f"sqlite:///{tmp_path}/console.db"
    made = add(client, flac)
    assert made.status_code == 201 and made.json()["review"] == "fake"
    id = made.json()["id"]
    (listed,) = client.get("/v1/uploads").json()["uploads"]
    assert (listed["id"], listed["file"], listed["duration_s"]) == (id, "voice.flac", 5.0)
    assert (listed["licence"], listed["uploaded_by"]) == ("CC BY 4.0", "Ann")
    clip = client.get(f"/v1/clips/{id}").json()
    assert clip["clip"]["source"] == "upload by Ann" and clip["trace"]
    assert "CC BY 4.0" in clip["labels"][0]["reason"]
    until(lambda: client.get(f"/v1/clips/{id}").json()["blocks_in_index"])
    with Learning(url, reads_only=True) as learning:
        (confirmed,) = learning.confirmed()
    assert (confirmed.label, confirmed.first) == ("spoof", 0)
    again = add(client, flac).json()
    assert again == {"id": id, "review": "fake"}
    removed = client.delete(f"/v1/uploads/{id}").json()
    assert removed["clips"] == 1 and removed["index_entries"] > 0
    for table in (tables.uploads, tables.clips, tables.labels, tables.overlay_references):
        assert rows(url, table) == []
    problem(client.delete(f"/v1/uploads/{id}"), 404)


def test_one_person_alone_makes_no_real_voice_and_removes_only_their_own(console, flac):
    client = console(viewer_token=VIEWER, admin_token=ADMIN, reviewers=NAMED, quorum=1)
    problem(add(client, flac, VIEWER), 403)
    made = add(client, flac, ANN, label="real", reviewer="Somebody").json()
    assert made["review"] == "pending"
    (listed,) = client.get("/v1/uploads", headers=bearer(VIEWER)).json()["uploads"]
    assert listed["uploaded_by"] == "Ann"
    problem(client.delete(f"/v1/uploads/{made['id']}", headers=bearer(BEN)), 403)
    label = {"label": "real", "reviewer": "", "reason": ""}
    client.post(f"/v1/clips/{made['id']}/label", json=label, headers=bearer(BEN))
    (listed,) = client.get("/v1/uploads", headers=bearer(BEN)).json()["uploads"]
    assert listed["review"] == "real"
    assert client.delete(f"/v1/uploads/{made['id']}", headers=bearer(ANN)).status_code == 200


@pytest.mark.parametrize(
    ("sound_s", "changes", "words"),
    [(301, {}, "at most 300 s"), (0.3, {}, "could be measured"), (5, {"licence": " "}, "licence")],
)
def test_what_cannot_be_learned_from_is_refused_with_what_to_do(console, sound_s, changes, words):
    speech = load_speech(DEMO)
    data = as_file(speech[: int(sound_s * 16_000)] if sound_s < 9 else speech.repeat(12), "flac")
    answer = add(console(), data, **changes)
    assert answer.status_code == 422 and words in answer.text


def test_uploads_share_the_cap_of_their_person_and_evict_no_evidence(console, flac, tmp_path):
    url = f"sqlite:///{tmp_path}/console.db"
    client = console()
    sound = load_speech(DEMO)
    for second in range(3):
        data = as_file(sound[second * 16_000 :][: 4 * 16_000], "flac")
        assert add(client, data, source=f"archive {second}").status_code == 201
    with Learning(url, reads_only=True) as learning:
        found = learning.confirmed()
    assert len(found) == 3 and len({(one.source, one.stream_id) for one in found}) == 1
    sample = Sample(str(uuid.uuid4()), 0, 0.9, -2.0, sound[:9_000], (), (), 0)
    said = UploadSource("voice.flac", "a podcast", "CC BY 4.0", "Ann")
    with Reviews(url, 1) as reviews, pytest.raises(ConfigError, match="evicts none of them"):
        add_upload(reviews, sample, Label.FAKE, said, "default 1", 0)
