"""How a run ends: a finding in words for one recording, a table for several, codes for scripts."""

import io
import json
import shutil
from pathlib import Path

import pytest
import soundfile
from fixtures_detect import VALIDATOR
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from app.settings import load
from radd.clip_score import longest, mean_llr
from radd.errors import AudioError
from radd.types import HOP_SAMPLES, Alert, AlertState, Score, Verdict
from radd.wording import FINDINGS, VERDICTS, Finding
from stream.capture.recordings import recordings
from stream.decision import Decider
from stream.event_text import describe_result
from stream.json_lines import as_json
from stream.live_view import LiveView
from stream.results import COLUMNS, SourceResult, one_result, table
from stream.run_events import Result, Started, Stopped, SyntheticPart
from stream.whole import Whole

WORDS = json.loads((Path(__file__).parents[1] / "console/web/words.json").read_text("utf-8"))
WIDTHS = [40, 60, 80, 200]
NEEDED_S = 1.0


def a_score(end: int, llr: float | None, window: int, verdict=Verdict.NO_SPEECH, speech_s=0.0):
    reason = "nothing to hear" if llr is None else None
    verdict = verdict if llr is None else Verdict.SUSPECT
    return Score(end, verdict, reason, llr, llr and 0.5, (), window, speech_s, -20.0, None)


def an_alert(began: int, end: int) -> Alert:
    clip = None
    return Alert("a" * 36, AlertState.CLOSE, began, end, 0.99, -9.0, clip, 0, (), (), 0)


def whole() -> Whole:
    return Whole(Decider(load(environ={}).decision), NEEDED_S)


def found(scores, alerts=()) -> Result:
    made = whole()
    for event in (*scores, *alerts):
        made.write(event)
    return made.result(scores[-1].end)


def a_result(finding: Finding, p_spoof: float | None, *parts: tuple[int, int]) -> Result:
    made = tuple(SyntheticPart("a" * 36, 16_000 * a, 16_000 * b, 0.99) for a, b in parts)
    return Result(16_000 * 75, finding, None, p_spoof, None, made, len(made))


@given(st.lists(st.none() | st.floats(-9, 9), min_size=1, max_size=80), st.integers(1, 32))
def test_the_score_of_a_whole_is_that_of_evaluate_py(llrs, longest_hops):
    scores = [
        a_score((k + 1) * HOP_SAMPLES, llr, min(k + 1, longest_hops) * HOP_SAMPLES)
        for k, llr in enumerate(llrs)
    ]
    expected = mean_llr(score.llr for score in longest(scores))
    result = found(scores)
    assert result.llr == (expected if expected is None else pytest.approx(expected, abs=1e-9))
    assert (result.reason is None) == (result.llr is not None) == (result.p_spoof is not None)
    VALIDATOR.validate(as_json(result))


@given(st.lists(st.floats(-9, 9), min_size=40, max_size=80))
def test_the_whole_never_contradicts_a_part(llrs):
    scores = [a_score((k + 1) * HOP_SAMPLES, llr, HOP_SAMPLES) for k, llr in enumerate(llrs)]
    result = found(scores, [an_alert(HOP_SAMPLES, 30 * HOP_SAMPLES)])
    assert result.finding in (Finding.PARTLY, Finding.SPOOF)
    if result.finding is Finding.PARTLY:
        assert result.p_told == 0.99
    if all(llr > 1 for llr in llrs):
        assert describe_result(result).startswith("Partly synthetic")
    if all(llr < -3 for llr in llrs):
        assert result.finding is Finding.SPOOF
    assert found(scores).finding is not Finding.PARTLY


@pytest.mark.parametrize(
    ("verdict", "hops", "speech_s", "finding"),
    [
        (Verdict.WARMING_UP, 5, 0.6, Finding.TOO_SHORT),
        (Verdict.NO_SPEECH, 5, 0.0, Finding.TOO_SHORT),
        (Verdict.NO_SPEECH, 50, 0.6, Finding.TOO_SHORT),
        (Verdict.NO_SPEECH, 50, 0.0, Finding.NO_SPEECH),
        (Verdict.TOO_NOISY, 50, 3.0, Finding.TOO_NOISY),
    ],
)
def test_what_could_not_be_measured_is_told(verdict, hops, speech_s, finding):
    scores = [
        a_score((k + 1) * HOP_SAMPLES, None, HOP_SAMPLES, verdict, speech_s) for k in range(hops)
    ]
    result = found(scores)
    assert result.finding is finding and result.p_told is None
    if finding is Finding.TOO_SHORT:
        (line, _) = one_result(SourceResult("x.wav", result))
        assert line.startswith("x.wav: Too short to judge: 1 s of speech is needed, ")


