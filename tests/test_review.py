"""review.py: what is asked first, what labels come to, what the index learns of them, and what goes
for good.
"""

import hashlib
import itertools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import uuid
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from fixtures_patience import PATIENCE_S
from fixtures_review import SURE, TORN, ReviewCall, flagged, keep, one, shifted
from fixtures_storage import SumEncoder, alert, rows, score, storage_settings
from hypothesis import HealthCheck, given
from hypothesis import settings as within
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

import review
from radd.errors import ConfigError
from radd.files import load_speech
from radd.flac import clip_sha256, flac_bytes
from radd.types import Gap, Sample
from retraining.confirmed_clips import index_confirmed
from storage import tables
from storage.clip_archive import export_clips
from storage.database import Database
from storage.deletion import delete
from storage.overlay import OverlayStore
from storage.review import STATES, Label, Question, Reviews, agreed
from storage.review_priority import entropy_bits, review_priority
from stream.capture.sources import DEMO

NAMES = ("ann", "bob", "cyn")
HOSTILE = st.text(max_size=60) | st.sampled_from(
    [
        "'; DROP TABLE labels; --",
        "<script>alert(1)</script>",
        "a\nb\r\x1b[2J\x07",
        "\u202egnp.exe",
        "\0",
        "\udce4",
        "x" * 10_000,
        "%s {0} \\n $(reboot)",
    ]
)


@pytest.fixture
def call(settings, capsys):
    return ReviewCall(settings.url, capsys)


@pytest.fixture
def reviews(settings):
    with Reviews(settings.url, 1) as opened:
        yield opened


@pytest.fixture(scope="session")
def spoken():
    """The first seconds of the demo recording, float32: speech, so that an index can learn of
    it.
    """
    return load_speech(DEMO)[: 5 * 16_000]


@pytest.fixture
def encoder():
    return SumEncoder()


def references(url, sha256):
    """What the overlay holds of a clip."""
    return [row for row in rows(url, tables.overlay_references) if row["clip_sha256"] == sha256]


def sample_of(event, id):
    """A sample with the sound of an alert."""
    return Sample(id, 0, 0.1, 2.0, event.clip, ((2_048, 2.0),), event.neighbours, 0)


# What is asked first


def test_the_uncertain_the_novel_and_the_disputed_come_first(settings, reviews):
    clear = flagged(1, llr=SURE, similarity=0.99)
    disputed = flagged(2, llr=SURE, similarity=0.99, label="bonafide")
    torn = flagged(3, llr=TORN, similarity=0.8)
    novel = flagged(4, llr=SURE, similarity=0.2)
    keep(settings, clear, disputed, torn, novel)
    found = reviews.list(Question())
    assert [row["id"] for row in found] == [torn.id, disputed.id, novel.id, clear.id]
    assert found[0]["informative"] == pytest.approx((1 + 0.2 + 0) / 3, abs=1e-6)
    assert 0 <= found[-1]["informative"] < 0.01


@given(st.lists(st.none() | st.floats(-50, 50), max_size=5), st.lists(st.floats(-1, 1), max_size=5))
def test_how_informative_an_alert_is_lies_between_0_and_1(llrs, similarities):
    neighbours = [
        {"id": "r", "label": "spoof", "system": "s", "similarity": s} for s in similarities
    ]
    record = {
        "alert": {"id": str(uuid.uuid4()), "state": "close"},
        "neighbours": neighbours,
        "trace": [(i, llr) for i, llr in enumerate(llrs)],
    }
    assert 0 <= review_priority(record) <= 1
    assert (
        review_priority(record | {"alert": {"id": str(uuid.UUID(int=0)), "state": "sample"}}) == 0
    )


@given(st.floats(-700, 700))
def test_entropy_is_highest_where_both_hypotheses_are_equal(llr):
    assert 0 <= entropy_bits(llr) <= 1 == entropy_bits(0.0)
    assert entropy_bits(llr) == pytest.approx(entropy_bits(-llr), abs=1e-12)


def test_pages_hold_each_clip_once_also_when_some_are_labelled_meanwhile(settings, reviews):
    heard = [flagged(seed, llr=-seed / 10) for seed in range(12)]
    keep(settings, *heard)
    whole = [row["id"] for row in reviews.list(Question())]
    found, after = [], None
    while page := reviews.list(Question(after=after, limit=5)):
        found += [row["id"] for row in page]
        after = found[-1]
        reviews.label([after], Label.REAL, "ann", "")
    assert found == whole and len(set(whole)) == 12


