"""What people confirm: the overlay in the database, the index that hears of it, the score that
follows, the daemon.
"""

import json
import shutil
import socket
from dataclasses import dataclass, replace

import numpy as np
import pytest
import soundfile
from fixtures_detect import bundle_with, of_type, read_event, wait_for
from fixtures_patience import PATIENCE_S
from fixtures_storage import rows, until
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

import evaluate
import train
from app.settings import load
from radd.bundle import load_detector, load_known_voices
from radd.calibration import BOUNDS, Calibration
from radd.confirmed_side import RecordingKey
from radd.errors import ConfigError, ModelError, StorageError, StorageUnreachable
from radd.files import load_speech
from radd.hot_swap import HotSwapDetector
from radd.index import FAR, NOTHING_NEAR, BundleIndex, Closeness
from radd.overlay import OverlaidIndex, Overlay, Provenance, references_in
from radd.references import Reference, References
from radd.types import HOP_SAMPLES
from storage import tables
from storage.overlay import OverlayStore, Review
from stream.hot_reload import HotReload

WIDTH = 8
PERSON_LLR = 5.0
HEEDING = ((4.0, -8.0, 8.0), (4.0, -8.0, 8.0))
BLOCK_BYTES = 2 * 8 * HOP_SAMPLES
ANN = Review("ann", "heard it")


