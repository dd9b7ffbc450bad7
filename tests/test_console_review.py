"""Alerts, clips and labels over HTTP, on both kinds of database; and what the live page is told."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from fixtures_review import flagged, keep, one
from fixtures_storage import rows, score, stream_info, until
from test_console_recordings import problem

from radd.files import load_speech
from radd.flac import flac_samples
from radd.types import Gap, Verdict
from storage import tables
from storage.journal import Journal
from stream.capture.sources import DEMO

pytest.importorskip(
    "fastapi", reason="the console's packages are missing: pip install -e '.[serve]'"
)

HOSTILE = "<img src=x onerror=alert(1)>'; DROP TABLE labels; --\n\x1b[31m"


def test_what_was_kept_is_told_with_its_evidence_and_its_sound(console, settings):
    made = flagged(seed=1)
    stream = keep(settings, made)
    client = console(settings.url)
    (alert,) = client.get("/v1/alerts").json()["clips"]
    assert (alert["id"], alert["stream_id"], alert["review"]) == (made.id, stream, "pending")
    details = client.get(f"/v1/clips/{made.id}").json()
    assert [point["llr"] for point in details["trace"]] == [llr for _, llr in made.trace]
    assert (
        details["neighbours"][0]["similarity"] == 0.9 and details["neighbours"][0]["clip"] is None
    )
    sound = client.get(f"/v1/clips/{made.id}/sound")
    assert sound.headers["content-type"] == "audio/flac"
    assert np.allclose(flac_samples(sound.content), made.clip, atol=1e-4)
    problem(client.get("/v1/clips/00000000-0000-0000-0000-000000000000"), 404)
    problem(client.get("/v1/clips/nothing/sound"), 422)


@pytest.mark.parametrize("order", ["informative", "newest"])
def test_pages_hold_every_clip_once_and_in_order(console, settings, order):
    made = [flagged(seed=n, llr=-float(n % 4), began=32_000 + 16_000 * (n // 2)) for n in range(9)]
    keep(settings, *made)
    client, seen, after = console(settings.url), [], ""
    while after is not None:
        page = client.get(
            "/v1/clips", params={"limit": 2, "order": order} | ({"after": after} if after else {})
        ).json()
        seen += page["clips"]
        after = page["next"]
    assert sorted(clip["id"] for clip in seen) == sorted(alert.id for alert in made)
    key = "informative" if order == "informative" else "began_utc"
    assert [clip[key] for clip in seen] == sorted((clip[key] for clip in seen), reverse=True)
    assert "next" in problem(client.get("/v1/clips", params={"after": "x~y", "order": order}), 400)


def test_a_label_is_a_row_and_enters_the_index(console, settings):
    speech = load_speech(DEMO)[: 5 * 16_000]
    made = flagged(clip=speech)
    keep(settings, made)
    client = console(settings.url)
    answer = {"label": "fake", "reviewer": "ann", "reason": HOSTILE}
    assert client.post(f"/v1/clips/{made.id}/label", json=answer).json() == {"review": "fake"}
    row = one(settings.url, tables.labels, reviewer="ann")
    assert (row["label"], row["reason"]) == ("fake", HOSTILE)
    details = until(
        lambda: (found := client.get(f"/v1/clips/{made.id}").json())["blocks_in_index"] and found
    )
    assert details["labels"][0]["reason"] == HOSTILE and details["clip"]["review"] == "fake"
    assert len(rows(settings.url, tables.overlay_references)) == details["blocks_in_index"]
    client.post(f"/v1/clips/{made.id}/label", json={"label": "unsure", "reviewer": "Ann"})
    assert client.get(f"/v1/clips/{made.id}").json()["blocks_in_index"] == 0
    assert client.get("/v1/model").json()["reviews"] == {"unsure": 1}


def test_a_known_voice_whose_clip_is_here_has_it_to_play(console, settings):
    known = flagged(clip=load_speech(DEMO)[: 5 * 16_000])
    keep(settings, known)
    client = console(settings.url)
    client.post(f"/v1/clips/{known.id}/label", json={"label": "fake", "reviewer": "ann"})
    reference = until(lambda: rows(settings.url, tables.overlay_references))[0]["id"]
    heard = flagged(seed=5, similarity=0.8)
    heard = type(heard)(
        **{name: getattr(heard, name) for name in heard.__slots__}
        | {"neighbours": (type(heard.neighbours[0])(reference, "spoof", "unknown", 0.99),)}
    )
    keep(settings, heard)
    assert client.get(f"/v1/clips/{heard.id}").json()["neighbours"][0]["clip"] == known.id


def test_labels_that_are_none_are_refused(console, local):
    made = flagged()
    keep(local, made)
    client = console(local.url)
    for answer in (
        {"label": "maybe", "reviewer": "ann"},
        {"label": "fake"},
        {"label": "fake", "reviewer": ""},
    ):
        problem(client.post(f"/v1/clips/{made.id}/label", json=answer), 422)
    problem(
        client.post(f"/v1/clips/{made.id}/label", json={"label": "fake", "reviewer": "  "}), 400
    )
    assert rows(local.url, tables.labels) == []


def test_a_database_that_is_away_is_told_and_ends_nothing(console):
    client = console("mysql+mysqlconnector://radd:secret@127.0.0.1:1/radd")
    assert client.get("/health").status_code == 200
    ready = client.get("/ready")
    assert (
        ready.status_code == 503
        and "127.0.0.1:1" in ready.json()["database"]
        and "secret" not in ready.text
    )
    for path in ("/v1/clips", "/v1/alerts", "/v1/model"):
        answer = client.get(path)
        assert "127.0.0.1:1" in problem(answer, 503) and answer.headers["retry-after"]
    assert "radd_database_up 0.0" in client.get("/metrics").text


def test_the_console_cannot_change_what_it_reads(settings):
    from radd.errors import StorageError
    from storage.database import Database

    keep(settings, flagged())
    reader = Database(settings.url, reads_only=True)
    with pytest.raises(StorageError), reader.transaction() as connection:
        connection.execute(tables.alerts.delete())
    reader.close()
    assert len(rows(settings.url, tables.alerts)) == 1


def test_the_live_page_is_told_each_second_once_and_nothing_unmeasured_has_a_number(
    loaded, settings
):
    from app.settings import load
    from console.live import LiveViewer
    from console.prediction import Predictor
    from storage.queries import Reader
    from stream.decision import Decider

    judge = Predictor(None, None, Decider(load(environ={}).decision))
    reader = Reader(settings.url)
    info = stream_info(started=datetime.now(UTC) - timedelta(seconds=10))
    with Journal(settings, info) as journal:
        for hop in range(1, 10):
            journal.write(score(2048 * hop, None, Verdict.NO_SPEECH))
        for hop in range(10, 25):
            journal.write(score(2048 * hop, -2.0, Verdict.SUSPECT))
        journal.write(Gap(2048 * 24, 2048 * 30, "unplugged"))
        watcher = LiveViewer(reader, judge)
        (stream,) = until(lambda: [s for s in watcher.look()["streams"] if s["heard"]])
        assert stream["state"] == "running" and stream["gaps"] == 1
        assert stream["lost_s"] == pytest.approx(6 * 0.128)
        assert [second for second, *_ in stream["heard"]] == [0, 1, 2]
        assert stream["heard"][0][1:3] == ("no_speech", None) and stream["heard"][1][2] > 0.5
        (again,) = watcher.look()["streams"]
        assert again["heard"] == []
    (ended,) = watcher.look()["streams"]
    assert ended["state"] == "ended" and [second for second, *_ in ended["heard"]] == [3]
    reader.close()