def test_filters_choose(settings, reviews):
    old, young, drawn = flagged(1), flagged(2, began=320_000, end=328_000), flagged(3)
    first = keep(settings, old, young)
    other = flagged(4)
    keep(settings, sample_of(drawn, drawn.id), other)
    reviews.label([old.id], Label.UNSURE, "ann", "")

    def ids(**question):
        return {row["id"] for row in reviews.list(Question(**question))}

    assert ids() == {young.id, drawn.id, other.id}
    assert ids(stream=first) == ids(stream=first[:13]) == {young.id}
    assert ids(state="unsure") == ids(state="unsure", label=Label.UNSURE) == {old.id}
    assert (
        ids(state="unsure", unlabelled_by="ann") == ids(state="unsure", label=Label.FAKE) == set()
    )
    assert ids(state="unsure", unlabelled_by="bob") == {old.id}
    assert ids(kind="sample") == {drawn.id} and ids(kind="alert") == {young.id, other.id}
    began = one(settings.url, tables.alerts, id=young.id)["began_utc"]
    assert ids(since=began) == {young.id} and ids(since=began + timedelta(seconds=1)) == set()


@pytest.mark.parametrize(
    "id, words",
    [
        ("zzzz", "is not the id of a clip"),
        ("abc", "is not the id"),
        ("%%%%", "is not the id"),
        ("0" * 36, "there is no clip"),
        ("' OR 1=1 --", "is not the id"),
        ("", "is not the id"),
    ],
)
def test_an_id_that_fits_none_is_refused(reviews, id, words):
    with pytest.raises(ConfigError, match=words):
        reviews.show(id)


def test_an_id_that_fits_several_is_refused(settings, reviews):
    ids = ["abcd0000-0000-4000-8000-000000000000", "abcd1111-0000-4000-8000-000000000000"]
    keep(settings, *(flagged(seed, id=id) for seed, id in enumerate(ids)))
    assert reviews.show("abcd0")["alert"]["id"] == ids[0]
    with pytest.raises(ConfigError, match="more than one clip abcd; give more of its digits"):
        reviews.show("abcd")


# What labels come to


@pytest.mark.parametrize(
    "history, one, two",
    [
        ("", "pending", "pending"),
        ("ann fake", "fake", "pending"),
        ("ann fake, bob fake", "fake", "fake"),
        ("ann fake, ann fake", "fake", "pending"),
        ("ann fake,  ANN  fake", "fake", "pending"),
        ("ann fake, bob real", "conflict", "conflict"),
        ("ann fake, bob real, cyn fake", "fake", "conflict"),
        ("ann fake, bob real, bob fake", "fake", "fake"),
        ("ann fake, ann real", "real", "pending"),
        ("ann fake, ann unsure", "unsure", "unsure"),
        ("ann unsure, bob real", "real", "pending"),
        ("ann unsure, bob unsure", "unsure", "unsure"),
    ],
)
def test_what_labels_come_to(history, one, two):
    said = [tuple(each.rsplit(" ", 1)) for each in history.split(",") if each]
    assert (agreed(said, 1), agreed(said, 2)) == (one, two)