def test_terminal_and_console_have_the_same_words():
    assert {v.value: word for v, word in VERDICTS.items()} == WORDS["verdicts"]
    assert set(FINDINGS) == set(Finding) and set(VERDICTS) == set(Verdict)
    for finding in (Finding.PARTLY, Finding.TOO_SHORT):
        assert FINDINGS[finding] == WORDS["findings"][finding.value]
    assert {FINDINGS[Finding(v.value)] for v in (Verdict.BONAFIDE, Verdict.SPOOF)} <= set(
        WORDS["verdicts"].values()
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_a_narrow_table_has_fewer_columns_and_cuts_no_text(width):
    entries = [
        SourceResult("calls/monday/one.wav", a_result(Finding.BONAFIDE, 0.02)),
        SourceResult("calls/two.wav", a_result(Finding.PARTLY, 0.3, (3, 9), (20, 31), (50, 70))),
        SourceResult("calls/three.wav", a_result(Finding.SPOOF, 0.97, (0, 75))),
        SourceResult("calls/four.wav", None, "is no audio"),
    ]
    title, *rows, blank, counted = table(entries, width)
    columns = title.split()
    assert columns == [name for name in COLUMNS if name in columns]
    assert {40: 2, 60: 4, 80: 3, 200: 5}[width] == len(columns)
    assert all(len(line) <= width for line in (title, *rows))
    for entry, row in zip(
        sorted(entries, key=lambda e: [2, 0, 1, 3][entries.index(e)]), rows, strict=True
    ):
        assert row.startswith(entry.words) and row.endswith(entry.source)
    assert counted == "4 recordings: 1 a person, 1 synthetic, 1 partly synthetic, 1 not judged."
    assert ("0:03 to 0:09, 0:20 to 0:31 and 1 more" in "".join(rows)) == ("parts" in columns)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("streams", [1, 5, 50])
def test_a_narrow_live_view_has_fewer_columns_and_cuts_no_verdict(width, streams):
    console = Console(file=io.StringIO(), width=width, height=24)
    view = LiveView(lambda stream: {"drops": 3}, console)
    for k in range(streams):
        view.write(Started(f"calls/caller {k:02}.wav", "default", 48_000, 16_000 * 90), str(k))
        view.write(a_score(HOP_SAMPLES * (k + 9), -2.5, HOP_SAMPLES), str(k))
    view.live.stop()
    lines = [
        "".join(segment.text for segment in line).rstrip()
        for line in console.render_lines(view.draw())
    ]
    drawn = "\n".join(lines)
    assert all(len(line) <= width for line in lines) and len(lines) <= 24
    assert "caller 00.wav" in drawn and VERDICTS[Verdict.SUSPECT] in drawn and "lost 0.0 s" in drawn
    if streams > 1:
        assert ("-20 dBFS" in drawn) == (width >= 80) and ("50 %" in drawn) == (width >= 40)
        assert drawn.count("Suspect") == min(streams, 12)
    if width >= 80:
        assert f"drops {3 * streams}" in drawn and "latency" not in drawn


def test_the_rows_of_a_tall_terminal_hold_all_streams_and_end_with_their_findings():
    console = Console(file=io.StringIO(), width=120, height=70)
    view = LiveView(lambda stream: {}, console)
    totals = {"lost_s": 0.0, "shed_hops": 0}
    for k in range(50):
        view.write(Started(f"caller {k:02}", "default", 48_000, None), str(k))
    for k in range(49):
        view.write(a_result(Finding.PARTLY, 0.3, (3, 9)), str(k))
        view.write(Stopped(16_000, "end", totals), str(k))
    view.live.stop()
    console.print(view.draw())
    drawn = console.file.getvalue()
    assert all(f"caller {k:02}" in drawn for k in range(50))
    assert drawn.count("Partly synthetic") >= 49 and "1 of 50 sources" in drawn


def test_a_folder_or_a_pattern_stands_for_its_recordings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("calls/b.WAV", "calls/deep/a.flac", "calls/notes.txt", "calls/.hidden.wav"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("odd[1].wav").touch()
    assert recordings("calls") == ["calls/b.WAV", "calls/deep/a.flac"]
    assert recordings("calls/*.*") == ["calls/b.WAV", "calls/notes.txt"]
    assert recordings("calls/**/*.flac") == ["calls/deep/a.flac"]
    for other in ("odd[1].wav", "mic", "mic:a*", "-", "https://host/a?b", "none.wav"):
        assert recordings(other) is None
    for empty in ("calls/*.mp3", "nowhere*"):
        with pytest.raises(AudioError, match="no file fits"):
            recordings(empty)
    Path("empty").mkdir()
    with pytest.raises(AudioError, match="has no recording"):
        recordings("empty")


def test_a_recording_that_is_judged_synthetic_fails_a_script(command, suspicious_bundle, speech):
    asked = ("--bundle", suspicious_bundle, "--fail-on", "spoof", speech)
    done = command.run(*asked)
    lines = done.stdout.splitlines()
    assert done.returncode == 10 and done.stderr == ""
    at = next(k for k, line in enumerate(lines) if line.startswith(f"{speech}: Synthetic ("))
    assert "A synthetic voice from 0:" in lines[at + 1] and "Stored in radd.db" in lines[at + 2]
    shown = lines[at + 3].partition("review.py show ")[2][:8]
    assert len(shown) == 8 and any(f"alert {shown}" in line for line in lines)


def test_a_folder_ends_with_a_table_whatever_is_in_it(command, suspicious_bundle, speech):
    folder = command.directory / "calls"
    folder.mkdir()
    samples, rate_hz = soundfile.read(speech)
    for k in range(9):  # more than run side by side
        soundfile.write(folder / f"short{k}.wav", samples[: int(0.7 * rate_hz)], rate_hz)
    shutil.copy(speech, folder / "speech.wav")
    (folder / "a-broken.wav").write_bytes(b"this is no sound")
    asked = ("--no-store", "--fail-on", "spoof", "--bundle", suspicious_bundle)
    done = command.run(*asked, "--source", "calls")
    lines = done.stdout.splitlines()
    assert done.returncode == 3 and done.stderr.count("error: calls/a-broken.wav") == 1
    at = next(k for k, line in enumerate(lines) if line.startswith("verdict "))
    assert [line[:18].strip() for line in lines[at + 1 : at + 12]] == [
        "Synthetic",
        *["Too short to judge"] * 9,
        "Not judged",
    ]
    assert lines[at + 13].startswith("11 recordings: 1 synthetic, 9 too short to judge, 1 not")
    shutil.rmtree(folder)
