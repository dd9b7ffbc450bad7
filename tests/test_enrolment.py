"""What a site enrols: its line and its own voices. What that changes, what is refused, what undoes
it.
"""

import json
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from fixtures_detector import listen
from fixtures_storage import rows
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

import train
from app.settings import load
from radd.bundle import load_detector, load_known_voices
from radd.confirmed_side import FEWEST_OF_LINE
from radd.enrolled import (
    MOST_PAIR_LLR,
    NOT_ENROLLED,
    Enrolled,
    EnrolledLine,
    OperatingPoint,
    closeness,
    spread_of_fakes,
)
from radd.errors import ConfigError
from radd.files import load_speech
from radd.overlay import OverlaidIndex, Overlay
from radd.references import Reference
from radd.resources import resource
from radd.types import HOP_SAMPLES, Alert, AudioChunk, Score, Verdict
from retraining.enrolment import EnrolContext, enrol_own_voice, measure_again
from retraining.enrolment import _measured_line as measured_line
from retraining.line_recordings import (
    LEAST_CLIPS,
    LineRecording,
    found_in,
    refuse_poisoned,
    without_copies,
)
from retraining.operating_point import (
    MOST_DOWN_LLR,
    MOST_UP_LLR,
    SCALES,
    LineScores,
    lower_edge,
    point_of,
)
from storage import tables
from storage.database import Database
from storage.enrolments import Enrolments, forget_audio
from storage.overlay import OverlayStore
from storage.review import utc_now

BUNDLE = resource("models/default")
ALARM_LLR = -2.2
ANN = ("ann", "the switchboard")
PROMPTS = (
    "Thank you for calling the harbour clinic. Our lines are open from nine until five.",
    "For appointments, please press one. For prescriptions, press two, and then the star key.",
    "Please hold the line. Your call is important to us and will be answered very soon.",
    "You may leave a message after the tone. Speak clearly, and tell us your number.",
)
NEW_TEXT = "Your balance is two hundred and forty pounds, as of the thirtieth of November."


@pytest.fixture(scope="module")
def detector():
    settings = load(environ={})
    return load_detector(BUNDLE, settings.model, settings.gate)


@pytest.fixture(scope="module")
def index():
    return load_known_voices(BUNDLE)[1]


@pytest.fixture
def means(detector):
    return EnrolContext(BUNDLE, detector, ALARM_LLR, keeps_audio=True)


@pytest.fixture
def store(database_url):
    with Enrolments(database_url) as opened:
        yield opened


def line_recordings(index, people=20, fakes=20, shift=-2.0, seed=0):
    """Recordings as a bundle would hear them: vectors of its own references, LLRs that are `shift`
    lower than on its development set.
    """
    rng = np.random.default_rng(seed)
    found = []
    for label, n, middle, side in zip(
        ("bonafide", "spoof"), (people, fakes), (2.5, -1.5), index.sample(1000), strict=True
    ):
        for k in range(n):
            sound = rng.normal(0, 0.05, 16_384).astype(np.float32)
            vectors = side[[5 * k, 5 * k + 1, 5 * k + 2]]
            llr = rng.normal(middle + shift, 1.0)
            starts = [0, 16_384, 32_768]
            name = f"{label}{k}"
            found.append(LineRecording(label, f"{name}.wav", name, sound, starts, vectors, llr))
    return found


def scores_of(recordings):
    return LineScores(
        np.array([one.llr for one in recordings]),
        np.array([one.label == "bonafide" for one in recordings]),
        [one.speaker for one in recordings],
        [one.passages for one in recordings],
    )


def test_an_operating_point_is_bounded_and_the_pair_speaks_for_fakes_alone():
    point = OperatingPoint(1.2, -0.5, 40.0, 0.1)
    assert point.llr(2.0, 0.3) == pytest.approx(1.9)
    assert point.llr(2.0, -1.0) == pytest.approx(1.9 - MOST_PAIR_LLR)
    assert OperatingPoint().llr(3.0, -1.0) == 3.0