class LabelHistory(RuleBasedStateMachine):
    """People label and change their minds; the database and the index against a dictionary of who
    says what.
    """

    settings, sounds, quorum = None, (), 1

    @initialize()
    def hear(self):
        heard = [flagged(clip=sound) for sound in self.sounds]
        keep(self.settings, *heard)
        self.ids = [event.id for event in heard]
        self.sha256s = [clip_sha256(event.clip) for event in heard]
        self.said = {id: {} for id in self.ids}
        self.count = dict.fromkeys(self.ids, 0)

    @rule(
        which=st.integers(0, 1),
        name=st.sampled_from(NAMES),
        label=st.sampled_from(Label),
        learn=st.booleans(),
    )
    def label(self, which, name, label, learn):
        id = self.ids[which]
        with Reviews(self.settings.url, self.quorum) as reviews:
            told = reviews.label([id], label, name, "")
            if learn:
                index_confirmed(reviews, SumEncoder())
        self.count[id] += self.said[id].get(name) != label
        self.said[id][name] = label
        assert told == {id: self.expected(id)}

    @rule()
    def learn(self):
        with Reviews(self.settings.url, self.quorum) as reviews:
            index_confirmed(reviews, SumEncoder())
            assert index_confirmed(reviews, SumEncoder()) == {}, "learning twice learns nothing"
        for id, sha256 in zip(self.ids, self.sha256s, strict=True):
            if self.expected(id) in ("fake", "real"):
                assert self.learnt(sha256), "what is agreed is in the index once it was learnt"

    def expected(self, id):
        votes = [label for label in self.said[id].values() if label != "withdrawn"]
        lead = votes.count("fake") - votes.count("real")
        if abs(lead) >= self.quorum:
            return "fake" if lead > 0 else "real"
        if "fake" in votes and "real" in votes:
            return "conflict"
        return "unsure" if set(votes) == {"unsure"} else "pending"

    def learnt(self, sha256):
        return {row["label"] for row in references(self.settings.url, sha256)}

    @invariant()
    def the_database_says_the_same(self):
        if not hasattr(self, "ids"):
            return
        for id, sha256 in zip(self.ids, self.sha256s, strict=True):
            row = one(self.settings.url, tables.alerts, id=id)
            assert row["review"] == self.expected(id)
            numbers = [
                r["number"]
                for r in rows(self.settings.url, tables.labels)
                if r["clip_sha256"] == sha256
            ]
            assert numbers == list(range(1, self.count[id] + 1)), "the history is kept, once"
            right = {"fake": {"spoof"}, "real": {"bonafide"}}.get(row["review"], set())
            assert self.learnt(sha256) in (set(), right), (
                "nothing is in the index that is not agreed"
            )


@pytest.mark.parametrize("quorum", [1, 2])
def test_any_history_of_labels(tmp_path_factory, spoken, quorum):
    class Machine(LabelHistory):
        sounds = spoken, shifted(spoken, 700)

        @initialize()
        def hear(self):
            self.settings = storage_settings(
                f"sqlite:///{tmp_path_factory.mktemp('labels')}/radd.db",
                tmp_path_factory.mktemp("spool"),
            )
            super().hear()

    Machine.quorum = quorum
    run_state_machine_as_test(
        Machine, settings=within(deadline=None, max_examples=5, stateful_step_count=12)
    )


def test_a_confirmed_clip_is_in_the_index_until_minds_change(settings, reviews, spoken, encoder):
    heard = flagged(clip=spoken)
    keep(settings, heard, source="call 7")
    sha256 = clip_sha256(heard.clip)
    assert index_confirmed(reviews, encoder) == {}
    reviews.label([heard.id], Label.FAKE, "ann", "sounds metallic")
    ((learnt, blocks),) = index_confirmed(reviews, encoder).items()
    assert learnt == sha256 and blocks > 3
    with OverlayStore(settings.url, encoder.id) as store:
        overlay = store.read()
        assert {(r.label, r.system, r.source) for r in overlay.sides[1].references} == {
            ("spoof", "unknown", "call 7")
        }
        assert len(overlay) == blocks
        (recording,) = store.recordings()
        assert (recording.reviewer, recording.reason) == ("ann", "sounds metallic")
        reviews.label([heard.id], Label.REAL, "bob", "")
        assert one(settings.url, tables.alerts, id=heard.id)["review"] == "conflict"
        assert len(store.read()) == 0 and store.read().version > overlay.version
        reviews.label([heard.id], Label.REAL, "ann", "it was the line")
        ((learnt, blocks),) = index_confirmed(reviews, encoder).items()
        assert learnt == sha256 and {r.label for r in store.read().sides[0].references} == {
            "bonafide"
        }
    assert [entry["blocks"] for entry in reviews.show(heard.id)["index"]] == [blocks]


def test_who_spoke_before_the_alert_is_no_fake(settings, reviews, spoken, encoder):
    before = 48_000
    heard = flagged(clip=spoken, clip_start=0, began=before)
    keep(settings, heard)
    entered = {}
    for label, side in ((Label.REAL, 0), (Label.FAKE, 1)):
        reviews.label([heard.id], label, "ann", "")
        index_confirmed(reviews, encoder)
        with OverlayStore(settings.url, encoder.id) as store:
            entered[label] = {r.start_s for r in store.read().sides[side].references}
    assert entered[Label.FAKE] == {
        start for start in entered[Label.REAL] if start >= before / 16_000
    }
    assert 0 < len(entered[Label.FAKE]) < len(entered[Label.REAL]), (
        "a person's label is about the whole clip"
    )


