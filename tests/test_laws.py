"""What may never break: each test is named for its law in the order that docs and issues use."""

import ast
import dataclasses
import re
import sys
import tomllib
import typing

import numpy as np
import pytest
from fixtures_detector import cut, listen, monitor, silence, takeover, voice
from fixtures_house import (
    DOORS,
    FLOORS,
    ROOT,
    floor,
    imports,
    modules,
    reached_from,
    source,
    top,
    tree,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.commands import command
from radd.types import HOP_SAMPLES, Alert, AudioChunk, Gap, Score, Verdict
from stream.ring_buffer import RingBuffer

MEASURED = {Verdict.BONAFIDE, Verdict.SUSPECT, Verdict.SPOOF}
TRAINING_ONLY = {"torch", "transformers", "tensorflow", "librosa", "scipy", "sklearn", "pandas"}
law = settings(deadline=None, max_examples=15)


def assert_same_events(found, expected):
    """Equal but for rounding: LLRs within 1e-4, whole events otherwise."""
    assert [type(event) for event in found] == [type(event) for event in expected]
    for a, b in zip(found, expected, strict=True):
        if isinstance(a, Gap):
            assert a == b
        elif isinstance(a, Score):
            assert (a.end, a.verdict, a.reason, a.window_samples) == (
                b.end,
                b.verdict,
                b.reason,
                b.window_samples,
            )
            assert (a.llr, a.p_spoof) == pytest.approx((b.llr, b.p_spoof), abs=1e-4)
        else:
            assert (a.id, a.state, a.began, a.end, a.clip_start) == (
                b.id,
                b.state,
                b.began,
                b.end,
                b.clip_start,
            )
            assert np.array_equal(a.clip, b.clip)
            assert a.min_llr == pytest.approx(b.min_llr, abs=1e-4)


def spelled_out(events):
    """Events as bytes, clips included."""
    return [
        (repr(event).encode(), event.clip.tobytes() if isinstance(event, Alert) else b"")
        for event in events
    ]


class RingAgainstHistory(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.ring = RingBuffer(50)
        self.history = np.empty(0, np.float32)

    @rule(length=st.one_of(st.integers(0, 60), st.integers(0, 400)))
    def write(self, length):
        written = np.arange(self.ring.total, self.ring.total + length, dtype=np.float32)
        self.ring.write(written)
        self.history = np.concatenate((self.history, written))

    @rule(n=st.integers(1, 50))
    def last(self, n):
        assert np.array_equal(self.ring.last(n), self.history[-n:])

    @invariant()
    def it_counts_and_holds_what_was_written(self):
        assert self.ring.total == len(self.history)
        assert np.array_equal(self.ring.last(50), self.history[-50:])
        assert len(self.ring.last(0)) == 0


TestLaw1RingBufferEqualsHistory = RingAgainstHistory.TestCase
TestLaw1RingBufferEqualsHistory.settings = settings(
    deadline=None, max_examples=60, stateful_step_count=30
)


@pytest.mark.parametrize("size", [1, 160, 2048, 7919, 50_000])
def test_law_2_chunk_size_does_not_matter(detector, size):
    sound = takeover()
    assert_same_events(listen(detector, cut(sound, size)), listen(detector, cut(sound, len(sound))))


@law
@given(
    st.integers(0, 2),
    st.integers(HOP_SAMPLES, 12 * 16_000),
    st.integers(1, 40_000),
    st.sampled_from([1000, HOP_SAMPLES, 30_000]),
)
def test_law_4_no_window_straddles_a_gap(detector, seed, before, lost, size):
    first, second = voice(seed, 12, synthetic=True)[:before], voice(seed + 9, 9, synthetic=True)
    goes_on = before + lost
    chunks = cut(second, size, goes_on)
    chunks[0] = AudioChunk(chunks[0].samples, goes_on, cause="unplugged")
    events = listen(detector, cut(first, size) + chunks)
    gap = next(event for event in events if isinstance(event, Gap))
    assert (gap.start, gap.end) == (before, goes_on)
    later = [event for event in events if event.end > goes_on]
    for event in later:
        begin = event.clip_start if isinstance(event, Alert) else event.end - event.window_samples
        assert begin >= goes_on
    alone = [event for event in listen(detector, cut(second, size)) if isinstance(event, Score)]
    heard = [event for event in later if isinstance(event, Score)]
    assert [score.llr for score in heard] == pytest.approx([score.llr for score in alone], abs=1e-4)
    assert all(event.end <= before for event in events[: events.index(gap)])


@law
@given(
    st.lists(
        st.sampled_from(["person", "fake", "silence", "clipping", "gap", "damage"]),
        min_size=1,
        max_size=6,
    )
)
def test_law_5_nothing_unmeasured_has_a_number(detector, plan):
    kinds = {
        "person": voice(1, 2.5, synthetic=False),
        "fake": voice(2, 5.3, synthetic=True),
        "silence": silence(1.7),
        "clipping": np.ones(9000, np.float32),
        "damage": silence(0.3),
    }
    chunks, start = [], 0
    for kind in plan:
        if kind == "gap":
            start += 5000
            continue
        chunks.append(AudioChunk(kinds[kind], start, damaged=9 if kind == "damage" else 0))
        start = chunks[-1].end
    for event in listen(detector, chunks):
        if isinstance(event, Score):
            is_measured = event.verdict in MEASURED
            assert (
                (event.llr is not None)
                == (event.p_spoof is not None)
                == (event.reason is None)
                == is_measured
            )
            assert event.reason != ""
        elif isinstance(event, Alert):
            assert np.isfinite([event.min_llr, event.peak_p_spoof]).all()


def test_law_6_same_audio_same_bytes(detector):
    chunks = cut(takeover(), 7919)
    first, second = (spelled_out(listen(detector, chunks)) for _ in range(2))
    assert first == second


@law
@given(st.integers(0, 31 * 16_000), st.booleans(), st.sampled_from([1000, HOP_SAMPLES, 50_000]))
def test_law_7_later_audio_never_changes_an_earlier_decision(detector, now, is_synthetic, size):
    heard = takeover()[:now]
    stream = monitor(detector)
    so_far = [event for chunk in cut(heard, size) for event in stream.feed(chunk)]
    for later in (takeover()[now:], voice(99, 6, synthetic=is_synthetic)):
        whole = listen(detector, cut(np.concatenate((heard, later)), size))
        assert_same_events(whole[: len(so_far)], so_far)


def test_law_10_every_setting_is_in_config_toml_and_every_key_is_used():
    from app.settings import DEFAULTS, Settings

    sections = typing.get_type_hints(Settings)
    keys = {
        name: [field.name for field in dataclasses.fields(section)]
        for name, section in sections.items()
    }
    assert {name: sorted(table) for name, table in tomllib.loads(DEFAULTS.read_text()).items()} == {
        name: sorted(names) for name, names in keys.items()
    }
    used = attributes_read()
    assert [
        f"{name}.{key}" for name, names in keys.items() for key in names if key not in used
    ] == []
    assert set(sections) <= used


def attributes_read() -> set[str]:
    """The names that the project reads as attributes, but for app/settings.py and for settings
    checking themselves.
    """
    names = set()
    for module in modules().keys() - {"app.settings"}:
        checks = {
            inner
            for node in ast.walk(tree(module))
            if isinstance(node, ast.FunctionDef) and node.name == "__post_init__"
            for inner in ast.walk(node)
        }
        names |= {
            n.attr
            for n in ast.walk(tree(module))
            if isinstance(n, ast.Attribute) and n not in checks
        }
    return names


def test_law_12_imports_go_downward_only():
    upward = [
        f"{module} imports {name}"
        for module in modules()
        for name in imports(module)
        if name in modules() and top(name) != top(module) and floor(name) >= floor(module)
    ]
    assert upward == []


def test_law_12_every_package_has_its_floor():
    packages = {top(module) for module, path in modules().items() if path.parent != ROOT}
    assert packages <= FLOORS.keys()


def test_law_12_each_foreign_library_of_the_live_path_has_one_door():
    ours = {top(module) for module in modules()} | set(sys.stdlib_module_names)
    doors = {}
    for module in modules():
        for library in {top(name) for name in imports(module)} - ours - {"numpy"}:
            doors.setdefault(library, set()).add(
                "storage" if module.startswith("storage.") else module
            )
    live = {top(name) for module in live_path() for name in imports(module)}
    assert {
        library: found for library, found in doors.items() if library in live and len(found) > 1
    } == {}


def test_law_12_the_live_path_needs_nothing_that_trains():
    needed = {
        module: found
        for module in live_path()
        if (found := {top(n) for n in imports(module)} & TRAINING_ONLY)
    }
    assert needed == {}


def test_law_12_the_composition_root_only_wires():
    """app/ computes, stores and draws nothing itself: it imports no library for that."""
    libraries = {
        module: found
        for module in modules()
        if top(module) == "app"
        and (found := {top(n) for n in imports(module)} - sys.stdlib_module_names - FLOORS.keys())
    }
    assert libraries == {}


def test_law_12_storage_holds_rows_only():
    """It takes vectors and bytes; whoever calls it opens audio and encodes."""
    opens = {"argparse", "radd.bundle", "radd.detector", "radd.encoder", "radd.files", "radd.vad"}
    assert {
        module: found
        for module in modules()
        if top(module) == "storage" and (found := imports(module) & opens)
    } == {}


def test_law_12_the_console_is_given_what_it_needs_of_retraining():
    assert [
        module
        for module in modules()
        if top(module) == "console" and "retraining" in {top(name) for name in imports(module)}
    ] == []


def test_law_12_no_class_name_stands_for_two_things():
    places = {}
    for module in modules():
        for node in tree(module).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, set()).add(module)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_law_12_entry_points_parse_call_and_exit():
    lines = {door: len(source(door).splitlines()) for door in DOORS}
    assert {door: n for door, n in lines.items() if n > 60} == {}
    inside = [
        f"{door} line {node.lineno}"
        for door in sorted(DOORS)
        for function in ast.walk(tree(door))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert len(inside) <= 10, inside


def test_law_12_every_command_that_an_entry_point_names_exists():
    named = {
        node.value
        for module in modules()
        if module.startswith("app.options.") or module in DOORS
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Constant)
        and re.fullmatch(r"[a-z_]+\.(?!py$)[a-z_]+", str(node.value))
        and f"app.commands.{top(node.value)}" in modules()
    }
    assert len(named) > 15
    assert [name for name in named if not callable(command(name))] == []


def live_path() -> set[str]:
    return reached_from(
        "detect", "app.settings", *(module for module in modules() if top(module) == "stream")
    )


def test_law_12_nothing_at_the_root_shadows_the_standard_library():
    assert {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or path.is_dir()} & set(
        sys.stdlib_module_names
    ) == set()


def test_law_12_no_benchmark_shadows_a_package():
    """A program finds what lies beside it first: bench/fleet.py, instead of the package fleet."""
    programs = [p.read_text() for p in sorted((ROOT / "bench").glob("*.py"))]
    importing = [text for text in programs if "__main__" in text and " app." in text]
    assert [text[:80] for text in importing if "sys.path.insert(0, " not in text] == []
