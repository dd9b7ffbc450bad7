"""Scoring a corpus: one score a trial, whatever its sound, however many processes, however often it
is killed.
"""

import csv
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from fixtures_detector import BrightnessDetector, listen
from fixtures_patience import PATIENCE_S
from fixtures_scores import OpenBrightness, brightness_scorer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import evaluate
from app.settings import load
from evaluation.audio_folder import AudioFolder
from evaluation.score_run import LOG, score_trials
from evaluation.scoring import ClipScorer
from radd import parallel
from radd.bundle import load_detector
from radd.detector import WINDOW_HOPS
from radd.errors import ProtocolError, RaddError
from radd.trials import read_protocol
from radd.types import HOP_SAMPLES, Score
from stream.capture.sources import FileSource

ROOT = Path(__file__).resolve().parents[1]
WINDOW_SAMPLES = WINDOW_HOPS * HOP_SAMPLES
FILES = (
    "scores.txt",
    "scores_2021.txt",
    "scores_asvspoof5.tsv",
    "unreadable.csv",
    "unjudged.csv",
    LOG,
)


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session", params=["brightness", "shipped_bundle", "window_bundle"])
def live_and_open(request):
    """A detector as detect.py uses it, and the same one as evaluate.py does."""
    if request.param == "brightness":
        return BrightnessDetector(), OpenBrightness()
    chosen = load()
    detector = load_detector(request.getfixturevalue(request.param), chosen.model, chosen.gate)
    return detector, detector


def test_law_3_streaming_equals_offline(clips, speech, live_and_open):
    live, offline = live_and_open
    for path in (clips / "real11.flac", clips / "fake11.flac", speech):
        with FileSource(path) as source:
            scores = [event for event in listen(live, list(source)) if isinstance(event, Score)]
        full = [
            score.llr
            for score in scores
            if score.window_samples >= WINDOW_SAMPLES and score.llr is not None
        ]
        found = ClipScorer(offline, AudioFolder(path.parent)).score(path.stem)
        if full:
            assert found.llr == pytest.approx(np.mean(full), abs=1e-4) and found.refusal is None
        else:
            assert found.refusal and np.isfinite(found.llr)


def test_a_short_clip_has_the_score_of_its_longest_window(clips):
    with FileSource(clips / "fake1.flac") as source:
        scores = [
            event
            for event in listen(BrightnessDetector(), list(source))
            if isinstance(event, Score)
        ]
    assert scores[-1].window_samples < WINDOW_SAMPLES
    assert ClipScorer(OpenBrightness(), AudioFolder(clips)).score("fake1").llr == pytest.approx(
        scores[-1].llr
    )


def test_what_the_gate_refuses_is_scored_all_the_same(clips):
    scorer = ClipScorer(OpenBrightness(), AudioFolder(clips))
    for name, words in (("silent", "no_speech"), ("tiny", "warming_up")):
        found = scorer.score(name)
        assert np.isfinite(found.llr) and found.refusal.startswith(words) and found.problem is None


def test_what_cannot_be_read_has_no_score(clips):
    scorer = ClipScorer(OpenBrightness(), AudioFolder(clips))
    assert scorer.score("missing").problem == "no file of this name"
    broken = scorer.score("broken")
    assert broken.llr is None and "cannot be read as audio" in broken.problem


def run(clips, out, resume=False, jobs=1, engine=parallel.in_order):
    trials = read_protocol(clips / "protocol.txt")
    work = partial(brightness_scorer, clips)
    return score_trials(
        trials,
        out,
        "brightness",
        resume,
        lambda batches: engine(work, batches, jobs),
        lambda *_: None,
    )


@pytest.fixture(scope="module")
def whole(clips, tmp_path_factory):
    """An uninterrupted run: the bytes of its files."""
    out = tmp_path_factory.mktemp("whole")
    scored = run(clips, out)
    assert len(scored.trials) == 26
    assert [row["utt"] for row in rows(out / "unreadable.csv")] == ["broken", "missing"]
    assert [row["utt"] for row in rows(out / "unjudged.csv")] == ["silent", "tiny"]
    return {name: (out / name).read_bytes() for name in FILES}


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.floats(0, 1))
def test_a_run_cut_off_anywhere_goes_on_to_the_same_files(clips, whole, tmp_path_factory, share):
    out = tmp_path_factory.mktemp("cut")
    (out / LOG).write_bytes(whole[LOG][: int(share * len(whole[LOG]))])
    run(clips, out, resume=True)
    assert {name: (out / name).read_bytes() for name in FILES} == whole


def test_processes_give_the_same_files(clips, whole, tmp_path):
    run(clips, tmp_path, jobs=2)
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == whole


@pytest.fixture
def ray():
    return pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[ray]'")