def test_another_encoder_learns_what_is_agreed_too(settings, reviews, spoken, encoder):
    heard = flagged(clip=spoken)
    keep(settings, heard)
    reviews.label([heard.id], Label.FAKE, "ann", "")
    first = index_confirmed(reviews, encoder)
    encoder.id = "another"
    assert index_confirmed(reviews, encoder) == first
    reviews.label([heard.id], Label.UNSURE, "ann", "")
    assert (
        rows(settings.url, tables.overlay_references)
        == []
        == rows(settings.url, tables.indexed_clips)
    )


def test_one_person_of_two_names_is_no_quorum_and_one_who_calls_all_real_does_not_rule(settings):
    heard = [flagged(seed) for seed in range(5)]
    keep(settings, *heard)
    with Reviews(settings.url, 2) as reviews:
        for name in ("Ann", " ann", "ANN ", "\uff41nn"):
            assert set(reviews.label([e.id for e in heard], Label.REAL, name, "").values()) == {
                "pending"
            }
        reviews.label([heard[0].id], Label.FAKE, "bob", "")
        reviews.label([heard[0].id], Label.FAKE, "cyn", "")
        assert one(settings.url, tables.alerts, id=heard[0].id)["review"] == "conflict"
        reviews.label([heard[0].id], Label.FAKE, "dan", "")
        assert one(settings.url, tables.alerts, id=heard[0].id)["review"] == "fake"
        assert reviews.stats()["reviewers"]["ann"] == {"real": 5, "overruled": 1}
        assert len(rows(settings.url, tables.labels)) == 8, (
            "four answers in another spelling are repetitions"
        )


def test_an_open_alert_is_not_labelled_and_a_reviewer_has_a_name(settings, reviews):
    going_on, over = alert(), flagged(1)
    keep(settings, going_on, over)
    upsert_state(settings.url, going_on.id, "open")
    with pytest.raises(ConfigError, match="still open"):
        reviews.label([over.id, going_on.id], Label.FAKE, "ann", "")
    with pytest.raises(ConfigError, match="needs the name of its reviewer"):
        reviews.label([over.id], Label.FAKE, " \n", "")
    assert rows(settings.url, tables.labels) == [], "all or none"


def upsert_state(url, id, state):
    database = Database(url)
    with database.transaction() as connection:
        connection.execute(
            tables.alerts.update().where(tables.alerts.c.id == id).values(state=state)
        )
    database.close()


def test_equal_sound_shares_its_labels_also_when_it_comes_later(settings, reviews):
    first, second, third = flagged(5), flagged(5), flagged(5)
    keep(settings, first, second)
    reviews.label([first.id], Label.FAKE, "ann", "")
    keep(settings, third)
    assert {row["review"] for row in rows(settings.url, tables.alerts)} == {"fake"}
    assert len(rows(settings.url, tables.labels)) == 1


def test_many_people_at_once_lose_no_label(settings):
    heard = flagged()
    keep(settings, heard)
    failed = []

    def label(name):
        try:
            with Reviews(settings.url, 1) as reviews:
                for number in range(10):
                    reviews.label([heard.id], list(Label)[number % 3], name, str(number))
        except Exception as error:
            failed.append(error)

    people = [threading.Thread(target=label, args=(name,)) for name in NAMES]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert failed == []
    kept = rows(settings.url, tables.labels)
    assert [row["number"] for row in kept] == list(range(1, 31))
    for name in NAMES:
        assert [row["reason"] for row in kept if row["reviewer"] == name] == [
            str(number) for number in range(10)
        ]


KILLS = 8


def label_forever(url, ids, acknowledged, seed, ready):
    encoder, rng = SumEncoder(), np.random.default_rng(seed)
    with Reviews(url, 1) as reviews, open(acknowledged, "a") as log:
        for number in itertools.count():
            which, label = int(rng.integers(len(ids))), list(Label)[int(rng.integers(3))]
            reviews.label([ids[which]], label, f"p{seed}", str(number))
            log.write(f"p{seed} {number} {ids[which]} {label.value}\n")
            log.flush()
            ready.set()
            index_confirmed(reviews, encoder)


