"""The loop that learns, and those who would poison it: in doubt the champion stands, nothing is
lost, the report says why.
"""

import os
import shutil
import signal
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from fixtures_detect import ROOT
from fixtures_review import flagged, keep
from fixtures_storage import rows, score

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install -e '.[train]'")

import train
from app.installation import installation
from app.settings import load
from radd.bundle import BACKBONE, CARD, WEIGHTS, load_detector, read_manifest, write_manifest
from radd.calibration import Calibration
from radd.errors import ConfigError, ModelError, StorageError
from radd.files import load_speech
from radd.flac import flac_bytes
from radd.hot_swap import HotSwapDetector
from radd.registry import candidate_in_use, in_use, promote, propose_candidate, prune, version_of
from radd.types import Compared, Neighbour
from retraining.context import RetrainContext
from retraining.curation import ONE_SIDED, admitted, distinct, is_held
from retraining.gates import FusedScorer, gates, reviewed_gate
from retraining.loop import auto_rollback, retrain
from retraining.refit import refit
from retraining.replay_scores import llrs
from storage import tables
from storage.learning import Learning
from storage.overlay import OverlayStore
from storage.review import Label, Reviews
from stream.hot_reload import HotReload
from training.config import RetrainSettings
from training.replay import REPLAY, Replay, hold_back

WIDTH = 256
BEGAN = datetime(2026, 3, 1, 12, 0)
PLAIN = Calibration((1.0,), ((1.0, 0.0),), ((1.0, 0.0, 0.0, 0.0),))
SETTINGS = RetrainSettings(
    min_labels=6,
    replay=0.8,
    per_source=20,
    proof="",
    shadow_hours=0.0,
    drift_factor=1.3,
    alert_rate_factor=3.0,
    keep=2,
)