def test_a_ray_cluster_gives_the_same_files(ray, clips, whole, tmp_path):
    program = (
        "import sys, test_evaluate_score as t; from radd import ray_cluster; from pathlib "
        "import Path; t.run(Path(sys.argv[1]), Path(sys.argv[2]), jobs=2, "
        "engine=ray_cluster.in_order)"
    )
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    environ = {**os.environ, "PYTHONPATH": paths}
    environ.pop("RAY_ADDRESS", None)
    done = subprocess.run(
        [sys.executable, "-c", program, clips, tmp_path],
        env=environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == whole


def test_another_run_is_not_gone_on_with(clips, whole, tmp_path):
    (tmp_path / LOG).write_bytes(whole[LOG].replace(b'"brightness"', b'"loudness"'))
    with pytest.raises(ProtocolError, match="another detector"):
        run(clips, tmp_path, resume=True)


def test_a_folder_without_the_sound_is_told(clips, tmp_path):
    trials = read_protocol(clips / "protocol.txt")
    scorer = ClipScorer(OpenBrightness(), AudioFolder(tmp_path)).score_all
    with pytest.raises(ProtocolError, match="none of 28 trials"):
        score_trials(trials, tmp_path, "brightness", False, partial(map, scorer), lambda *_: None)


def end_this_process(item):
    os.kill(os.getpid(), signal.SIGKILL)


def refuse_seven(item):
    if item == 7:
        raise ProtocolError("seven")
    return -item


@pytest.mark.parametrize("jobs", [1, 2])
def test_work_keeps_its_order_and_tells_its_errors(jobs):
    assert list(parallel.in_order(partial(partial, refuse_seven), range(7), jobs)) == [
        0,
        -1,
        -2,
        -3,
        -4,
        -5,
        -6,
    ]
    with pytest.raises(ProtocolError, match="seven"):
        list(parallel.in_order(partial(partial, refuse_seven), range(20), jobs))


def test_a_killed_worker_is_told():
    with pytest.raises(RaddError, match="worker process was killed"):
        list(parallel.in_order(partial(partial, end_this_process), range(4), 2))


def test_a_killed_run_of_the_program_resumes_to_the_same_bytes(clips, shipped_bundle, tmp_path):
    def start(out, *more):
        command = [
            sys.executable,
            str(ROOT / "evaluate.py"),
            "score",
            "--protocol",
            str(clips / "protocol.txt"),
            "--audio",
            str(clips),
            "--out",
            str(tmp_path / out),
            "--bootstrap",
            "20",
            "--jobs",
            "1",
            *more,
        ]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finished(process):
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
        assert "2 of 28 trials could not be read" in said

    finished(start("whole"))
    killed, log = start("killed"), tmp_path / "killed" / LOG
    while killed.poll() is None and not (log.is_file() and log.read_bytes().count(b"\n") > 1):
        os.sched_yield()
    killed.kill()
    killed.communicate()
    finished(start("killed", "--resume"))
    for name in (*FILES, "metrics.json", "trials.csv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()


@pytest.mark.parametrize(
    "arguments, words, code",
    [
        (["--audio", "clips"], "--protocol", 2),
        (["--protocol", "nothing", "--audio", "clips"], "cannot read", 2),
        (["--protocol", "clips/protocol.txt", "--audio", "nowhere"], "not a directory", 2),
        (
            ["--protocol", "clips/protocol.txt", "--audio", "clips", "--bundle", "nowhere"],
            "not a model bundle",
            4,
        ),
    ],
)
def test_mistakes(clips, tmp_path, monkeypatch, capsys, arguments, words, code):
    (tmp_path / "clips").symlink_to(clips)
    monkeypatch.chdir(tmp_path)
    assert evaluate.main(["score", "--out", "out", *arguments]) == code
    assert words in capsys.readouterr().err


def test_memory_does_not_grow_with_a_long_file(tmp_path):
    import tracemalloc

    import soundfile
    from fixtures_detector import voice

    piece = voice(1, 60, synthetic=False)
    peaks = []
    for minutes in (2, 12):
        with soundfile.SoundFile(tmp_path / f"long{minutes}.wav", "w", 16_000, 1) as file:
            for _ in range(minutes):
                file.write(piece)
        tracemalloc.start()
        ClipScorer(OpenBrightness(), AudioFolder(tmp_path)).score(f"long{minutes}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 6_000_000


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"),
    reason="this system does not let a process choose processors",
)
def test_as_many_processes_as_this_one_may_use():
    allowed = os.sched_getaffinity(0)
    assert parallel.processors() == len(allowed)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        assert parallel.processors() == 1
    finally:
        os.sched_setaffinity(0, allowed)
