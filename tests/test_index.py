"""The references of one label, exact and clustered: one contract, held against its definition; what
both make together.
"""

import pickle
import threading
from collections import Counter

import numpy as np
import pytest
from fixtures_storage import until
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from radd import index_sides as indexing
from radd.errors import ModelError
from radd.index import BundleIndex
from radd.index_sides import ExactSide, clustered
from radd.overlay import OverlaidIndex, Overlay, RecordingKey
from radd.references import Reference, References, read_references, write_references

WIDTH = 16
KINDS = {"exact": ExactSide, "clustered": clustered}


def unit(rng: np.random.Generator, n: int, width: int = WIDTH) -> np.ndarray:
    vectors = rng.standard_normal((n, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def named(ids, label: str = "spoof") -> References:
    return References(
        Reference(id, label, f"tts {id[-1]}", "call 7", "CC0", 0.5 * i) for i, id in enumerate(ids)
    )


def definition(
    known: list[tuple[np.ndarray, Reference]], asked: np.ndarray
) -> list[tuple[float, Reference]]:
    return sorted(
        ((float(vector @ asked), reference) for vector, reference in known), key=lambda hit: -hit[0]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_any_history_of_a_side(kind, monkeypatch):
    monkeypatch.setattr(indexing, "TAIL", 12)
    monkeypatch.setattr(indexing, "LEAST_CLUSTERED", 20)

    class History(RuleBasedStateMachine):
        """Recordings come and go; whatever was made before stays what it was."""

        @initialize(seed=st.integers(0, 2**32 - 1), n=st.integers(20, 60))
        def begin(self, seed, n):
            self.rng, self.number = np.random.default_rng(seed), 0
            self.known = self.drawn(n)
            self.side = KINDS[kind](
                np.array([v for v, _ in self.known]), References(r for _, r in self.known)
            )
            self.past = [(self.side, list(self.known))]
            assert self.side.kind == kind

        def drawn(self, n: int) -> list[tuple[np.ndarray, Reference]]:
            ids = [f"r{(self.number + i) // 3}" for i in range(n)]
            self.number += n + 3
            return list(zip(unit(self.rng, n), named(ids), strict=True))

        @rule(n=st.integers(0, 8), lost=st.integers(0, 4))
        def change(self, n, lost):
            ids = sorted({r.id for _, r in self.known})
            gone = set(self.rng.permutation(ids)[:lost].tolist()) | {"nobody"}
            came = self.drawn(n)
            vectors = np.array([v for v, _ in came], np.float32).reshape(n, WIDTH)
            self.side = self.side.changed(gone, vectors, References(r for _, r in came))
            self.known = [(v, r) for v, r in self.known if r.id not in gone] + came
            self.past.append((self.side, list(self.known)))

        @rule(n=st.integers(1, 12))
        def look_up(self, n):
            side, known = self.past[self.rng.integers(len(self.past))]
            asked = unit(self.rng, 1)[0]
            found, wanted = side.nearest(asked, n), definition(known, asked)[:n]
            assert [s for s, _ in found] == pytest.approx([s for s, _ in wanted], abs=1e-5)
            assert [r for _, r in found] == [r for _, r in wanted]

        @invariant()
        def it_holds_what_is_known(self):
            assert len(self.side) == len(self.known)
            assert Counter(self.side.references) == Counter(r for _, r in self.known)
            whose = {(r, v.tobytes()) for v, r in self.known}
            assert {
                (r, v.tobytes())
                for v, r in zip(self.side.vectors(), self.side.references, strict=True)
            } == whose

    run_state_machine_as_test(
        History, settings=settings(deadline=None, max_examples=8, stateful_step_count=10)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_side_passes_to_another_process(kind):
    rng = np.random.default_rng(0)
    side = KINDS[kind](unit(rng, 40), named([f"r{i}" for i in range(40)]))
    side = side.changed({"r3"}, unit(rng, 2), named(["new", "new"]))
    copy, asked = pickle.loads(pickle.dumps(side)), unit(rng, 1)[0]
    assert copy.nearest(asked, 9) == side.nearest(asked, 9) and len(copy) == 41


def test_clusters_find_what_is_there_to_be_found():
    rng = np.random.default_rng(1)
    voices = unit(rng, 60, 32)
    near = voices[rng.integers(60, size=12_000)] + 0.15 * rng.standard_normal((12_000, 32)).astype(
        np.float32
    )
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    side, exact = (
        make(near, named([f"r{i}" for i in range(12_000)])) for make in (clustered, ExactSide)
    )
    gone = {f"r{i}" for i in range(0, 12_000, 2)}
    fewer = [s.changed(gone, near[:0], References()) for s in (side, exact)]
    for one, other in ((side, exact), fewer):
        hits = [(one.nearest(v, 10), other.nearest(v, 10)) for v in near[:100]]
        recall = np.mean([len({r.id for _, r in a} & {r.id for _, r in b}) / 10 for a, b in hits])
        assert recall >= 0.99
        assert all(
            s == pytest.approx(float(near[int(r.id[1:])] @ v), abs=1e-5)
            for v, (a, _) in zip(near, hits, strict=False)
            for s, r in a
        )
    assert not {r.id for v in near[:100] for _, r in fewer[0].nearest(v, 10)} & gone
    held = side.memory().held
    assert 12_000 * 4 * 32 < held < 2 * 12_000 * 4 * 32 and side.memory().mapped == 0


def labelled(n: int) -> list[Reference]:
    return [
        Reference(f"r{i}", ("bonafide", "spoof")[i % 2], f"s{i % 3}", "call, 7\nor 8", "CC0", i / 8)
        for i in range(n)
    ]


@pytest.fixture
def small(monkeypatch):
    """Few references are many."""
    monkeypatch.setattr(indexing, "EXACT_BELOW", 100)
    monkeypatch.setattr(indexing, "LEAST_CLUSTERED", 30)


def test_a_large_index_finds_what_a_small_one_would(small, monkeypatch, tmp_path):
    rng = np.random.default_rng(2)
    vectors, known = unit(rng, 120).astype(np.float16), labelled(120)
    many = BundleIndex("e", vectors, known)
    np.save(tmp_path / "v.npy", vectors)
    write_references(tmp_path / "r.csv", known)
    many.save_clusters(tmp_path)
    loaded = BundleIndex.load(tmp_path / "v.npy", tmp_path / "r.csv", "e", "e")
    monkeypatch.setattr(indexing, "EXACT_BELOW", 1000)
    few = BundleIndex("e", vectors, known)
    assert [side.kind for index in (many, loaded, few) for side in index.sides] == 4 * [
        "clustered"
    ] + 2 * ["exact"]
    assert loaded.sides[0].memory().mapped == 60 * 2 * WIDTH
    gone = {"r0", "r1", "r64"}
    for one in (many, loaded, many.without(gone), loaded.without(gone)):
        for asked in unit(rng, 5):
            found, wanted = (
                one.search(asked, 8),
                (few if len(one) == 120 else few.without(gone)).search(asked, 8),
            )
            assert found.margin == pytest.approx(wanted.margin, abs=1e-5)
            assert [n.id for n in found.neighbours] == [n.id for n in wanted.neighbours]
            assert {(n.label, n.system) for n in found.neighbours} <= {
                (r.label, r.system) for r in known
            }
    assert many.ids() - many.without(gone).ids() == gone and many.systems() == {"s0", "s1", "s2"}


def test_clusters_that_do_not_belong_are_refused(small, tmp_path):
    rng = np.random.default_rng(3)
    for n in (140, 120):  # the clusters are those of the first, the vectors those of the second
        np.save(tmp_path / "v.npy", unit(rng, n))
        write_references(tmp_path / "r.csv", labelled(n))
        if n == 140:
            BundleIndex("e", np.load(tmp_path / "v.npy"), labelled(n)).save_clusters(tmp_path)
    with pytest.raises(ModelError, match="hold 70 vectors, the index 60"):
        BundleIndex.load(tmp_path / "v.npy", tmp_path / "r.csv", "e", "e")
    (tmp_path / "clusters_spoof.faiss").write_bytes(b"nothing")
    (tmp_path / "clusters_bonafide.faiss").unlink()
    with pytest.raises(ModelError, match="clusters_spoof.faiss cannot be read"):
        BundleIndex.load(tmp_path / "v.npy", tmp_path / "r.csv", "e", "e")


def test_an_overlay_that_grows_becomes_clustered_and_shrinks_again(small):
    rng = np.random.default_rng(4)
    overlay, kinds, recordings = Overlay.empty("e"), [], {}
    bundled = BundleIndex("e", unit(rng, 20), labelled(20))
    for step, n in enumerate((40, 40, 40, 5), 1):
        recordings = recordings | {f"c{step}": RecordingKey("spoof", None, n)}
        overlay = overlay.changed(
            step, recordings, named([f"c{step}"] * n), unit(rng, n), frozenset()
        )
        kinds.append(overlay.sides[1].kind)
    assert kinds == ["exact", "exact", "clustered", "clustered"] and len(overlay) == 125
    assert overlay.since(None) == (125, 0)
    asked = unit(rng, 1)[0]
    found = OverlaidIndex(bundled, overlay).search(asked, 10).neighbours
    known = [*zip(overlay.sides[1].vectors(), overlay.sides[1].references, strict=True)]
    nearest = definition(known, asked)[0]
    assert max(n.similarity for n in found if n.id.startswith("c")) == pytest.approx(
        nearest[0], abs=1e-4
    )
    smaller = overlay.changed(
        9, {"c4": recordings["c4"]}, References(), np.zeros((0, WIDTH), np.float32), frozenset()
    )
    assert (
        smaller.sides[1].kind == "exact"
        and len(smaller) == 5
        and smaller.since(overlay) == (0, 120)
    )
    assert overlay.sides[1].nearest(asked, 1)[0][1].id == nearest[1].id


def test_searching_goes_on_while_the_next_index_is_made():
    rng = np.random.default_rng(5)
    vectors = unit(rng, 3000)
    side, asked = clustered(vectors, named([f"r{i}" for i in range(3000)])), unit(rng, 1)[0]
    wanted, stop, wrong, searched = side.nearest(asked, 10), threading.Event(), [], []

    def search():
        while not stop.is_set():
            searched.append(1)
            if side.nearest(asked, 10) != wanted:
                wrong.append(1)

    listening = threading.Thread(target=search)
    listening.start()
    until(lambda: searched)
    changing = side
    for step in range(20):
        changing = changing.changed(
            {wanted[step % 10][1].id}, unit(rng, 30), named([f"new{step}"] * 30)
        )
    stop.set()
    listening.join()
    assert not wrong and len(changing) == 3000 - 10 + 600


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=4), st.sampled_from("ab"), st.floats(0, 9)), max_size=9),
    st.data(),
)
def test_references_are_a_list_of_references_in_few_bytes(told, data):
    plain = [
        Reference(id.replace("\0", ""), "spoof", system, "call", "CC0", start)
        for id, system, start in told
    ]
    cut = data.draw(st.integers(0, len(plain)))
    known = References(plain[:cut]).joined(References(plain[cut:]))
    assert list(known) == plain and [known[i] for i in range(len(known))] == plain
    assert known.ids() == {r.id for r in plain} and known.systems() == {r.system for r in plain}
    asked = {r.id for r in plain[:2]} | {"elsewhere"}
    assert [r for r in plain if r.id in asked] == list(known.part(known.of(asked)))
    assert known.labels.tolist() == [r.label for r in plain]


def test_references_survive_their_file(tmp_path):
    write_references(tmp_path / "r.csv", labelled(9))
    assert list(read_references(tmp_path / "r.csv")) == labelled(9)
    (tmp_path / "r.csv").write_text("id,label\na,spoof\n")
    with pytest.raises(ValueError, match="expected"):
        read_references(tmp_path / "r.csv")