def test_kill_9_while_labelling_loses_nothing_and_doubles_nothing(
    settings, processes, spoken, tmp_path, encoder
):
    heard = [flagged(clip=shifted(spoken, by)) for by in (0, 900)]
    keep(settings, *heard)
    ids, told = [event.id for event in heard], tmp_path / "acknowledged"
    for seed in range(KILLS):
        ready = processes.Event()
        process = processes.Process(
            target=label_forever, args=(settings.url, ids, told, seed, ready)
        )
        process.start()
        assert ready.wait(PATIENCE_S)
        process.join(0.1 + seed / 20)
        assert process.is_alive()
        process.kill()
        process.join()
        process.close()
    acknowledged = [line.split() for line in told.read_text().splitlines()]
    assert len(acknowledged) >= KILLS
    kept = rows(settings.url, tables.labels)
    answers = [(row["reviewer"], row["reason"]) for row in kept]
    assert len(set(answers)) == len(answers), "no label is doubled"
    assert {(name, number) for name, number, _, _ in acknowledged} <= set(answers), (
        "no acknowledged label is lost"
    )
    with Reviews(settings.url, 1) as reviews:
        index_confirmed(reviews, encoder)
        for event in heard:
            sha256 = clip_sha256(event.clip)
            history = [row for row in kept if row["clip_sha256"] == sha256]
            assert [row["number"] for row in history] == list(range(1, len(history) + 1))
            state = agreed([(row["reviewer"], row["label"]) for row in history], 1)
            assert one(settings.url, tables.alerts, id=event.id)["review"] == state
            right = {"fake": {"spoof"}, "real": {"bonafide"}}.get(state, set())
            assert {row["label"] for row in references(settings.url, sha256)} == right


# The command line


def test_what_is_typed_and_what_files_are_called_is_data_and_harmless(settings, call, tmp_path):
    hostile = "<img src=x>'; DROP TABLE labels; --\n\x1b[2J\u202e" + "y" * 12_000
    heard = flagged()
    id = heard.id
    keep(settings, heard, source=hostile)
    call("label", "unsure", id, "--reviewer", hostile, "--reason", hostile)
    (kept,) = rows(settings.url, tables.labels)
    assert kept["reviewer"] == kept["reason"] == hostile[:10_000]
    for out in (call("list", "--state", "unsure"), call("show", id), call("stats")):
        assert all(c.isprintable() or c == "\n" for c in out) and len(out) < 10_000
        assert (
            not any(line.startswith("\x1b") for line in out.splitlines()) and "characters)" in out
        )
    assert json.loads(call("list", "--state", "unsure", "--json"))["source"] == hostile[:10_000]


@within(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(name=HOSTILE, reason=HOSTILE)
def test_any_text_of_a_person_is_kept(reviews, settings, name, reason):
    heard = flagged(int(np.random.default_rng().integers(2**31)))
    keep(settings, heard)
    if not name.strip():
        return
    reviews.label([heard.id], Label.UNSURE, name, reason)
    (kept,) = reviews.show(heard.id)["labels"]
    escaped = [
        text.encode("utf-8", "backslashreplace").decode()[:10_000] for text in (name, reason)
    ]
    assert [kept["reviewer"], kept["reason"]] == escaped


def test_show_tells_everything(settings, call):
    heard = flagged(llr=-2.5)
    keep(settings, Gap(1_000, 2_000, "overrun"), heard, device="USB Audio 3")
    call("label", "fake", heard.id, "--reviewer", "ann", "--reason", "flat prosody")
    shown = call("show", heard.id[:8])
    for words in (
        "USB Audio 3",
        "default 1",
        "c" * 64,
        "-2.50",
        "tts-7",
        "ref-0",
        "overrun",
        "ann",
        "flat prosody",
    ):
        assert words in shown
    found = json.loads(call("show", heard.id, "--json"))
    assert (
        found["trace"] == [[34_048, -2.5], [36_096, -2.5]] and found["labels"][0]["label"] == "fake"
    )
    assert found["alert"]["gaps"] == 2 and found["stream"]["config_hash"] == "c" * 64


def test_label_tells_what_is_agreed_and_what_the_index_learnt(settings, call, spoken):
    heard = flagged(clip=spoken)
    keep(settings, heard)
    out = call("label", "fake", heard.id, "--reviewer", "ann")
    assert f"{heard.id}  fake\n" in out and f"blocks of clip {clip_sha256(heard.clip)}" in out
    assert "reviewer ann: 1 fake" in call("stats") and "of 1 clips" in call("stats")


def test_stats_tell_how_many_fakes_were_missed(settings, call):
    drawn = [flagged(seed) for seed in range(3)]
    keep(settings, *(sample_of(event, event.id) for event in drawn))
    call("label", "fake", drawn[0].id, "--reviewer", "ann")
    call("label", "real", drawn[1].id, "--reviewer", "ann")
    assert "missed: 1 of 2 " in call("stats")


def test_play_without_a_sound_card_writes_the_file(
    settings, call, tmp_path, monkeypatch, no_microphone
):
    heard = flagged()
    keep(settings, heard)
    monkeypatch.chdir(tmp_path)
    assert call("play", heard.id).strip() == f"{heard.id}.flac"
    call("play", heard.id, "--out", "mine.flac")
    assert (
        Path(f"{heard.id}.flac").read_bytes()
        == Path("mine.flac").read_bytes()
        == flac_bytes(heard.clip)
    )
    assert "cannot write" in call("play", heard.id, "--out", "none/mine.flac", code=2)


def test_play_plays(settings, call, tmp_path, monkeypatch, virtual_microphone):
    heard = flagged()
    keep(settings, heard)
    monkeypatch.chdir(tmp_path)
    assert call("play", heard.id) == "" and not list(tmp_path.glob("*.flac"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--limit", "0"],
        ["list", "--since", "soon"],
        ["list", "--state", "odd"],
        ["delete"],
        ["label", "maybe", "x"],
    ],
)
def test_wrong_usage_is_told(settings, call, arguments):
    assert "error" in call(arguments[0], *arguments[1:], code=2)


def test_a_reader_who_has_seen_enough_is_no_bug(settings):
    heard = flagged()
    keep(settings, heard)
    command = [sys.executable, review.__file__, "show", heard.id]
    environ = os.environ | {"RADD_STORAGE_URL": settings.url}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environ, **pipes) as process:
        process.stdout.close()
        assert (process.stderr.read(), process.wait(PATIENCE_S)) == (b"", 0)