@limits(deadline=None, max_examples=8)
@given(shift=st.floats(-9, 9), people=st.integers(6, 40), fakes=st.sampled_from([0, 10, 20]))
def test_whatever_is_enrolled_moves_the_operating_point_within_its_bounds(
    index_and_spread, shift, people, fakes
):
    index, spread = index_and_spread
    point = point_of(scores_of(line_recordings(index, people, fakes, shift)), 0.1, spread)
    assert -MOST_DOWN_LLR <= point.offset_llr <= MOST_UP_LLR
    assert SCALES[0] <= point.scale <= SCALES[1] and point.pair_weight >= 0
    assert -MOST_PAIR_LLR <= point.pair_llr(-2.0) <= 0 == point.pair_llr(2.0)


@pytest.fixture(scope="module")
def index_and_spread(index):
    return index, spread_of_fakes(index)


def test_people_who_score_too_low_are_lifted_to_the_usual_edge_and_more_of_them_count_more(
    index_and_spread,
):
    index, spread = index_and_spread

    def lifted(people, shift=-2.0):
        line = scores_of(line_recordings(index, people, 0, shift))
        edge = lower_edge(line.llr)
        return point_of(line, edge + 2.0, spread).offset_llr

    assert 0 < lifted(6) < lifted(20) < lifted(60) < 2.0
    assert lifted(60) == pytest.approx(2.0, abs=0.2)


def test_two_planted_recordings_of_one_speaker_hardly_move_it(index_and_spread):
    index, spread = index_and_spread
    line = line_recordings(index, 20, 0, 0.0)
    planted = [replace(one, llr=-20.0, speaker="mallory") for one in line[:2]]
    honest, poisoned = (
        point_of(scores_of(each), 0.1, spread).offset_llr for each in (line, line[2:] + planted)
    )
    assert abs(poisoned - honest) < 0.75


def test_too_few_too_alike_and_too_synthetic_recordings_are_refused_with_numbers(index):
    line = line_recordings(index)
    refuse_poisoned(line, index)
    few = [replace(one, speaker="ann") for one in line if one.label == "bonafide"]
    with pytest.raises(ConfigError, match="20 usable recordings of 1 people; expected at least 12"):
        refuse_poisoned(few, index)
    with pytest.raises(ConfigError, match="5 usable fakes; expected at least 10"):
        refuse_poisoned(line[:25], index)
    with pytest.raises(ConfigError, match="half of the people score below -"):
        refuse_poisoned([replace(one, llr=one.llr - 9) for one in line], index)
    swapped = [replace(one, llr=9.0) if one.label == "spoof" else one for one in line]
    with pytest.raises(ConfigError, match="sound more like people than the people do"):
        refuse_poisoned(swapped, index)
    systems = np.array([r.system for r in index.sides[1].references])
    names, counts = np.unique(systems, return_counts=True)
    vectors = index.sides[1].vectors()[systems == names[counts.argmax()]]
    one_synthesiser = [
        replace(one, vectors=vectors[[k]], starts=[0]) for k, one in enumerate(line[:LEAST_CLIPS])
    ]
    with pytest.raises(ConfigError, match="12 recordings of people are nearest to one synthesiser"):
        refuse_poisoned(one_synthesiser, index)


def test_near_copies_are_left_out_and_one_recording_has_one_label(index):
    line = line_recordings(index)
    copy = replace(line[0], name="again.wav")
    kept, told = without_copies([*line, copy])
    assert kept == line and told == ["again.wav: a near copy of bonafide0.wav"]
    with pytest.raises(ConfigError, match=r"again.wav and bonafide0.wav are the same recording"):
        without_copies([*line, replace(copy, label="spoof")])


