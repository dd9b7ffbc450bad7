import math
import pickle

import pytest
from fixtures_detector import CONFIG
from hypothesis import given, settings
from hypothesis import strategies as st

from radd.errors import ConfigError, ModelError
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ, AlertState, Verdict
from stream.decision import Decider, DecisionSettings

llrs = st.one_of(st.none(), st.floats(-20, 20), st.sampled_from([-20.0, -6.0, 6.0]))
hops = st.tuples(llrs, st.integers(1, 32))
runs = st.tuples(hops, st.integers(1, 60))
streams = st.lists(runs, max_size=20).map(
    lambda plan: [hop for hop, times in plan for _ in range(times)]
)
law = settings(deadline=None, max_examples=100)


def decider(**changes) -> Decider:
    return Decider(DecisionSettings(**CONFIG["decision"] | changes))


def decide(stream, **changes):
    """All decisions with the sample they were made at."""
    machine, made = decider(**changes), []
    for number, (llr, window_hops) in enumerate(stream, 1):
        decision = machine.update(number * HOP_SAMPLES, llr, window_hops * HOP_SAMPLES)
        if decision:
            made.append((number * HOP_SAMPLES, decision))
    return made


@law
@given(streams, st.data())
def test_lower_llrs_never_open_later(stream, data):
    drops = data.draw(st.lists(st.floats(0, 5), min_size=len(stream), max_size=len(stream)))
    lower = [
        (None if llr is None else llr - drop, n)
        for (llr, n), drop in zip(stream, drops, strict=True)
    ]
    opened, opened_lower = decide(stream), decide(lower)
    if opened:
        assert opened_lower and opened_lower[0][0] <= opened[0][0]