def replay(tells: dict[str, float], clips: int = 80, seed: int = 0) -> Replay:
    """Clips of eight groups a label whose spectrum part tells the label so well under each
    condition.
    """
    rng = np.random.default_rng(seed)
    label = np.array(["bonafide", "spoof"] * (clips // 2))
    group = np.array([f"{name} {i // 2 % 8}" for i, name in enumerate(label)])
    sign = np.where(label == "bonafide", 1.0, -1.0)
    embedding = rng.normal(0, 1, (clips * len(tells), WIDTH)) / np.sqrt(WIDTH)
    parts = rng.normal(0, 1, (clips * len(tells), 3))
    parts[:, 0] += np.concatenate([strength * sign for strength in tells.values()])
    return Replay(
        parts=parts.astype(np.float32),
        speech_s=np.full(len(parts), 3.0, np.float32),
        clip=np.tile(np.arange(clips), len(tells)),
        embedding=embedding.astype(np.float16),
        distance=np.full(len(parts), 0.1, np.float32),
        condition=np.repeat([*tells], clips),
        label=label,
        system=group,
        source=group,
        group=group,
        length_s=np.full(clips, 4.0, np.float32),
        held=hold_back(group.tolist(), 1),
    )


@pytest.fixture
def models(tmp_path) -> Path:
    """A directory of bundles with one, the shipped networks and a small replay."""
    directory = tmp_path / "models"
    (directory / "default").mkdir(parents=True)
    for name in (*WEIGHTS, BACKBONE, CARD):
        shutil.copy(ROOT / "models/default" / name, directory / "default")
    replay({"clean": 2.0, "telephone": 2.0}).write(directory / "default" / REPLAY)
    write_manifest(directory / "default", "radd", PLAIN, {}, {})
    return directory


def means(models, **changes) -> RetrainContext:
    def muffled(samples, rng):
        return np.convolve(samples, np.full(8, 0.125), "same").astype(np.float32)

    champion = in_use(models / "default")
    return RetrainContext(
        champion, replace(SETTINGS, **changes), 0.9, models.parent / "work", muffled, {}
    )


@pytest.fixture
def pieces(speech) -> list[np.ndarray]:
    """Pieces of a person's reading, 2 s each, no two alike."""
    return [
        piece
        for path in sorted(speech.parent.glob("*.wav"))
        for piece in np.split(load_speech(path), range(32_000, 400_000, 32_000))
        if len(piece) == 32_000
    ][:12]


def label(settings, pieces, label=None, reviewer="ann", source="mic", hours=1, before=0) -> None:
    """Alerts about these sounds, from sample `before` on, an hour apart, every second one called
    fake unless `label` says.
    """
    for k, piece in enumerate(pieces):
        alert = flagged(seed=k, clip=piece, clip_start=32_000 - before)
        keep(
            settings,
            alert,
            source=source,
            started=datetime.now(UTC) - timedelta(hours=hours * (k + 1)),
        )
        with Reviews(settings.url, 1) as reviews:
            reviews.label(
                [alert.id],
                label or (Label.FAKE if k % 2 else Label.REAL),
                reviewer,
                "<b>'; DROP TABLE clips; --",
            )


def round_of(settings, models, **changes) -> tuple[bool, list[str]]:
    said: list[str] = []
    with Learning(settings.url) as store:
        return retrain(store, means(models, **changes), said.append), said


def test_labels_make_a_candidate_and_the_decision_is_a_row_and_a_report(settings, models, pieces):
    label(settings, pieces, source="<script>alert(1)</script>'; DROP TABLE streams")
    promoted, said = round_of(settings, models)
    (row,) = rows(settings.url, tables.retrainings)
    (decision,) = rows(settings.url, tables.decisions)
    assert (
        row["state"] == ("promoted" if promoted else "refused")
        and row["candidate"] in row["outcome"]
    )
    report = (models / f"{row['candidate']}.md").read_text()
    assert (
        row["report"] == report == said[-1]
        and "telephone: EER" in report
        and "script" not in report
    )
    assert (
        decision["action"] == ("promote" if promoted else "refuse")
        and "reviewed clips" in decision["numbers"]
    )
    assert in_use(models / "default").name == (row["candidate"] if promoted else "default")
    chosen = load()
    assert load_detector(models / row["candidate"], chosen.model, chosen.gate).name != "radd"
    assert rows(settings.url, tables.leases) == [] and not (models.parent / "work").exists()
    assert round_of(settings, models)[1][-1].startswith("nothing to do: 0 new labels of 6"), (
        "each label starts one round"
    )


def test_who_spoke_before_the_alert_teaches_nothing(local, models, pieces):
    label(local, pieces[:4], before=len(pieces[0]) - 8_000)
    label(local, pieces[4:8])
    said = round_of(local, models)[1]
    assert "left out: 2 clips without enough speech" in said[-1], (
        "of two fakes half a second was left"
    )


def in_shadow(url, models) -> str:
    """A round has ended with a candidate in its shadow run; its name and version."""
    candidate = models / "r20260101T000000"
    shutil.copytree(models / "default", candidate)
    version = version_of(read_manifest(candidate))
    with Learning(url) as store:
        round = store.begin("20 new labels", "default", candidate.name)
        store.change(round, step="shadow")
        propose_candidate(candidate)
        store.decide(
            "shadow", candidate.name, version, "default", "passed", [{"name": "clean: EER"}]
        )
        store.end(round, "shadow", "passed all gates", "# report\n")
    return version


@pytest.mark.parametrize(("alerts", "promoted"), [(3, True), (4, False)])
def test_a_candidate_takes_the_place_only_after_its_shadow_run(local, models, alerts, promoted):
    version = in_shadow(local.url, models)
    done, said = round_of(local, models, shadow_hours=0.05)
    assert (
        not done
        and "0.00 of 0.05 hours" in said[0]
        and candidate_in_use(models / "default").name == "r20260101T000000"
    )
    keep(
        local, *(Compared(16_000 * k, version, 40.0, 0.1, k == 1, k <= alerts) for k in range(1, 6))
    )
    assert round_of(local, models, shadow_hours=0.05)[0] is promoted
    assert in_use(models / "default").name == ("r20260101T000000" if promoted else "default")
    assert candidate_in_use(models / "default") is None
    with Learning(local.url) as store:
        decision, row = store.decisions()[-1], store.retrainings()[0]
    assert (
        decision["action"] == ("promote" if promoted else "refuse")
        and row["state"] == decision["action"] + "d"
    )
    assert [gate["name"] for gate in decision["numbers"]][0] == "clean: EER" and decision[
        "numbers"
    ][-1]["candidate"] == alerts
    assert "0.06 hours of speech" in (models / "r20260101T000000.md").read_text()


def test_a_shadow_run_is_over_where_another_model_is_put_to_use(local, models):
    in_shadow(local.url, models)
    shutil.copytree(models / "default", models / "other")
    promote(models / "other")
    assert (
        not round_of(local, models, shadow_hours=0.05)[0]
        and candidate_in_use(models / "default") is None
    )
    (row,) = rows(local.url, tables.retrainings)
    assert row["state"] == "refused" and "other was put into use in the meantime" in row["outcome"]


@pytest.fixture
def corpus(tmp_path, pieces):
    """Writes a corpus to prove on; fakes are of the system that is given."""

    def write(system, real=4):
        (tmp_path / "proof").mkdir()
        lines = [f"p{k} r{k} - - bonafide\n" for k in range(real)] + [
            f"- f{k} - {system} spoof\n" for k in range(4)
        ]
        for piece, line in zip(pieces, lines, strict=False):
            (tmp_path / "proof" / f"{line.split()[1]}.flac").write_bytes(flac_bytes(piece))
        (tmp_path / "proof" / "protocol.dev.txt").write_text("".join(lines))
        return str(tmp_path / "proof")

    return write


def test_another_corpus_may_prove(local, models, pieces, corpus):
    label(local, pieces)
    round_of(local, models, min_labels=4, proof=corpus("nobody-knows-it"))
    report = rows(local.url, tables.retrainings)[0]["report"]
    assert "clean: EER" in report and "telephone" not in report, "not the bundle's own part"


@pytest.mark.parametrize(
    ("system", "real", "words"), [("VITS", 4, "are the same"), ("x", 0, "clips of both labels")]
)
def test_a_corpus_that_proves_nothing_is_refused(
    local, models, pieces, corpus, system, real, words
):
    label(local, pieces)
    with pytest.raises(ConfigError, match=words):
        round_of(local, models, min_labels=4, proof=corpus(system, real))
    assert (
        rows(local.url, tables.retrainings)[0]["state"] == "failed"
        and in_use(models / "default").name == "default"
    )


def test_evaluation_is_of_the_bundle_in_use_too(models, monkeypatch):
    monkeypatch.setenv("RADD_MODEL_BUNDLE", str(models / "default"))
    shutil.copytree(models / "default", models / "other")
    promote(models / "other")
    assert (
        installation().bundle() == models / "other"
        and installation(bundle=models / "default").bundle() == models / "default"
    )


def test_too_few_labels_start_nothing_and_it_says_why(local, models, pieces):
    label(local, pieces[:3])
    assert round_of(local, models) == (
        False,
        ["nothing to do: 3 new labels of 6 ([retrain] min_labels), and no drift with labels"],
    )
    assert rows(local.url, tables.retrainings) == []


def test_a_source_that_floods_is_capped(local, models, pieces):
    label(local, pieces, hours=0)
    done, said = round_of(local, models, per_source=2)
    assert not done and any("above the cap of 2 per source and day" in line for line in said)
    assert in_use(models / "default").name == "default"


def test_a_reviewer_who_calls_all_real_teaches_nothing_alone(local, models, pieces):
    assert len(pieces) >= ONE_SIDED
    label(local, pieces, Label.REAL)
    done, said = round_of(local, models)
    assert (
        not done
        and "have a second reviewer confirm" in said[0]
        and in_use(models / "default").name == "default"
    )


@dataclass(frozen=True)
class Clip:
    sha256: str
    label: str = "spoof"
    source: str = "mic"
    stream_id: str = "s"
    began_utc: datetime = BEGAN
    reviewers: frozenset = frozenset({"ann"})


def test_one_sided_answers_count_where_another_reviewer_agrees():
    clips = [
        Clip("a"),
        Clip("b", reviewers=frozenset({"ann", "ben"})),
        Clip("c", reviewers=frozenset({"ann", "cid"})),
    ]
    answers = {
        "ann": ["spoof"] * ONE_SIDED,
        "ben": ["spoof", "bonafide"],
        "cid": ["spoof"] * ONE_SIDED,
    }
    found, told = admitted(clips, answers, 20)
    assert [clip.sha256 for clip in found] == [
        "b",
        "c",
    ] and "have a second reviewer confirm" in told[0]


@pytest.mark.parametrize("voices", ["bonafide", "spoof"])
def test_where_only_one_kind_of_voice_comes_up_the_replay_keeps_what_was_known(voices):
    known, fresh, held = (
        replay({"clean": 1.0}, 400),
        replay({"clean": 0.0}, 60, seed=1),
        replay({"clean": 1.0}, 400, seed=2),
    )
    judge = refit(known, fresh.rows(fresh.label[fresh.clip] == voices), 0.8)
    real = held.label == "bonafide"
    for sign, side in ((1, real), (-1, ~real)):
        assert (
            np.mean([sign * llr > 0 for clip, llr in llrs(held, *judge).items() if side[clip]])
            > 0.7
        )


def test_a_thousand_near_copies_are_one_clip():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0, 1, (2, WIDTH))
    copies = one + rng.normal(0, 1e-4, (1000, WIDTH))
    assert distinct(np.vstack([copies, other])) == [0, 1000]


def test_what_proves_stays_what_proves_and_an_hour_stays_together():
    clips = [
        Clip("x", stream_id=f"s{k}", began_utc=BEGAN.replace(minute=minute))
        for k in range(300)
        for minute in (0, 59)
    ]
    held = [is_held(clip) for clip in clips]
    assert held[::2] == held[1::2] and 60 < Counter(held[::2])[True] < 140


def test_better_on_average_and_worse_on_telephone_is_refused():
    held = replay({"clean": 0.7, "noise": 0.7, "telephone": 3.0}, clips=400)
    held.parts[:, 1] = np.where(held.label[held.clip] == "bonafide", 1, -1) * np.where(
        held.condition == "telephone", -3, 3
    )
    champion = FusedScorer(None, PLAIN)
    candidate = FusedScorer(None, replace(PLAIN, fused=((1.0, 0.6, 0.0, 0.0),)))
    found = {gate.name: gate for gate in gates(held, champion, candidate, -2.2)}
    eers = [found[f"{name}: EER"] for name in ("clean", "noise", "telephone")]
    assert np.mean([gate.candidate for gate in eers]) < np.mean([gate.champion for gate in eers])
    assert eers[0].passed and eers[1].passed and not eers[2].passed
    assert all(gate.passed for gate in gates(held, champion, champion, -2.2))


def test_reviewed_clips_have_to_be_there_and_to_get_better():
    few, some = (replay({"clean": 1.0}, clips=n) for n in (2, 40))
    better = FusedScorer(None, replace(PLAIN, fused=((1.5, 0.0, 0.0, 0.0),)))
    assert not reviewed_gate(few, FusedScorer(None, PLAIN), better).passed
    assert not reviewed_gate(some, FusedScorer(None, PLAIN), FusedScorer(None, PLAIN)).passed
    assert reviewed_gate(some, FusedScorer(None, PLAIN), better).passed


def test_what_the_networks_miss_the_correction_learns():
    known, fresh = replay({"clean": 1.0}, 400), replay({"clean": 0.0}, 200, seed=1)
    sign = np.where(fresh.label == "bonafide", 1.0, -1.0)
    fresh.embedding[:, 0] = 3 * sign
    correction, calibration = refit(known, fresh, 0.8)
    unseen = replay({"clean": 0.0}, 200, seed=2)
    unseen.embedding[:, 0] = 3 * sign
    after, before = (llrs(unseen, *judge) for judge in ((correction, calibration), (None, PLAIN)))
    right = [
        np.mean([sign[clip] * llr > 0 for clip, llr in said.items()]) for said in (after, before)
    ]
    assert right[0] > 0.8 > 0.65 > right[1]


@pytest.mark.parametrize("file", ["cnn_score.onnx", "manifest.json", REPLAY])
def test_a_bundle_with_one_byte_changed_is_not_put_to_use(models, file):
    shutil.copytree(models / "default", models / "other")
    data = bytearray((models / "other" / file).read_bytes())
    data[len(data) // 2] ^= 1
    (models / "other" / file).write_bytes(data)
    with pytest.raises(ModelError):
        load_detector(promoted_anyway(models), load().model, load().gate)
    assert in_use(models / "default") == models / "default"


def promoted_anyway(models) -> Path:
    promote(models / "other")
    return in_use(models / "default")


def test_a_champion_that_is_gone_is_told(models):
    (models / "champion").write_text("../../etc\n")
    with pytest.raises(ModelError, match="no such bundle"):
        in_use(models / "default")


def test_the_last_versions_stay_and_nothing_else_goes(tmp_path):
    for name in ("default", "mine", *(f"r2026010{k}T000000" for k in range(1, 6))):
        (tmp_path / name).mkdir()
    assert prune(tmp_path, 3, {"r20260101T000000", "r20260105T000000"}) == [
        "r20260102T000000",
        "r20260103T000000",
    ]
    assert (
        (tmp_path / "default").is_dir()
        and (tmp_path / "mine").is_dir()
        and (tmp_path / "r20260101T000000").is_dir()
    )


class Deadly(Learning):
    """Dies of kill -9 when a retraining reaches a step."""

    step = ""

    def begin(self, *told):
        id = super().begin(*told)
        self._die("clips")
        return id

    def change(self, id, **values):
        super().change(id, **values)
        self._die(values.get("step"))

    def decide(self, *told):
        self._die("decide")
        super().decide(*told)

    def end(self, *told):
        self._die("end")
        super().end(*told)

    def _die(self, step):
        if step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def die_at(step, url, models):
    with Deadly(url) as store:
        store.step = step
        retrain(store, means(models), print)


@pytest.mark.parametrize("step", ["clips", "fit", "prove", "promote", "decide", "end"])
def test_a_kill_at_any_step_loses_nothing(local, models, pieces, processes, step):
    label(local, pieces)
    process = processes.Process(target=die_at, args=(step, local.url, models))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert rows(local.url, tables.retrainings)[0]["state"] == "running"
    champion = in_use(models / "default")
    load_detector(champion, load().model, load().gate)
    round_of(local, models)
    states = [
        row["state"]
        for row in sorted(rows(local.url, tables.retrainings), key=lambda row: row["began_utc"])
    ]
    assert "running" not in states and states[-1] in ("promoted", "refused")
    assert len(rows(local.url, tables.labels)) == len(pieces)


def test_one_at_a_time(database_url):
    with Learning(database_url) as store, Learning(database_url) as other:
        store.lease._holder = "1 another machine"
        with store.lease:
            with pytest.raises(StorageError, match="only one may run at a time"), other.lease:
                pass
            store.lease.renew()
        with other.lease, pytest.raises(StorageError, match="taken over"):
            store.lease.renew()


def test_a_model_that_raises_too_many_alerts_is_taken_back(settings, models):
    shutil.copytree(models / "default", models / "other")
    now = datetime.now(UTC).replace(tzinfo=None)
    quiet = [score(second * 16_000) for second in range(1, 200)]
    keep(settings, *quiet, flagged(seed=1), started=datetime.now(UTC) - timedelta(hours=2))
    with Learning(settings.url) as store:
        store.decide("promote", "other", promote(models / "other"), "default", "all gates passed")
        with store._database.transaction() as connection:
            connection.execute(
                tables.decisions.update().values(decided_utc=now - timedelta(hours=1))
            )
        assert not auto_rollback(store, means(models), print), "nothing was heard since"
    noisy = [flagged(seed=k, began=16_000 * k, end=16_000 * k + 8_000) for k in range(2, 9)]
    keep(settings, *quiet[:20], *noisy, started=datetime.now(UTC) - timedelta(minutes=30))
    said: list[str] = []
    with Learning(settings.url) as store:
        alerts, hours = store.alert_rate(now - timedelta(hours=3), now)
        assert alerts == 8 and hours == pytest.approx(219 / 3600)
        assert auto_rollback(store, means(models), said.append) and not auto_rollback(
            store, means(models), said.append
        )
        assert [row["action"] for row in store.decisions()] == ["promote", "rollback"]
    assert in_use(models / "default").name == "default" and "more than 3 times as many" in said[0]


def test_promote_and_rollback_are_one_command_each(local, models, tmp_path, capsys):
    shutil.copytree(models / "default", models / "other")
    (tmp_path / "c.toml").write_text(f'[model]\nbundle = "{models}/default"\n')
    common = ["--url", local.url, "--config", str(tmp_path / "c.toml")]
    assert (
        train.main(["promote", "other", *common]) == 0
        and in_use(models / "default").name == "other"
    )
    assert (
        train.main(["models", str(models)]) == 0
        and "every hash matches, in use" in capsys.readouterr().out
    )
    assert train.main(["rollback", *common]) == 0 and in_use(models / "default").name == "default"
    assert train.main(["rollback", *common]) == 2 and train.main(["promote", "../x", *common]) == 2
    assert "no bundle was in use before" in capsys.readouterr().err


def test_drift_is_stored_by_stream_and_day_and_told(settings, models, tmp_path, capsys):
    began = datetime.now(UTC).replace(hour=0, minute=0, second=1)
    far, near = (tuple([Neighbour("r", "spoof", "tts", 1 - distance)]) for distance in (0.5, 0.05))
    for source, known in (("far\x1b[2J", far), ("near", near)):
        keep(
            settings,
            *(replace(score(k * 16_000), neighbours=known) for k in range(1, 9)),
            source=source,
            started=began,
        )
    chosen = f'[model]\nbundle = "{models}/default"\n[storage]\nurl = "{settings.url}"\n'
    (tmp_path / "c.toml").write_text(chosen)
    plot = tmp_path / "drift.svg"
    command = ["drift", "--config", str(tmp_path / "c.toml"), "--plot", str(plot)]
    pytest.importorskip(
        "matplotlib", reason="matplotlib is not installed: pip install -e '.[evaluate]'"
    )
    assert train.main(command) == 0
    told = capsys.readouterr().out.splitlines()
    assert "far?[2J" in plot.read_text() and "<svg" in plot.read_text()
    assert (
        sum("DRIFT  far?[2J" in line for line in told) == 1
        and len(told) == 4
        and "0.0500" in "".join(told)
    )
    found = sorted(rows(settings.url, tables.drift), key=lambda row: row["distance"])
    assert [row["seconds"] for row in found] == [8, 8] and found[1]["distance"] == pytest.approx(
        0.5
    )


def test_a_daemon_takes_another_model_over_between_two_chunks(local, models):
    chosen = load()
    first, other = (load_detector(models / "default", chosen.model, chosen.gate) for _ in range(2))
    detector, coming = HotSwapDetector(first), [replace(other, name="radd other")]

    def overlays(judging):
        return OverlayStore(local.url, judging.encoder_id)

    sound = load_speech(ROOT / "assets" / "demo.flac")[: 40 * 2048]
    state = detector.start()
    before = detector.push(state, sound)
    with HotReload(detector, overlays, 3600, lambda: coming.pop() if coming else None) as index:
        assert (
            detector.name != "radd other"
            and index.take_model() == "radd other"
            and index.take_model() is None
        )
        after = detector.push(state, sound)
    assert len(after) == len(before) == 40 and detector.name == "radd other"
    assert sum(judged.llr is not None for judged in after) > 10
    assert [judged.llr for judged in after] == [
        judged.llr and pytest.approx(judged.llr, abs=1e-4) for judged in before
    ]