def test_who_speaks_is_told_by_folders_or_by_names(tmp_path):
    for name in ("ann/1.wav", "ann/2.wav", "bob/1.wav", "cid-7.wav", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [who for _, _, who in found_in(tmp_path, "people")] == ["ann", "ann", "bob", "cid"]
    with pytest.raises(ConfigError, match="holds no audio files .*the recordings of people"):
        found_in(tmp_path / "bob" / "nothing", "people")


def enrolled_line(store, index, means, **changes):
    line = line_recordings(index, **changes)
    stored = [one.stored(means.keeps_audio) for one in line]
    return store.add("line", ANN, stored, measured_line(line, means))


def test_a_line_reaches_the_detector_and_undo_restores_every_score(
    store, index, means, detector, database_url
):
    sound = load_speech(resource("assets/demo.flac"))[: 40 * HOP_SAMPLES]

    def scored(overlay):
        judged = detector.with_overlay(overlay)
        return [j.llr for j in judged.push(judged.start(), sound[: 32 * HOP_SAMPLES])]

    with OverlayStore(database_url, detector.encoder_id) as overlays:
        before = overlays.read()
        plain = scored(before)
        first = enrolled_line(store, index, means)
        once = overlays.changed(before.version)
        enrolled_line(store, index, means, people=30, shift=0.5, seed=1)
        twice = overlays.changed(once.version)
        assert scored(once) != plain and scored(twice) != scored(once)
        assert [row["in_effect"] for row in store.entries()] == [False, True]
        store.undo(None, "bob")
        back = overlays.changed(twice.version)
        np.testing.assert_equal(scored(back), scored(once))
        assert store.undo(first[:8], "bob")["id"] == first
        assert overlays.changed(back.version).enrolled == NOT_ENROLLED
        np.testing.assert_equal(scored(overlays.read()), plain)
    for table in (tables.enrolments, tables.enrolled_recordings, tables.enrolled_blocks):
        assert rows(database_url, table) == []
    told = [(row["action"], row["reason"]) for row in rows(database_url, tables.decisions)]
    assert sorted(action for action, _ in told) == ["enrol"] * 2 + ["undo_enrolment"] * 2
    with pytest.raises(ConfigError, match="there is no enrolment to undo"):
        store.undo(None, "bob")


def test_another_bundle_is_measured_on_the_stored_audio_or_asks_for_it(
    store, index, means, detector, database_url, tmp_path
):
    speech = load_speech(resource("assets/demo.flac"))[: 8 * 16_000]
    line = line_recordings(index)
    spoken = [replace(one, samples=speech[k * 400 :]) for k, one in enumerate(line[:1])]
    measured = replace(measured_line(line, means), bundle="an older bundle")
    id = store.add("line", ANN, [one.stored(True) for one in spoken + line[1:]], measured)
    (problem,) = measure_again(store, means)
    assert problem.startswith(f"line {id} of 20") and "usable recordings of" in problem
    with (database := Database(database_url)).transaction() as connection:
        assert forget_audio(connection, utc_now() + timedelta(seconds=1)) == len(line)
    database.close()
    assert "the audio of 40 of 40 recordings is gone" in measure_again(store, means)[0]
    assert [one["bundle"] for one in store.entries()[0]["measured"]] == ["an older bundle"]


def test_people_of_the_line_are_no_nearer_to_a_confirmed_fake_for_being_on_it(index):
    real, fake = index.sample(2000)
    channel = fake[0]
    on_line = real[:FEWEST_OF_LINE] + channel
    on_line /= np.linalg.norm(on_line, axis=1, keepdims=True)
    heard = real[FEWEST_OF_LINE] + channel
    heard /= np.linalg.norm(heard)
    reference = [Reference("call", "spoof", "-", "call", "-", 0.0)]
    overlay = Overlay.of(index.encoder_id, reference, channel[None])
    line = EnrolledLine(on_line, fake[:0], {})
    plain, with_line = (
        OverlaidIndex(index, one).closeness(heard[None])[1].near
        for one in (overlay, replace(overlay, enrolled=Enrolled(line)))
    )
    assert plain > 2 and with_line < plain / 2


def say(voice: str, text: str, out: Path) -> Path:
    """A voice of espeak-ng, or of flite where its name begins so."""
    engine, _, name = voice.partition(":")
    if not shutil.which(engine):
        pytest.skip(f"{engine} is not installed")
    command = {
        "espeak-ng": ["espeak-ng", "-v", name, "-w", str(out), text],
        "flite": ["flite", "-voice", name, "-t", text, "-o", str(out)],
    }[engine]
    subprocess.run(command, check=True, capture_output=True)
    return out


@pytest.fixture(scope="module")
def own_overlay(detector, tmp_path_factory):
    """A database in which prompts of one espeak-ng voice are enrolled, and its overlay."""
    folder = tmp_path_factory.mktemp("own")
    for k, text in enumerate(PROMPTS):
        say("espeak-ng:en-us", text, folder / f"prompt{k}.wav")
    url = f"sqlite:///{folder}/radd.db"
    with Enrolments(url) as store:
        means = EnrolContext(BUNDLE, detector, ALARM_LLR, keeps_audio=False)
        _, report = enrol_own_voice(store, means, folder, ANN)
    assert report["recognises"] == "the voice" and report["recordings"] == len(PROMPTS)
    with OverlayStore(url, detector.encoder_id) as overlays:
        return overlays.read()


def events_of(detector, sound, chunk=HOP_SAMPLES):
    chunks = [AudioChunk(sound[at : at + chunk], at) for at in range(0, len(sound), chunk)]
    return listen(detector, chunks)


def verdicts(events):
    return [event.verdict for event in events if isinstance(event, Score)]


@pytest.mark.parametrize("text", [PROMPTS[0], NEW_TEXT])
def test_the_sites_own_voice_raises_no_alert_and_is_never_scored(
    detector, own_overlay, tmp_path, text
):
    sound = load_speech(say("espeak-ng:en-us", text, tmp_path / "own.wav"))
    assert any(isinstance(event, Alert) for event in events_of(detector, sound))
    events = events_of(detector.with_overlay(own_overlay), sound)
    assert not any(isinstance(event, Alert) for event in events)
    assert verdicts(events).count(Verdict.OWN_VOICE) > len(verdicts(events)) / 2
    own = [e for e in events if isinstance(e, Score) and e.verdict is Verdict.OWN_VOICE]
    assert {(e.llr, e.p_spoof) for e in own} == {(None, None)} and "enrol" in own[0].reason


@pytest.mark.parametrize("voice", ["espeak-ng:en-us+f3", "flite:slt"])
def test_another_synthetic_voice_still_alerts(detector, own_overlay, tmp_path, voice):
    sound = load_speech(say(voice, NEW_TEXT, tmp_path / "other.wav"))
    events = events_of(detector.with_overlay(own_overlay), sound)
    assert any(isinstance(event, Alert) for event in events)
    assert Verdict.OWN_VOICE not in verdicts(events)


def test_a_synthetic_caller_after_the_own_voice_is_judged_by_his_sound_alone_however_it_is_cut(
    detector, own_overlay, tmp_path
):
    own = load_speech(say("espeak-ng:en-us", PROMPTS[1], tmp_path / "own.wav"))
    caller = load_speech(say("flite:slt", NEW_TEXT, tmp_path / "caller.wav"))
    sound = np.concatenate([own, caller])
    judging = detector.with_overlay(own_overlay)
    fine, coarse = (events_of(judging, sound, chunk) for chunk in (HOP_SAMPLES, 50_000))
    assert verdicts(fine) == verdicts(coarse)
    alerts = [event for event in fine if isinstance(event, Alert)]
    assert alerts and alerts[0].began >= len(own) - HOP_SAMPLES
    last = [event for event in fine if isinstance(event, Score)][-1]
    plain = [e for e in events_of(detector, caller) if isinstance(e, Score)][-1]
    assert last.window_samples <= len(caller) and last.verdict is plain.verdict


def test_one_synthesiser_cannot_pass_for_a_line(tmp_path, capsys):
    folder = tmp_path / "people"
    for k in range(12):
        (folder / f"person{k}").mkdir(parents=True)
        say("espeak-ng:en-gb", PROMPTS[k % 4] + NEW_TEXT[k:], folder / f"person{k}" / "1.wav")
    url = f"sqlite:///{tmp_path}/radd.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADD_STORAGE_URL", url)
        assert train.main(["enrol", "--real", str(folder)]) == 2
        refused = capsys.readouterr().err  # so much alike that they may count as one recording
        assert "one synthesiser, espeak" in refused or "near copy" in refused
        assert train.main(["enrol", "--list"]) == 0
        assert capsys.readouterr().out == "nothing is enrolled\n"
        assert train.main(["enrol", "--undo"]) == 2
        assert train.main(["enrol", "--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == []


def test_closeness_is_the_mean_of_the_nearest():
    known = np.eye(4, dtype=np.float32)
    assert closeness(known[:1], known)[0] == pytest.approx(1 / 3)
    assert closeness(known[:1], known[:1])[0] == 1
