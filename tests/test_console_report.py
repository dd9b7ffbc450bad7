"""The report of a recording: everything that whoever has to decide needs, and nothing that was not
found.
"""

import hashlib
import io
import json
from datetime import UTC, datetime

import pytest
from fixtures_console import ROOT
from test_console_recordings import HOSTILE, as_file, predict

from radd.files import load_speech
from radd.types import Verdict
from stream.capture.sources import DEMO

pytest.importorskip(
    "fastapi", reason="the console's packages are missing: pip install -e '.[serve]'"
)

from console.report import report
from console.report_text import VERDICTS, in_words, limits
from console.schemas import Prediction, Segment, Span

NAME = "Звонок 你好 <b>.wav"


def text_of(pdf: bytes) -> str:
    pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed: pip install -e '.[dev]'")
    return " ".join(
        " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).split()
    )


def test_a_report_says_what_was_judged_what_was_found_and_what_that_does_not_say(console, loaded):
    data, client, began = (
        as_file(load_speech(DEMO)[: 6 * 16_000], "flac"),
        console(),
        datetime.now(UTC),
    )
    found, answer = (
        predict(client, data).json(),
        client.post("/v1/report", files={"file": (NAME, data)}),
    )
    assert answer.headers["content-type"] == "application/pdf" and answer.content.startswith(
        b"%PDF"
    )
    assert found["sha256"] == hashlib.sha256(data).hexdigest()
    ended, text = datetime.now(UTC), text_of(answer.content)
    assert began <= datetime.fromisoformat(found["judged_utc"]) <= ended
    assert f"{began:%Y-%m-%d}" in text or f"{ended:%Y-%m-%d}" in text
    assert "Звонок <U+4F60><U+597D> <b>.wav" in text and "script" not in text
    for said in (
        found["sha256"],
        "6.000 s (0:06)",
        found["headline"],
        found["confidence"],
        found["model"],
        f"{found['llr']:.3f}",
        "equal error rate",
    ):
        assert said in text, said
    for limit in client.get("/v1/model").json()["limits"]:
        assert " ".join(limit.split()) in text
    seconds = text.partition("Every second")[2]
    assert all(f"0:0{second} " in seconds for second in range(6)) and "0:06" not in seconds


def test_a_file_that_cannot_be_judged_has_no_report(console):
    answer = console().post("/v1/report", files={"file": (HOSTILE, b"no sound")})
    assert (
        answer.status_code == 422 and answer.headers["content-type"] == "application/problem+json"
    )


def test_an_hour_is_told_second_by_second_and_nothing_unmeasured_has_a_number():
    quiet = [
        Segment(start=k, end=k + 1, p_spoof=None, verdict=Verdict.NO_SPEECH) for k in range(3600)
    ]
    headline, confidence = in_words(None, Verdict.NO_SPEECH, "no speech in it", [], quiet)
    made = Prediction(
        verdict=Verdict.NO_SPEECH,
        headline=headline,
        confidence=confidence,
        reason="no speech in it",
        llr=None,
        moved_llr=None,
        p_spoof=None,
        duration_s=3600.0,
        segments=quiet,
        alerts=[],
        neighbours=[],
        model="radd x",
        sha256="ab" * 32,
        judged_utc=datetime(2026, 5, 3, tzinfo=UTC),
        warnings=["its end is lost"],
        limits=["It is no proof."],
    )
    first, again = (report(NAME, made, {}) for _ in range(2))
    text = text_of(first)
    assert (
        text.count("No speech –") == 3600
        and "59:59" in text
        and "%" not in text
        and "its end is lost" in text
    )
    assert "It is no proof." in text and first == again


@pytest.mark.parametrize(
    ("llr", "headline", "words"),
    [
        (
            -6.0,
            "Synthetic",
            "strong evidence for a synthetic voice: this sound is about 403 times as likely",
        ),
        (
            -0.2,
            "Suspect",
            "hardly any evidence for a synthetic voice: this sound is about 1.2 times",
        ),
        (3.0, "A person", "moderate evidence for a person: this sound is about 20 times"),
    ],
)
def test_words_are_those_of_the_likelihood_ratio(llr, headline, words):
    verdict = {
        "Synthetic": Verdict.SPOOF,
        "Suspect": Verdict.SUSPECT,
        "A person": Verdict.BONAFIDE,
    }[headline]
    told = in_words(llr, verdict, None, [], [])
    assert told[0] == headline and words in told[1] and "not a proof" in told[1]


def test_every_verdict_has_its_words_on_paper_and_on_the_page():
    words = json.loads((ROOT / "console/web/words.json").read_text(encoding="utf-8"))
    assert {Verdict(verdict): word for verdict, word in words["verdicts"].items()} == VERDICTS
    page = (ROOT / "console/web/dom.js").read_text(encoding="utf-8")
    assert "VERDICTS = words.verdicts" in page and len(VERDICTS) == len(Verdict)


def test_a_recording_that_is_synthetic_in_part_is_told_so():
    person = Segment(start=0, end=1, p_spoof=0.1, verdict=Verdict.BONAFIDE)
    span = Span(began=61.2, ended=3700.0, peak_p_spoof=0.99)
    headline, confidence = in_words(-1.0, Verdict.SPOOF, None, [span], [person])
    assert (
        headline == "Partly synthetic" and "from 1:01 to 1:01:40; elsewhere a person" in confidence
    )


def test_a_card_without_the_section_leaves_what_holds_for_every_model():
    assert (
        limits("# card") == limits("## What it cannot do\n\n- one\n  two\n\n## Next\n- three")[:-1]
    )
    assert limits("## What it cannot do\n\n- one\n  two\n\n## Next\n- three")[-1] == "one two"