# Exchange


def export_some(settings, directory):
    """Three clips, one of them labelled by two people."""
    heard = [flagged(seed) for seed in range(3)]
    keep(settings, *heard[:2])
    keep(settings, sample_of(heard[2], heard[2].id), source="<b>x</b>\n")
    with Reviews(settings.url, 1) as reviews:
        reviews.label([heard[0].id], Label.FAKE, "ann", "'; DROP TABLE labels; --")
        reviews.label([heard[0].id], Label.REAL, "bob", "")
        assert export_clips(reviews, directory, list(STATES)) == 3


@pytest.fixture(scope="module")
def exported_once(tmp_path_factory):
    directory = tmp_path_factory.mktemp("export")
    export_some(
        storage_settings(f"sqlite:///{directory}/radd.db", directory / "spool"), directory / "out"
    )
    return directory / "out"


@pytest.fixture
def exported(exported_once, tmp_path):
    """A directory as review.py export writes it, to be changed at will."""
    return shutil.copytree(exported_once, tmp_path / "exported")


@pytest.fixture
def elsewhere(tmp_path, capsys):
    """The command on another, empty database."""
    return ReviewCall(f"sqlite:///{tmp_path}/elsewhere.db", capsys)


def test_an_import_holds_what_was_exported_and_comes_in_once(settings, elsewhere, tmp_path):
    exported = tmp_path / "exported"
    export_some(settings, exported)
    assert elsewhere("import", exported).startswith("new: 3 clips, 3 alerts, 2 labels")
    assert elsewhere("import", exported).startswith("new: 0 clips, 0 alerts, 0 labels")
    elsewhere("export", tmp_path / "again")
    again = (tmp_path / "again/clips.jsonl").read_text().replace('"imported: ', '"')
    assert again == (exported / "clips.jsonl").read_text()
    sounds = {file.name: file.read_bytes() for file in (exported / "flac").iterdir()}
    assert {file.name: file.read_bytes() for file in (tmp_path / "again/flac").iterdir()} == sounds
    assert "already" in elsewhere("export", exported, code=2)


def test_labels_from_elsewhere_join_those_that_are_here(exported, elsewhere, tmp_path):
    elsewhere("import", exported)
    id = next(r["id"] for r in rows(elsewhere.url, tables.alerts) if r["review"] == "conflict")
    elsewhere("label", "fake", id, "--reviewer", "cyn")
    assert one(elsewhere.url, tables.alerts, id=id)["review"] == "fake"
    elsewhere("import", exported)
    assert one(elsewhere.url, tables.alerts, id=id)["review"] == "fake"


def change(*path, to):
    """An edit of a line of JSON: the value at `path` becomes `to`."""

    def edit(said):
        *way, last = path
        for step in way:
            said = said[step]
        said[last] = to

    return edit