def unit(seed: int, n: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((n, WIDTH)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def references(n: int, label: str, name: str = "r") -> list[Reference]:
    return [Reference(f"{name}{i}", label, "-", "here", "CC0", 0.0) for i in range(n)]


def bundled() -> BundleIndex:
    return BundleIndex(
        "e", unit(0, 40), references(20, "bonafide", "real") + references(20, "spoof", "fake")
    )


def overlay(
    *parts: tuple[str, np.ndarray], removed: tuple[str, ...] = (), version: int = 1
) -> Overlay:
    known = [
        r
        for k, (label, vectors) in enumerate(parts)
        for r in references(len(vectors), label, f"c{k}-")
    ]
    vectors = np.concatenate([np.zeros((0, WIDTH), np.float32), *(v for _, v in parts)])
    return replace(Overlay.of("e", known, vectors), version=version, removed=frozenset(removed))


def calibration(*confirmed) -> Calibration:
    return Calibration((1.0,), ((0.0, PERSON_LLR),), ((0.0, 0.0, 0.0, PERSON_LLR),), confirmed)


@pytest.fixture(scope="module")
def heeding_bundle(tmp_path_factory):
    """The light bundle, calibrated to take every voice for a person's unless somebody says
    otherwise.
    """
    return bundle_with(tmp_path_factory.mktemp("bundle") / "heeding", calibration(*HEEDING))


@pytest.fixture(scope="module")
def heeding(heeding_bundle):
    settings = load(environ={})
    return lambda known=None: load_detector(heeding_bundle, settings.model, settings.gate, known)


def confirmed(bundle, sound: np.ndarray, label: str) -> Overlay:
    encoder, _, _ = load_known_voices(bundle)
    found, vectors = references_in(sound, encoder, Provenance(label, "-", "call", "-"))
    return Overlay.of(encoder.id, found, vectors)


def hops(path) -> np.ndarray:
    samples = load_speech(path)
    return samples[: len(samples) // HOP_SAMPLES * HOP_SAMPLES]


def test_an_overlay_changes_neighbours_and_closeness_but_not_the_margin():
    index, asked, near = bundled(), unit(1, 1)[0], unit(2, 3)
    overlaid = OverlaidIndex(index, overlay(("spoof", near)))
    plain, found = index.search(asked, 4), overlaid.search(asked, 4)
    assert found.margin == plain.margin and index.closeness(asked[None]) == (
        NOTHING_NEAR,
        NOTHING_NEAR,
    )
    real, fake = overlaid.closeness(asked[None])
    assert real.near == FAR < fake.near
    assert OverlaidIndex(index, overlay(("spoof", near), ("spoof", asked[None]))).closeness(
        asked[None]
    )[1].near > max(fake.near, 1)
    similarity = np.concatenate([unit(0, 40), near]) @ asked
    assert [n.similarity for n in found.neighbours] == pytest.approx(
        np.sort(similarity)[:-5:-1].tolist(), abs=1e-4
    )


def test_an_empty_overlay_finds_what_the_bundle_finds():
    for asked in unit(3, 5):
        assert OverlaidIndex(bundled(), overlay(version=7)).search(asked, 5) == bundled().search(
            asked, 5
        )


def test_what_was_removed_is_found_no_more():
    asked = unit(0, 40)[25]
    assert bundled().search(asked, 1).neighbours[0].id == "fake5"
    index = OverlaidIndex(bundled(), overlay(removed=("fake5", "somewhere else")))
    kept = [i for i in range(40) if i != 25]
    labelled = references(20, "bonafide", "real") + references(20, "spoof", "fake")
    assert index.search(asked, 9) == BundleIndex(
        "e", unit(0, 40)[kept], [labelled[i] for i in kept]
    ).search(asked, 9)
    with pytest.raises(ModelError, match="the index has 4 spoof references"):
        OverlaidIndex(bundled(), overlay(removed=tuple(f"fake{i}" for i in range(16))))


def test_law_8_the_overlay_of_another_encoder_is_refused():
    with pytest.raises(ModelError, match="made by encoder other, the index by e"):
        OverlaidIndex(bundled(), replace(overlay(), encoder_id="other"))
    with pytest.raises(ModelError, match="not of unit length"):
        overlay(("spoof", unit(2, 3) * 2))
    with pytest.raises(ModelError, match="2 vectors of 3 blocks"):
        Overlay.of("e", references(3, "spoof"), unit(2, 2))
    short = np.eye(4, dtype=np.float32)
    with pytest.raises(ModelError, match="vectors of 4 numbers, expected 8"):
        OverlaidIndex(bundled(), Overlay.of("e", references(4, "spoof"), short))


@limits(deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["bonafide", "spoof"]), st.floats(-20, 20))
def test_a_confirmation_never_speaks_against_its_own_label(seed, label, llr):
    other = "spoof" if label == "bonafide" else "bonafide"
    before = overlay((other, unit(seed, 3)))
    asked = unit(seed + 2, 2)
    more = overlay((other, unit(seed, 3)), (label, unit(seed + 3, 2)), (label, asked[:1]))
    then, now = (
        calibration(*HEEDING).overrule(llr, OverlaidIndex(bundled(), known).closeness(asked))
        for known in (before, more)
    )
    assert (now - then) * (1 if label == "bonafide" else -1) >= -1e-9
    assert (
        calibration(*HEEDING).overrule(llr, (NOTHING_NEAR, NOTHING_NEAR))
        == llr
        == calibration().overrule(llr, (Closeness(9.0), Closeness(9.0)))
    )


def test_what_sets_a_system_apart_counts_and_what_all_people_share_does_not():
    rng = np.random.default_rng(0)

    def voices(n, *marks):
        """Vectors with a loud part that says nothing, and marks."""
        vectors = rng.normal(0, 0.05, (n, WIDTH)) + np.eye(WIDTH)[0] + sum(marks, np.zeros(WIDTH))
        vectors[:, 1] += rng.normal(0, 0.5, n)
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    known, new = 0.3 * np.eye(WIDTH)[2], 0.3 * np.eye(WIDTH)[3]
    index = BundleIndex(
        "e",
        np.concatenate([voices(200), voices(200, known)]),
        references(200, "bonafide", "real") + references(200, "spoof", "fake"),
    )
    overlaid = OverlaidIndex(index, overlay(("spoof", voices(5, new))))
    same, real, other = (
        [overlaid.closeness(v[None])[1].near for v in voices(50, *marks)]
        for marks in ([new], [], [known])
    )
    assert np.quantile(same, 0.1) > max(np.quantile(real, 0.9), np.quantile(other, 0.9))


def test_however_much_is_confirmed_a_stranger_stays_as_near_as_strangers_are():
    strangers = unit(9, 300)
    index = BundleIndex(
        "e",
        np.concatenate([unit(10, 400), unit(11, 400)]),
        references(400, "bonafide", "real") + references(400, "spoof", "fake"),
    )
    for count in (1, 3, 40, 300):
        overlaid = OverlaidIndex(index, overlay(("spoof", unit(12, count))))
        near = [overlaid.closeness(v[None])[1].near for v in strangers]
        assert abs(np.mean(near)) < 0.5 and 0.5 < np.std(near) < 1.5


def test_a_passage_of_a_recording_has_one_vector():
    starts = [0.0, 1.0, 4.0, 4.2, 8.0, 9.0, 5.0]
    known = References(
        Reference(name, "spoof", "-", "-", "-", at)
        for name, at in zip("aaaaaab", starts, strict=True)
    )
    assert [np.flatnonzero(known.passages(4.096) == k).tolist() for k in range(3)] == [
        [0, 1, 2],
        [3, 4, 5],
        [6],
    ]


@limits(deadline=None)
@given(st.floats(-30, 30), st.floats(0.0, 6.0))
def test_the_evidence_of_a_recording_that_is_heard_again_is_added(llr, near):
    now = calibration(*HEEDING).overrule(llr, (NOTHING_NEAR, Closeness(near, (near,), True)))
    assert llr - now == pytest.approx(min(max(4 * near - 8, 0), 8))


@limits(deadline=None)
@given(st.floats(-30, 30), st.floats(-9.0, 99.0), st.sampled_from([0, 1]))
def test_one_source_or_one_reviewer_never_decides_for_which_side_a_sound_speaks(llr, near, side):
    heard = [NOTHING_NEAR, NOTHING_NEAR]
    heard[side] = Closeness(near, (near,))
    now = calibration(*HEEDING).overrule(llr, heard)
    assert abs(now - llr) <= min(BOUNDS[side].step, BOUNDS[side].lone * abs(llr)) + 1e-9
    assert side or now == llr
    assert (now > 0) == (llr > 0)


@limits(deadline=None)
@given(st.floats(-30, 30), st.integers(2, 4), st.sampled_from([0, 1]))
def test_the_bound_grows_with_independent_confirmations_and_less_for_real(llr, count, side):
    heard = [NOTHING_NEAR, NOTHING_NEAR]
    heard[side] = Closeness(99.0, (99.0,) * count)
    now = calibration(*HEEDING).overrule(llr, heard)
    assert abs(now - llr) == pytest.approx(BOUNDS[side].step * (count - 1))
    assert BOUNDS[0] < BOUNDS[1]


def independent(*confirmed: tuple[str, str]) -> int:
    """How many confirmations of one sound count that these, (source, reviewer), have given."""
    asked = unit(1, 1)
    known = [
        Reference(f"c{k}", "spoof", "-", source, "CC0", 0.0)
        for k, (source, _) in enumerate(confirmed)
    ]
    made = Overlay.of("e", known, np.repeat(asked, len(known), axis=0))
    keys = {
        f"c{k}": RecordingKey("spoof", None, 1, frozenset({who} - {""}))
        for k, (_, who) in enumerate(confirmed)
    }
    near = OverlaidIndex(bundled(), replace(made, recordings=keys)).closeness(asked)[1]
    assert near.near >= max(near.independent) - 1e-4
    return len(near.independent)


@pytest.mark.parametrize(
    ("confirmed", "count"),
    [
        ([("line 1", "ann")] * 9, 1),
        ([("line 1", "ann"), ("line 2", "ann"), ("line 3", "ann")], 1),
        ([("line 1", "ann"), ("line 1", "bob"), ("line 1", "cyn")], 1),
        ([("line 1", ""), ("line 2", "")], 1),
        ([("line 1", "ann"), ("line 2", "bob")], 2),
        ([("line 1", "ann"), ("line 2", "ann"), ("line 1", "bob"), ("line 2", "bob")], 2),
        ([(f"line {k}", f"reviewer {k}") for k in range(9)], 4),
    ],
)
def test_what_is_not_of_another_source_and_another_reviewer_counts_once(confirmed, count):
    assert independent(*confirmed) == count


def test_a_calibration_that_would_speak_without_a_confirmation_is_refused():
    for rows_ in (
        ((1.0, 0.0, 5.0), (-1.0, 0.0, 5.0)),
        ((1.0, 0.0, 5.0), (0.0, 1.0, 5.0)),
        ((1.0, 0.0, 5.0),),
    ):
        with pytest.raises(ModelError, match="confirmed references"):
            calibration(*rows_)


def test_without_confirmations_scores_are_the_same_bit_by_bit(heeding, heeding_bundle, speech):
    nothing = Overlay.empty(confirmed(heeding_bundle, hops(speech), "spoof").encoder_id)
    plain, overlaid = heeding(), heeding(nothing)
    assert plain.push(plain.start(), hops(speech)) == overlaid.push(overlaid.start(), hops(speech))


@pytest.mark.parametrize(("label", "direction"), [("bonafide", 1), ("spoof", -1)])
def test_the_same_recording_is_known_again(heeding, heeding_bundle, speech, label, direction):
    plain, told = heeding(), heeding(confirmed(heeding_bundle, hops(speech), label))
    pairs = [
        (a.llr, b.llr)
        for a, b in zip(
            plain.push(plain.start(), hops(speech)),
            told.push(told.start(), hops(speech)),
            strict=True,
        )
        if a.llr is not None
    ]
    assert all(direction * (b - a) >= 0 for a, b in pairs)
    assert direction * pairs[-1][1] > direction * PERSON_LLR and direction * pairs[-1][1] > 2


def test_a_detector_that_adopts_an_index_forgets_what_the_one_before_had_found(
    heeding, heeding_bundle, speech
):
    detector = heeding()
    first = detector.push(detector.start(), hops(speech))
    assert detector.push(detector.start(), hops(speech)) == first and detector.cache.hits > 0
    detector = detector.with_overlay(confirmed(heeding_bundle, hops(speech), "spoof"))
    assert detector.push(detector.start(), hops(speech))[-1].llr < 0 < first[-1].llr
    assert detector.cache.hits == 0


def test_the_store_keeps_what_it_is_given(database_url):
    vectors = unit(4, 3)
    known = [replace(r, id="abc", start_s=0.256 * i) for i, r in enumerate(references(3, "spoof"))]
    with OverlayStore(database_url, "e") as store, OverlayStore(database_url, "other") as other:
        assert store.read().version == 0 and store.changed(0) is None
        assert store.add(known, vectors, ANN) and not store.add(known, vectors, ANN)
        read = store.changed(0)
        assert (read.version, list(read.sides[1].references), read.removed) == (
            1,
            known,
            frozenset(),
        )
        assert np.array_equal(read.sides[1].vectors(), vectors) and store.changed(1) is None
        assert len(other.read()) == other.read().version == 0
        (recording,) = store.recordings()
        assert (recording.id, recording.label, recording.blocks, recording.reviewer) == (
            "abc",
            "spoof",
            3,
            "ann",
        )
        with pytest.raises(ConfigError, match="abc is in the index as spoof, not bonafide"):
            store.add([replace(r, label="bonafide") for r in known], vectors, ANN)
        assert store.changed(1) is None


def test_a_removal_is_all_or_nothing_and_grows_the_version(database_url):
    with OverlayStore(database_url, "e") as store:
        store.add(references(1, "spoof"), unit(4, 1), ANN)
        with pytest.raises(ConfigError, match="no reference nowhere"):
            store.remove(["r0", "nowhere"], {"fake1"}, ANN)
        assert store.changed(1) is None
        store.remove(["r0", "fake1"], {"fake1"}, Review("bob", "a person"))
        now = store.read()
        assert (now.version, len(now), now.removed) == (2, 0, {"fake1"})
        with pytest.raises(ConfigError, match="no reference fake1"):
            store.remove(["fake1"], {"fake1"}, ANN)
        store.restore(["fake1"])
        assert (store.read().version, store.read().removed) == (3, frozenset())
        with pytest.raises(ConfigError, match="cannot be restored"):
            store.restore(["fake1"])
    assert (
        rows(database_url, tables.overlay_references)
        == rows(database_url, tables.overlay_removals)
        == []
    )


def test_damaged_rows_are_told(database_url):
    with OverlayStore(database_url, "e") as store:
        store.add(references(1, "spoof", "a"), unit(4, 1), ANN)
        store.add(references(1, "spoof", "b"), unit(4, 1)[:, :3], ANN)
        with pytest.raises(StorageError, match=r"embeddings of \[12, 32\] bytes"):
            store.read()


def test_what_came_and_went_is_counted():
    first, second = (
        overlay(("spoof", unit(1, 3))),
        overlay(("spoof", unit(1, 5)), removed=("real1",)),
    )
    assert (
        first.since(None) == (3, 0)
        and second.since(first) == (2, 1)
        and first.since(second) == (1, 2)
    )


class Shelf:
    """Overlays in memory, away while `away`."""

    def __init__(self):
        self.now, self.away, self.asked = overlay(version=0), False, 0

    def changed(self, version):
        self.asked += 1
        if self.away:
            raise StorageUnreachable("nobody answers")
        return None if self.now.version == version else self.now

    def close(self):
        pass


@dataclass(frozen=True)
class Learning:
    """A detector that is nothing but its index."""

    index: OverlaidIndex | None = None
    name = bundle = "learning"

    def with_overlay(self, known):
        return Learning(OverlaidIndex(bundled(), known))


def test_a_living_index_follows_and_outlasts_a_database_that_is_away(caplog):
    shelf, detector = Shelf(), HotSwapDetector(Learning())
    shelf.away = True
    with HotReload(detector, lambda _: shelf, 0.01) as living:
        until(lambda: shelf.asked > 3)
        assert living.take() is None and not caplog.records
        shelf.now, shelf.away = overlay(("spoof", unit(1, 3)), version=4), False
        assert until(living.take) == (4, 3, 0) and detector.now.index is not None
        shelf.now = replace(overlay(version=5), encoder_id="other")
        until(lambda: caplog.records)
        assert "stays as it is" in caplog.text and living.take() is None
        shelf.now = overlay(version=6)
        assert until(living.take) == (6, 0, 3)
        asked = shelf.asked
        until(lambda: shelf.asked > asked + 2)
        assert living.take() is None and len(caplog.records) == 1


def test_a_database_that_is_away_at_the_start_is_no_error(caplog):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"mysql+mysqlconnector://radd:x@127.0.0.1:{closed.getsockname()[1]}/radd"
        with HotReload(
            HotSwapDetector(Learning()), lambda _: OverlayStore(url, "e"), 3600
        ) as living:
            assert living.take() is None and not caplog.records


def index(capsys, *arguments) -> tuple[int, str, str]:
    code = train.main(["index", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_train_index_adds_lists_counts_and_removes(
    capsys, heeding_bundle, speech, database_url, monkeypatch
):
    monkeypatch.setenv("RADD_STORAGE_URL", database_url)
    there = "--bundle", heeding_bundle
    code, out, err = index(
        capsys,
        "add",
        speech,
        "--label",
        "fake",
        "--system",
        "tts",
        "--source",
        "call 7",
        "--reviewer",
        "ann",
        "--reason",
        "they said so",
        *there,
    )
    id, blocks = out.split()[0], int(out.split()[1])
    assert code == 0 and err == "" and len(id) == 12 and blocks > 10
    assert "there already" in index(capsys, "add", speech, "--label", "fake", *there)[1]
    assert index(capsys, "add", speech, "--label", "real", *there)[0] == 2
    listed = index(capsys, "list", "--label", "fake", "--source", "call", *there)[1]
    assert listed.startswith(f"{id}\tspoof\ttts\tcall 7\tunstated\tann\tthey said so\t")
    assert all(
        index(capsys, "list", *other, *there)[1] == ""
        for other in (["--label", "real"], ["--source", "x"])
    )
    of_bundle = next(iter(load_known_voices(heeding_bundle)[1].ids()))
    assert index(capsys, "remove", id, of_bundle, "--reviewer", "ann", *there)[0] == 0
    counted = index(capsys, "stats", *there)[1].splitlines()
    assert [int(line.split()[0]) for line in counted[1:6]] == [1, 0, 0, 0, 2]
    assert [line.split(maxsplit=1)[1] for line in counted[6:]] == [
        f"MB for the bundle's {label} references, exact" for label in ("real", "fake")
    ]
    assert (
        index(capsys, "restore", of_bundle, *there)[0] == 0
        and index(capsys, "remove", id, *there)[0] == 2
    )


def test_a_bundle_that_cannot_weigh_confirmations_says_so(
    capsys, suspicious_bundle, speech, tmp_path
):
    there = "--url", f"sqlite:///{tmp_path}/radd.db", "--bundle", suspicious_bundle
    code, _, err = index(capsys, "add", speech, "--label", "real", *there)
    assert code == 0 and "do not change scores" in err


def test_silence_teaches_nothing(capsys, heeding_bundle, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(48_000), 16_000)
    there = "--url", f"sqlite:///{tmp_path}/radd.db", "--bundle", heeding_bundle
    code, _, err = index(capsys, "add", tmp_path / "silence.wav", "--label", "fake", *there)
    assert code == 3 and "less than a second of speech" in err


def test_evaluation_takes_an_overlay_and_says_which(capsys, heeding_bundle, speech, tmp_path):
    url = f"sqlite:///{tmp_path}/radd.db"
    protocol, audio = tmp_path / "protocol.csv", tmp_path / "audio"
    protocol.write_text("utt,key\na,spoof\nb,bonafide\n")
    audio.mkdir()
    for name in "ab":
        shutil.copy(speech, audio / f"{name}.wav")
    there = [
        "--protocol",
        protocol,
        "--audio",
        audio,
        "--bundle",
        heeding_bundle,
        "--jobs",
        1,
        "--bootstrap",
        0,
    ]

    def score(name: str, *options) -> tuple[int, float, int | None]:
        code = evaluate.main([*map(str, ["score", *there, *options, "--out", tmp_path / name])])
        if code:
            return code, None, None
        head, line, _ = (tmp_path / name / "scored.jsonl").read_text().splitlines()
        version = json.loads((tmp_path / name / "metrics.json").read_text()).get("overlay_version")
        assert f"overlay version {version}" in json.loads(head)["detector"] or version is None
        return code, json.loads(line)[1], version

    assert score("nothing confirmed", "--overlay", url)[0] == 2
    index(capsys, "add", speech, "--label", "fake", "--url", url, "--bundle", heeding_bundle)
    assert score("plain") == (0, PERSON_LLR, None)
    code, llr, version = score("told", "--overlay", url)
    assert (code, version) == (0, 1) and llr < 0


def test_a_daemon_catches_a_confirmed_fake_from_then_on(
    command, capsys, heeding_bundle, speech, speech_pcm, database_url, monkeypatch
):
    command.environ |= {"RADD_STORAGE_URL": database_url, "RADD_MODEL_OVERLAY_S": "0.1"}
    monkeypatch.setenv("RADD_STORAGE_URL", database_url)
    there = "--bundle", heeding_bundle
    process = command.start("--json", "--bundle", heeding_bundle, "--source", "-")
    events, sent = [], 0

    def send(pcm: bytes) -> None:
        """Send it, filled up to whole blocks, and read what is told of it."""
        nonlocal sent
        pcm += bytes(-len(pcm) % BLOCK_BYTES)
        process.stdin.write(pcm)
        process.stdin.flush()
        sent += len(pcm) // (2 * HOP_SAMPLES)
        while len(of_type(events, "score")) < sent:
            events.append(read_event(process.stdout.readline()))

    def send_silence_until(version: int) -> dict:
        while not (told := [e for e in of_type(events, "index") if e["version"] == version]):
            send(bytes(BLOCK_BYTES))
        return told[0]

    send(speech_pcm)
    assert of_type(events, "alert") == []
    _, out, _ = index(capsys, "add", speech, "--label", "fake", *there)
    told = send_silence_until(1)
    assert (told["added"], told["removed"]) == (int(out.split()[1]), 0)
    before = len(events)
    send(speech_pcm)
    assert [alert["state"] for alert in of_type(events[before:], "alert")][:1] == ["open"]
    index(capsys, "remove", out.split()[0], *there)
    send_silence_until(2)
    send(bytes(BLOCK_BYTES * 12))
    before = len(events)
    send(speech_pcm)
    assert of_type(events[before:], "alert") == []
    process.stdin.close()
    stopped = wait_for(process, "stopped")
    assert process.wait(PATIENCE_S) == 0
    assert [score["t"] for score in of_type(events, "score")] == pytest.approx(
        [0.128 * (i + 1) for i in range(sent)]
    )
    assert (
        stopped["totals"]["chunks"],
        stopped["totals"]["lost_s"],
        stopped["totals"]["drops"],
    ) == (sent, 0, 0)
