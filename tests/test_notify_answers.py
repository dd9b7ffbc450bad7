"""Each call is answered once: as soon as it is synthetic, else at its deadline or its end."""

from collections import Counter

import pytest
from fixtures_detector import CONFIG
from fixtures_storage import alert, score, stream_info
from hypothesis import given, settings
from hypothesis import strategies as st

from notify.answers import TOGETHER_S, Answers
from radd.types import HOP_SAMPLES, AlertState, Call, Verdict
from stream.decision import DecisionSettings

AFTER_S = 10.0
DECISION = DecisionSettings(**CONFIG["decision"])
CALLER, AGENT = (
    stream_info(id="s1", source="line", call=Call("call", "inbound")),
    stream_info(id="s2", source="line", call=Call("call", "outbound")),
)


def answers(*streams):
    made = Answers(AFTER_S, DECISION)
    for stream in streams:
        made.begin(stream, 0.0)
    return made


def hear(made, stream, llr, hops=100):
    for hop in range(hops):
        made.write(score((hop + 1) * HOP_SAMPLES, llr), stream)


def verdicts(found):
    return [(answer.verdict, answer.tracks) for answer in found]


def test_a_person_is_answered_at_the_deadline_and_once():
    made = answers(CALLER)
    hear(made, "s1", 3.0)
    assert made.due(AFTER_S - 0.1) == [] and made.next_due(AFTER_S - 0.1) == pytest.approx(0.1)
    assert verdicts(made.due(AFTER_S)) == [("person", {"inbound": "person"})]
    assert made.due(AFTER_S + 1) == [] and made.next_due(AFTER_S + 1) is None


def test_a_synthetic_voice_is_answered_at_once_and_once():
    made = answers(CALLER)
    assert made.write(alert(), "s1")
    assert verdicts(made.due(1.0)) == [("synthetic", {"inbound": "synthetic"})]
    assert not made.write(alert(), "s1") and made.due(AFTER_S) == []


def test_another_process_goes_on_with_a_call_and_answers_for_it():
    first, second = answers(CALLER, AGENT), answers()
    for stream in ("s1", "s2"):
        hear(first, stream, 3.0)
    kept = {stream: first.snapshot(stream) for stream in ("s1", "s2")}
    for stream in (CALLER, AGENT):
        first.leave(stream.id)
        second.begin(stream, 7.0)
        second.restore(stream.id, kept[stream.id], began=0.0, now=AFTER_S)
        assert second.due(AFTER_S) == [], "its other track may still come"
    assert first.due(AFTER_S) == []
    both = {"inbound": "person", "outbound": "person"}
    assert verdicts(second.due(AFTER_S + TOGETHER_S)) == [("person", both)]
    third = answers(CALLER)
    third.restore("s1", second.snapshot("s1"), began=0.0, now=AFTER_S)
    assert third.due(AFTER_S + 9.0) == [], "answered before"


@pytest.mark.parametrize("llr, hops", [(None, 100), (3.0, 5), (0.1, 100), (-1.0, 100)])
def test_no_speech_too_little_of_it_or_weak_evidence_is_no_answer_yet(llr, hops):
    made = answers(CALLER)
    hear(made, "s1", llr, hops)
    assert verdicts(made.due(AFTER_S)) == [("no answer yet", {"inbound": "no answer yet"})]


def test_evidence_against_a_person_undoes_what_was_for_one():
    made = answers(CALLER)
    hear(made, "s1", 6.0, 1_000)
    hear(made, "s1", -2.0, 200)
    assert verdicts(made.due(AFTER_S))[0][0] == "no answer yet"


@pytest.mark.parametrize(
    "caller, agent, call",
    [
        ("person", "person", "person"),
        ("person", "no answer yet", "no answer yet"),
        ("synthetic", "person", "synthetic"),
        ("no answer yet", "synthetic", "synthetic"),
    ],
)
def test_a_call_is_synthetic_if_a_track_is_and_a_person_if_all_are(caller, agent, call):
    made = answers(CALLER, AGENT)
    for stream, verdict in (("s1", caller), ("s2", agent)):
        if verdict == "person":
            hear(made, stream, 3.0)
        elif verdict == "synthetic":
            made.write(alert(), stream)
    assert verdicts(made.due(AFTER_S)) == [(call, {"inbound": caller, "outbound": agent})]


def test_a_call_that_ends_early_is_answered_with_its_last_track():
    made = answers(CALLER, AGENT)
    made.end("s1")
    assert made.due(1.0) == []
    made.end("s2")
    (answer,) = made.due(2.0)
    assert answer.verdict == "no answer yet" and answer.after_s == 2.0
    assert made.next_due(3.0) is None


STEPS = st.tuples(
    st.sampled_from(["begin", "open", "close", "score", "silence", "end", "later"]),
    st.integers(0, 2),
    st.integers(0, 1),
)


@settings(deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_every_call_is_answered_exactly_once_whatever_happens(plan):
    made, now, began, found = Answers(AFTER_S, DECISION), 0.0, set(), []
    for kind, call, track in plan:
        stream = f"{call}-{track}"
        if kind == "begin" and stream not in began:
            began.add(stream)
            # of one call all tracks begin before any ends, as at an exchange
            made.begin(
                stream_info(id=stream, source="line", call=Call(f"c{call}", f"t{track}")), now
            )
            made.begin(
                stream_info(id=f"{stream}-stays", source="line", call=Call(f"c{call}", "stays")),
                now,
            )
        elif kind in ("open", "close"):
            made.write(alert(AlertState(kind)), stream)
        elif kind == "score":
            made.write(score(HOP_SAMPLES, 2.0), stream)
        elif kind == "silence":
            made.write(score(HOP_SAMPLES, None, Verdict.NO_SPEECH), stream)
        elif kind == "end":
            made.end(stream)
        else:
            now += 4.0
        found += made.due(now)
    found += made.due(now + AFTER_S)
    assert Counter(answer.stream.call.id for answer in found) == Counter(
        {f"c{stream[0]}" for stream in began}
    )
    assert all(answer.after_s <= AFTER_S + 4.0 for answer in found[:-3])