@pytest.mark.parametrize(
    "edit, words",
    [
        (change("clip", "sha256", to="../../etc/passwd"), "expected a SHA-256"),
        (change("clip", "sha256", to="0" * 64), "cannot read"),
        (change("clip", "state", to="burnt"), "of state 'burnt'"),
        (change("clip", "length_samples", to=1), "but the line says otherwise"),
        (change("clip", "stored_utc", to="yesterday"), "clips stored_utc is"),
        (change("clip", "size_bytes", to=2**40), "clips size_bytes is"),
        (change("clip", "flac", to="x"), "expected a row of clips"),
        (change("alerts", to=[]), "at least one alert"),
        (change("alerts", 0, to="x"), "expected in each alert"),
        (change("alerts", 0, "id", to="x"), "expected two UUIDs"),
        (change("alerts", 0, "stream_id", to=str(uuid.UUID(int=5))), "its own stream"),
        (change("alerts", 0, "clip_sha256", to="0" * 64), "another clip"),
        (change("alerts", 0, "state", to="open"), "expected close, interrupted or sample"),
        (change("alerts", 0, "min_llr", to=float("nan")), "alerts min_llr is nan"),
        (change("alerts", 0, "peak_p_spoof", to=10**400), "alerts peak_p_spoof is 1000"),
        (change("alerts", 0, "trace", to=[[1, "x"]]), "trace or the neighbours"),
        (change("alerts", 0, "neighbours", to=[{"id": 3}]), "trace or the neighbours"),
        (change("alerts", 0, "stream", "source", to="x" * 10_001), "streams source is"),
        (change("alerts", 0, "stream", "host", to="\ud800"), "streams host is"),
        (change("labels", to={}), "a list of labels"),
        (change("labels", to=[{"label": "fake"}]), "expected a row of labels"),
        (change("more", to=1), 'expected an object with "clip"'),
    ],
)
def test_an_import_that_does_not_fit_is_refused_whole_with_its_line(
    exported, elsewhere, edit, words
):
    file = exported / "clips.jsonl"
    *before, last = file.read_text().splitlines()
    said = json.loads(last)
    edit(said)
    file.write_text("\n".join([*before, json.dumps(said)]) + "\n")
    told = elsewhere("import", exported, code=2)
    assert f"{file}:3: " in told and words in told and "nothing was imported" in told
    assert rows(elsewhere.url, tables.clips) == []


@pytest.mark.parametrize("line", ["", "[]", "{", "\x00", "[" * 100_000, "9" * 5_000])
def test_a_line_that_is_no_object_is_refused(exported, elsewhere, line):
    (exported / "clips.jsonl").write_text(line + "\n")
    assert "clips.jsonl:1: " in elsewhere("import", exported, code=2)


def test_changed_sound_and_missing_files_are_refused(exported, elsewhere, tmp_path):
    sound = next((exported / "flac").iterdir())
    sound.write_bytes(sound.read_bytes()[:-1] + b"x")
    assert "SHA-256 mismatch" in elsewhere("import", exported, code=2)
    sound.with_stem(hashlib.sha256(b"no sound").hexdigest()).write_bytes(b"no sound")
    first = json.loads((exported / "clips.jsonl").read_text().splitlines()[0])
    first["clip"]["sha256"] = hashlib.sha256(b"no sound").hexdigest()
    (exported / "clips.jsonl").write_text(json.dumps(first))
    assert "cannot be decoded" in elsewhere("import", exported, code=2)
    assert "expected the output of review.py export" in elsewhere(
        "import", tmp_path / "nowhere", code=2
    )
    (exported / "clips.jsonl").write_bytes(b"\xff\xfe")
    assert "not UTF-8" in elsewhere("import", exported, code=2)


def test_an_alert_that_is_known_with_other_sound_is_refused(exported, elsewhere):
    elsewhere("import", exported)
    lines = [json.loads(line) for line in (exported / "clips.jsonl").read_text().splitlines()]
    lines[0]["alerts"][0]["id"] = lines[1]["alerts"][0]["id"]
    (exported / "clips.jsonl").write_text(json.dumps(lines[0]) + "\n")
    assert "is in the database with other audio" in elsewhere("import", exported, code=2)


# What goes


