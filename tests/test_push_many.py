"""Several streams in one call: the same as each alone, whatever they are and however their sound is
cut.
"""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.settings import load
from radd.bundle import load_detector
from radd.files import load_speech
from radd.types import HOP_SAMPLES, Part, Shed, Verdict

ROOT = Path(__file__).parent.parent
HOPS = 44


@pytest.fixture(scope="module")
def shipped():
    chosen = load(environ={})
    return load_detector(ROOT / "models" / "default", chosen.model, chosen.gate)


@pytest.fixture(scope="module")
def sounds() -> list[np.ndarray]:
    """A place of a recording, the same fainter, another one, and silence; (HOPS, HOP_SAMPLES)
    each.
    """
    speech = load_speech(ROOT / "assets" / "demo.flac")
    first, second = (
        speech[at : at + HOPS * HOP_SAMPLES].reshape(HOPS, HOP_SAMPLES) for at in (60_000, 200_000)
    )
    return [first, np.float32(0.2) * first, second, np.zeros_like(first)]


@pytest.fixture(scope="module")
def alone(shipped, sounds):
    judged = [shipped.push(shipped.start(), sound.reshape(-1)) for sound in sounds]
    assert [sum(j.llr is not None for j in one) > 20 for one in judged] == [True, True, True, False]
    return judged


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert (one.refusal, one.reason, one.window_samples) == (
            other.refusal,
            other.reason,
            other.window_samples,
        )
        assert [n.id for n in one.neighbours] == [n.id for n in other.neighbours]
    assert [j.llr for j in found] == [j.llr and pytest.approx(j.llr, abs=1e-4) for j in expected]


@settings(deadline=None, max_examples=6)
@given(st.data())
def test_a_streams_scores_do_not_depend_on_what_else_is_in_the_call(shipped, sounds, alone, data):
    states, at, found = [shipped.start() for _ in sounds], [0] * len(sounds), [[] for _ in sounds]
    while min(at) < HOPS:
        waiting = [k for k in range(len(sounds)) if at[k] < HOPS]
        chosen = data.draw(st.lists(st.sampled_from(waiting), min_size=1, unique=True))
        lengths = [data.draw(st.sampled_from([1, 2, 9, HOPS])) for _ in chosen]
        parts = [
            Part(states[k], sounds[k][at[k] : at[k] + n].reshape(-1))
            for k, n in zip(chosen, lengths, strict=True)
        ]
        for k, n, judgements in zip(chosen, lengths, shipped.push_many(parts), strict=True):
            at[k] = min(HOPS, at[k] + n)
            found[k] += judgements
    for one, expected in zip(found, alone, strict=True):
        same(one, expected)


def test_a_stream_that_begins_anew_beside_others_disturbs_none(shipped, sounds, alone):
    states, found = [shipped.start() for _ in sounds[:2]], [[], []]
    for k in range(HOPS):
        if k == 20:
            states[1] = shipped.start()
        parts = [Part(state, sound[k]) for state, sound in zip(states, sounds, strict=False)]
        for one, judgements in zip(found, shipped.push_many(parts), strict=True):
            one += judgements
    same(found[0], alone[0])
    same(found[1], alone[1][:20] + shipped.push(shipped.start(), sounds[1][20:].reshape(-1)))


def test_hops_that_are_shed_have_no_number_and_those_that_are_not_have_the_same_as_ever(
    shipped, sounds, alone
):
    state, found = shipped.start(), []
    for k in range(0, HOPS, 4):
        [judgements] = shipped.push_many([Part(state, sounds[0][k : k + 4].reshape(-1), Shed.HOPS)])
        found += judgements
    assert len(found) == HOPS
    for k, (judgement, expected) in enumerate(zip(found, alone[0], strict=True)):
        if k % 4 == 3:
            same([judgement], [expected])
        else:
            assert (judgement.llr, judgement.refusal) == (
                None,
                Verdict.SHED,
            ) and "late" in judgement.reason


def test_without_blocks_the_spectrum_alone_is_judged(shipped, sounds):
    [judgements] = shipped.push_many([Part(shipped.start(), sounds[0].reshape(-1), Shed.BLOCKS)])
    assert judgements[-1].llr is not None and judgements[-1].neighbours == ()


def array_bytes(thing) -> int:
    """Memory that the arrays in a state keep alive."""
    if isinstance(thing, np.ndarray):
        return (thing.base if isinstance(thing.base, np.ndarray) else thing).nbytes
    inner = (
        thing.values()
        if isinstance(thing, dict)
        else thing
        if isinstance(thing, (list, tuple))
        else [getattr(thing, name) for name in getattr(thing, "__slots__", ())]
    )
    return sum(map(array_bytes, inner))


def test_what_a_stream_remembers_is_small(shipped, sounds):
    states = [shipped.start() for _ in sounds]
    for k in range(HOPS):
        shipped.push_many(
            [Part(state, sound[k]) for state, sound in zip(states, sounds, strict=True)]
        )
    assert all(100_000 < array_bytes(state) < 300_000 for state in states)
