"""False alarms an hour, misses and delays over long recordings."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from fixtures_detector import CONFIG, BrightnessDetector, monitor, voice

import evaluate
from evaluation.audio_folder import AudioFolder
from evaluation.outcome import THRESHOLDS, Alarm, count, decide_again, sweep
from evaluation.poisson import interval95
from evaluation.recordings import LongRecording, VoiceSegment, plan
from evaluation.stream_report import write_stream_report
from evaluation.streams import Listening, clip_length_s
from radd.errors import AudioError
from radd.trials import read_protocol
from stream.decision import Decider, DecisionSettings

SETTINGS = DecisionSettings(**CONFIG["decision"])
ANN, TTS, AGAIN = (
    VoiceSegment(0, 30, False, "ann"),
    VoiceSegment(30, 10, True, "tts"),
    VoiceSegment(40, 20, False, "ann"),
)
CALL = LongRecording("call", (ANN, TTS, AGAIN), ())
KEYS = [
    "hours_real",
    "false_alarms",
    "false_alarms_per_hour",
    "false_alarms_per_hour_ci95",
    "n_fakes",
    "missed_percent",
    "median_time_to_detection_s",
    "p90_time_to_detection_s",
]


@pytest.mark.parametrize(
    "alarms, false_alarms, missed, delays",
    [
        ([], 0, 1, []),
        ([(32.5, 41)], 0, 0, [2.5]),
        ([(10, 12), (33, 41)], 1, 0, [3]),
        ([(33, 35), (38, 39)], 0, 0, [3]),
        ([(30, 30)], 1, 1, []),  # it opened on real speech alone
        (
            [(29, 36)],
            1,
            0,
            [],
        ),  # open at the onset and lasting into the fake: no delay was measured
        ([(43, 44)], 0, 0, [13]),  # within one window after the fake
        ([(45, 46)], 1, 1, []),
        ([(70, 71)], 0, 1, []),  # where nothing is known
    ],
)
def test_alarms_are_compared_with_the_truth(alarms, false_alarms, missed, delays):
    outcome = count(4.0, [CALL], [[Alarm(*alarm) for alarm in alarms]])
    assert (outcome.false_alarms, outcome.missed, outcome.delays_s) == (
        false_alarms,
        missed,
        delays,
    )
    assert outcome.hours_real == pytest.approx(50 / 3600) and outcome.n_fakes == 1


def test_figures_by_hand():
    alarms = [[Alarm(5, 6), Alarm(31, 39)], [Alarm(34, 39)], []]
    figures = count(4.0, [CALL] * 3, alarms).figures()
    assert list(figures) == KEYS
    assert figures["false_alarms_per_hour"] == pytest.approx(1 / (150 / 3600))
    assert figures["false_alarms_per_hour_ci95"] == pytest.approx(
        [0.0253178 * 24, 5.5716434 * 24], rel=1e-5
    )
    assert figures["missed_percent"] == pytest.approx(100 / 3)
    assert (
        figures["median_time_to_detection_s"],
        figures["p90_time_to_detection_s"],
    ) == pytest.approx((2.5, 3.7))


@pytest.mark.parametrize(
    "events, low, high",
    [
        (0, 0.0, 3.688879),
        (1, 0.025318, 5.571643),
        (5, 1.623486, 11.668332),
        (300, 267.009275, 335.941126),
    ],
)
def test_exact_poisson_intervals(events, low, high):
    assert interval95(events) == pytest.approx((low, high), abs=1e-5)


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """60 real clips of three people and 24 fakes of two systems, 3 s each."""
    folder = tmp_path_factory.mktemp("talk")
    lines = []
    for i in range(84):
        synthetic = i >= 60
        soundfile.write(folder / f"clip{i}.wav", voice(i, 3, synthetic=synthetic), 16_000)
        lines.append(
            f"s{i % 3} clip{i} - {f'A{i % 2}' if synthetic else '-'} "
            f"{'spoof' if synthetic else 'bonafide'}\n"
        )
    (folder / "protocol.txt").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def heard(talk):
    sound = AudioFolder(talk)
    trials = read_protocol(talk / "protocol.txt")
    recordings = plan(trials, lambda utt: clip_length_s(sound, utt), np.random.default_rng(3))
    listening = Listening(lambda: monitor(BrightnessDetector()), sound, "clean")
    return recordings, [listening.hear(recording) for recording in recordings]


def decider(threshold):
    return Decider(replace(SETTINGS, open_evidence=threshold))


def test_takeovers_are_found_after_their_onset(heard):
    recordings, heard = heard
    outcome = count(4.0, recordings, [one.alarms for one in heard])
    assert outcome.n_fakes >= 3 and outcome.missed == 0 and outcome.false_alarms == 0
    assert all(0 < delay < 10 for delay in outcome.delays_s)


def test_deciding_again_is_what_the_monitor_decided(heard):
    recordings, heard = heard
    for one in heard:
        assert decide_again(one.hops, decider(SETTINGS.open_evidence)) == one.alarms
    assert any(one.alarms for one in heard)


def test_a_higher_threshold_is_slower_and_alarms_less(heard):
    outcomes = sweep(*heard, decider)
    assert [outcome.threshold for outcome in outcomes] == list(THRESHOLDS)
    missed = [outcome.missed for outcome in outcomes]
    assert missed == sorted(missed) and missed[0] == 0 and missed[-1] == outcomes[0].n_fakes
    delays = [
        outcome.figures()["median_time_to_detection_s"]
        for outcome in outcomes
        if not outcome.missed
    ]
    assert delays == sorted(delays)


def test_everything_is_written(heard, tmp_path):
    recordings, heard = heard
    shipped = count(4.0, recordings, [one.alarms for one in heard])
    table = write_stream_report(
        tmp_path, recordings, heard, shipped, sweep(recordings, heard, decider), {}
    )
    assert json.loads((tmp_path / "stream.json").read_text()) == shipped.figures()
    assert table.count("shipped") == 1 and (tmp_path / "stream.md").read_text() == table + "\n"
    for name in ("thresholds", "delays"):
        assert (tmp_path / f"{name}.png").stat().st_size > 1000 and "</svg>" in (
            tmp_path / f"{name}.svg"
        ).read_text()
    with open(tmp_path / "thresholds.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(THRESHOLDS) and list(rows[0])[1:-1] == KEYS
    with open(tmp_path / "clips.csv", newline="") as file:
        clips = [row["clip"] for row in csv.DictReader(file)]
    assert len(clips) == len(set(clips)) == sum(len(recording.clips) for recording in recordings)


def test_a_recording_of_ones_own_is_heard_in_pieces_or_by_telephone(talk, tmp_path):
    sound = np.concatenate([voice(1, 20, synthetic=False), voice(2, 10, synthetic=True)])
    soundfile.write(tmp_path / "own.flac", sound, 16_000)
    own = LongRecording(
        "own", (VoiceSegment(0, 20, False, "-"), VoiceSegment(20, 10, True, "-")), ("own",)
    )
    for condition in ("clean", "telephone-alaw"):
        found = Listening(
            lambda: monitor(BrightnessDetector()), AudioFolder(tmp_path), condition
        ).hear(own)
        assert len(found.hops) == len(sound) // 2048
    listening = Listening(lambda: monitor(BrightnessDetector()), AudioFolder(tmp_path), "clean")
    with pytest.raises(AudioError, match="no audio file named gone"):
        listening.hear(replace(own, clips=("gone",)))


def test_the_program_on_real_settings(talk, shipped_bundle, tmp_path, capsys):
    arguments = ["stream", "--audio", str(talk), "--jobs", "2"]
    out = tmp_path / "built"
    assert (
        evaluate.main([*arguments, "--protocol", str(talk / "protocol.txt"), "--out", str(out)])
        == 0
    )
    figures = json.loads((out / "stream.json").read_text())
    assert (
        list(figures) == [*KEYS, "condition"]
        and figures["hours_real"] > 0.04
        and figures["n_fakes"] >= 3
    )
    assert "condition clean" in capsys.readouterr().out
    (tmp_path / "own.csv").write_text(
        "file,onset,duration,label\nclip0.wav,0,3,bonafide\nclip70.wav,0,3,spoof\n"
    )
    out = tmp_path / "own"
    options = [
        "--annotations",
        str(tmp_path / "own.csv"),
        "--condition",
        "telephone-mulaw",
        "--out",
        str(out),
    ]
    assert evaluate.main([*arguments, *options]) == 0
    figures = json.loads((out / "stream.json").read_text())
    assert (
        figures["hours_real"] == pytest.approx(3 / 3600)
        and figures["condition"] == "telephone-mulaw"
    )