def test_delete_removes_all_of_a_clip_and_says_so(settings, call, spoken):
    gone, stays = flagged(clip=spoken), flagged(clip=shifted(spoken, 500))
    keep(settings, gone, stays)
    call("label", "fake", gone.id, stays.id, "--reviewer", "ann")
    entries = len(references(settings.url, clip_sha256(gone.clip)))
    (before,) = rows(settings.url, tables.overlay_versions)
    told = call("delete", "--id", gone.id)
    size = len(flac_bytes(gone.clip))
    assert f"1 alerts, 1 clips, {size} clip bytes, 1 labels, {entries} index entries" in told
    assert "keeps no copies" in told
    assert {row["clip_sha256"] for row in rows(settings.url, tables.overlay_references)} == {
        clip_sha256(stays.clip)
    }
    for table in (
        tables.alerts,
        tables.clips,
        tables.evidence,
        tables.labels,
        tables.indexed_clips,
    ):
        assert len(rows(settings.url, table)) == 1
    assert rows(settings.url, tables.overlay_versions)[0]["version"] > before["version"]
    assert "there is no clip" in call("delete", "--id", gone.id, code=2)


def test_delete_leaves_sound_that_another_alert_needs(settings, reviews):
    first, second = flagged(5), flagged(5)
    keep(settings, first, second)
    removed = delete(reviews.database, [first.id])
    assert (removed["alerts"], removed["clips"], removed["clip_bytes"]) == (1, 0, 0)
    assert reviews.sound(second.id)[1] == flac_bytes(second.clip)


def test_delete_removes_a_stream_and_what_ended_before(settings, reviews):
    streams = [
        keep(settings, flagged(seed), score(16_000), Gap(20_000, 21_000, "x")) for seed in range(3)
    ]
    removed = delete(reviews.database, stream=streams[0])
    assert (removed["streams"], removed["alerts"], removed["seconds"]) == (1, 1, 1)
    assert {row["id"] for row in rows(settings.url, tables.streams)} == set(streams[1:])
    began = rows(settings.url, tables.alerts)[0]["began_utc"]
    assert not any(delete(reviews.database, before=began - timedelta(days=1)).values())
    removed = delete(reviews.database, before=began + timedelta(days=1))
    assert (removed["streams"], removed["alerts"], removed["clips"]) == (2, 2, 2)
    assert all(rows(settings.url, table) == [] for table in tables.METADATA.sorted_tables)


def test_the_row_of_a_running_stream_stays_so_that_it_can_go_on(settings, reviews):
    info = keep(settings, flagged())
    with reviews.database.transaction() as connection:
        connection.execute(tables.streams.update().values(state="running", ended_utc=None))
    assert delete(reviews.database, stream=info)["streams"] == 0
    assert len(rows(settings.url, tables.streams)) == 1 and rows(settings.url, tables.alerts) == []


def test_a_delete_that_fails_half_way_removes_nothing(tmp_path):
    local = storage_settings(f"sqlite:///{tmp_path}/radd.db", tmp_path / "spool")
    heard = [flagged(seed) for seed in range(3)]
    keep(local, *heard)
    database = sqlite3.connect(f"{tmp_path}/radd.db")
    database.execute(
        "CREATE TRIGGER no BEFORE DELETE ON clips BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    database.commit()
    database.close()
    with Reviews(local.url, 1) as reviews, pytest.raises(Exception, match="rejects rows"):
        delete(reviews.database, [event.id for event in heard])
    assert len(rows(local.url, tables.alerts)) == len(rows(local.url, tables.evidence)) == 3


@pytest.mark.parametrize(
    "kept_days, expected",
    [
        ({"keep_days_pending": 7}, ("expired", "fake", "pending")),
        ({"keep_days_labelled": 7}, ("pending", "fake", "pending")),
        ({}, ("pending", "fake", "pending")),
    ],
)
def test_sound_expires_by_the_state_of_its_review_and_rows_stay(
    settings, reviews, kept_days, expected
):
    old, labelled, young = flagged(1), flagged(2), flagged(3)
    keep(settings, old, labelled)
    reviews.label([labelled.id], Label.FAKE, "ann", "")
    with reviews.database.transaction() as connection:
        month_ago = connection.scalar(sa.select(tables.clips.c.stored_utc).limit(1)) - timedelta(
            days=30
        )
        connection.execute(tables.clips.update().values(stored_utc=month_ago))
    changed = storage_settings(settings.url, settings.spool, **kept_days)
    keep(changed, young)
    found = {row["id"]: row["review"] for row in rows(settings.url, tables.alerts)}
    assert (found[old.id], found[labelled.id], found[young.id]) == expected
    has_sound = {row["sha256"]: row["flac"] is not None for row in rows(settings.url, tables.clips)}
    assert has_sound[clip_sha256(old.clip)] == ("keep_days_pending" not in kept_days)
    assert has_sound[clip_sha256(labelled.clip)] == ("keep_days_labelled" not in kept_days)
    assert has_sound[clip_sha256(young.clip)]