@law
@given(streams, st.integers(1, 2000))
def test_silence_never_opens(stream, silent_hops):
    made = decide(stream + [(None, 32)] * silent_hops)
    opened = [at for at, decision in made if decision.state is AlertState.OPEN]
    assert all(
        stream[at // HOP_SAMPLES - 1][0] is not None
        for at in opened
        if at <= len(stream) * HOP_SAMPLES
    )
    assert all(at <= len(stream) * HOP_SAMPLES for at in opened)


@law
@given(streams)
def test_evidence_is_never_negative_and_memory_never_grows(stream):
    machine = decider()
    size = len(pickle.dumps(machine))
    for number, (llr, window_hops) in enumerate(stream, 1):
        machine.update(number * HOP_SAMPLES, llr, window_hops * HOP_SAMPLES)
        assert (
            0.0
            <= machine.evidence
            <= CONFIG["decision"]["open_evidence"] + CONFIG["decision"]["max_llr"]
        )
    assert len(pickle.dumps(machine)) <= size + 40


@law
@given(streams, st.floats(0, 8))
def test_alerts_alternate_never_overlap_and_respect_the_refractory_time(stream, refractory_s):
    made = decide(stream, refractory_s=refractory_s)
    states = [decision.state for _, decision in made]
    assert states == [AlertState.OPEN, AlertState.CLOSE] * (len(states) // 2) + [
        AlertState.OPEN
    ] * (len(states) % 2)
    for (at, before), (later, after) in zip(made, made[1:], strict=False):
        assert before.began <= before.end <= at
        if before.state is AlertState.OPEN:
            assert (after.began, after.end >= before.end) == (before.began, True)
        else:
            assert after.began >= before.end
            assert later - at >= refractory_s * SAMPLE_RATE_HZ


@law
@given(st.floats(-1e9, 1e9), st.integers(1, 64))
def test_one_score_never_decides_alone(llr, window_hops):
    assert decide([(8.0, 8), (llr, window_hops), (8.0, 32)]) == []


def test_hops_of_a_long_window_weigh_what_they_add():
    """At -2.5 nats and a drift of 0.5, each 4.096 s of full windows adds 2 nats: 4 nats take two
    windows.
    """
    made = decide([(-2.5, 32)] * 100, drift_llr=0.5, open_evidence=4.0)
    assert [(at // HOP_SAMPLES, decision.state) for at, decision in made] == [(64, AlertState.OPEN)]
    assert made[0][1].began == 0


def test_a_very_short_window_weighs_no_more_than_one_of_eight_hops():
    first = [decide([(-4.5, n)] * 60, drift_llr=0.5, open_evidence=4.0)[0][0] for n in (1, 8)]
    assert first == [8 * HOP_SAMPLES, 8 * HOP_SAMPLES]


def test_evidence_begins_in_the_middle_of_its_first_window():
    made = decide([(5.0, 32)] * 50 + [(-6.0, 32)] * 50)
    assert made[0][1].began == (51 - 16) * HOP_SAMPLES


def test_speech_of_a_person_closes_but_not_with_interruptions():
    spoof, person = [(-6.0, 32)], [(4.0, 32)]
    steady = decide(spoof * 60 + person * 40, close_bonafide_s=3.0)
    assert steady[1][0] == (60 + 24) * HOP_SAMPLES  # 24 hops are 3.07 s
    assert steady[1][1].end == 60 * HOP_SAMPLES
    broken = decide(spoof * 60 + (person * 20 + spoof) * 10, close_bonafide_s=3.0)
    assert len(broken) == 1


def test_a_silence_closes_and_clears_the_evidence():
    closed = decide([(-6.0, 32)] * 60 + [(None, 32)] * 100, open_evidence=4.0, close_silence_s=10.0)
    assert closed[1][0] == (60 + 79) * HOP_SAMPLES  # 79 hops are 10.1 s
    almost = [(-6.0, 32)] * 20
    assert decide(almost + [(None, 32)] * 70 + almost, open_evidence=4.0) != []
    assert decide(almost + [(None, 32)] * 80 + almost, open_evidence=4.0) == []


def test_reset_is_a_new_decider():
    machine = decider()
    for number in range(1, 60):
        machine.update(number * HOP_SAMPLES, -6.0, 32 * HOP_SAMPLES)
    machine.close(60 * HOP_SAMPLES)
    machine.reset()
    assert vars(machine) == vars(decider())


@law
@given(st.floats(-1e6, 1e6), st.floats(0.001, 0.999))
def test_the_posterior_is_a_probability_and_falls_with_the_llr(llr, prior):
    machine = decider(prior=prior)
    assert 0.0 <= machine.p_spoof(llr) <= 1.0
    assert machine.p_spoof(llr + 1.0) <= machine.p_spoof(llr)
    if abs(llr) < 100:
        assert machine.p_spoof(llr) == pytest.approx(
            1 / (1 + math.exp(llr + math.log((1 - prior) / prior))), abs=1e-12
        )


def test_the_posterior_at_no_evidence_is_the_prior():
    assert decider(prior=0.1).p_spoof(0.0) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("llr", "verdict"),
    [
        (3.0, Verdict.BONAFIDE),
        (0.0, Verdict.SUSPECT),
        (-2.0, Verdict.SUSPECT),
        (-2.3, Verdict.SPOOF),
    ],
)
def test_verdicts_of_one_score(llr, verdict):
    assert decider(prior=0.5, suspect_p=0.5, spoof_p=0.9).verdict(llr) is verdict


@pytest.mark.parametrize("llr", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_an_error_of_the_model(llr):
    with pytest.raises(ModelError, match="finite"):
        decider().verdict(llr)


@pytest.mark.parametrize(
    "changes",
    [
        {"prior": 0.0},
        {"prior": 1.0},
        {"spoof_p": 0.3},
        {"drift_llr": 9.0},
        {"open_evidence": 0.0},
        {"close_silence_s": 0.0},
        {"refractory_s": -1.0},
        {"max_llr": math.nan},
    ],
)
def test_impossible_settings_are_refused_by_name(changes):
    with pytest.raises(ConfigError, match=f"^{next(iter(changes))} = "):
        decider(**changes)
