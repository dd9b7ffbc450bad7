"""One retraining round: due, eligible clips, refit, gates, decision. In doubt the champion
stays.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from radd.bundle import REPLAY, read_manifest, usual_distance
from radd.errors import AudioError, ConfigError, RaddError
from radd.flac import flac_samples
from radd.index import BundleIndex
from radd.registry import promote, propose_candidate, prune, version_of, withdraw_candidate
from retraining.context import RetrainContext, RetrainStore
from retraining.curation import LabelledClip, admitted, distinct, is_held
from retraining.dataset import CachedWindows, ScoredRecording, replayed
from retraining.gates import FusedScorer, Gate, gates, live_gate, reviewed_gate, shadow_gate
from retraining.refit import refit, write_candidate
from retraining.replay_scores import judging
from retraining.report import gate_numbers, round_report, shadow_report, write_report
from training.config import RetrainSettings
from training.replay import CLEAN, Replay
from training.windows import Windows

SHADOW_CLIPS = 200  # newest unlabelled clips: recent enough to show a shift of the candidate
FEW_ALERTS = 5  # fewer alerts after a switch say nothing about their rate
BEFORE = timedelta(days=7)  # period before the switch whose alert rate is the reference
SHADOW = "shadow"
DONE = ("promoted", "refused", SHADOW)


def due(
    store: RetrainStore, means: RetrainContext
) -> tuple[str | None, list[LabelledClip], list[str]]:
    """Why a round should start, or None; the eligible clips; and the excluded ones in words."""
    clips, fresh, told = eligible_clips(store, means.settings)
    if len(fresh) >= means.settings.min_labels:
        return f"{len(fresh)} new labels", clips, told
    if fresh and (far := drifting(store, means)):
        return f"{far[0]}; {len(fresh)} new labels", clips, told
    told.append(
        f"{len(fresh)} new labels of {means.settings.min_labels} ([retrain] min_labels), and no "
        "drift with labels"
    )
    return None, clips, told


def eligible_clips(
    store: RetrainStore, settings: RetrainSettings
) -> tuple[list[LabelledClip], list[LabelledClip], list[str]]:
    """The eligible clips, the new ones among them, and the excluded ones in words."""
    done = [row["began_utc"] for row in store.retrainings() if row["state"] in DONE]
    clips, told = admitted(store.confirmed(), store.answers(), settings.per_source)
    return clips, [clip for clip in clips if not done or clip.labelled_utc > max(done)], told


def drifting(store: RetrainStore, means: RetrainContext) -> list[str]:
    """Streams whose audio of the last two days is farther from known voices than allowed, in
    words.
    """
    today = datetime.now(UTC).date()
    bound = means.settings.drift_factor * (usual_distance(means.champion) or math.inf)
    return [
        f"drift: {row['source'][:80]!r} was {row['distance']:.3f} from known voices on "
        f"{row['day']}, bound {bound:.3f}"
        for row in store.drifts(today - timedelta(days=1))
        if row["distance"] > bound
    ]


def retrain(
    store: RetrainStore, means: RetrainContext, say: Callable[[str], None], asked: str | None = None
) -> bool:
    """Run one round if it is due. Returns whether another model is in use now. Raises StorageError
    if another process is retraining.

    `asked` is the id of a requested retraining, which this round then is.
    """
    with store.lease:
        _finish(store, means)
        if auto_rollback(store, means, say):
            _not_due(
                store, asked, f"{means.champion.name} was rolled back instead: too many alerts"
            )
            return True
        shadow = _shadow(store, means)
        if shadow is not None and (promoted := _settle(store, means, shadow, say)) is not None:
            _not_due(store, asked, f"the shadow run of {shadow['candidate']} is over")
            return promoted
        why, clips, told = due(store, means)
        for line in told:
            say(f"left out: {line}" if why else f"nothing to do: {line}")
        if why is None:
            _not_due(store, asked, "; ".join(told))
            return False
        if shadow is not None:
            _give_up(store, means, shadow, "a newer candidate, with more labels, replaces it")
        candidate = means.champion.parent / f"r{datetime.now(UTC):%Y%m%dT%H%M%S}"
        round = store.begin(why, means.champion.name, candidate.name, asked)
        say(f"retraining {candidate.name}: {why}")
        try:
            return _round(store, means, round, candidate, clips, told, say)
        except RaddError as error:
            store.end(round, "failed", str(error), "")
            raise


def _not_due(store: RetrainStore, asked: str | None, why: str) -> None:
    if asked is not None:
        store.end(asked, "not_due", why, "")


def _round(
    store: RetrainStore,
    means: RetrainContext,
    round: str,
    candidate: Path,
    clips: list[LabelledClip],
    told: list[str],
    say: Callable,
) -> bool:
    known = Replay.read(means.champion / REPLAY)
    scorer = CachedWindows(means)
    teaching, proving, problems = _heard(store, scorer, clips)
    told = [*told, *problems]
    store.change(round, step="fit")
    fresh = replayed([*teaching, *_copies(store, means, scorer, clips)], scorer.width)
    if not len(fresh.clip):
        raise ConfigError(
            "none of the confirmed clips has enough speech to train on; label longer ones"
        )
    correction, calibration = refit(known.chosen(held=False), fresh, means.settings.replay)
    old = FusedScorer(*judging(means.champion))
    calibration = type(calibration)(
        calibration.speech_s, calibration.alone, calibration.fused, old.calibration.closeness
    )
    new = FusedScorer(correction, calibration)
    write_candidate(means.champion, candidate, correction, calibration, len(teaching))
    store.change(round, step="prove")
    held = known.chosen(held=True)
    if means.settings.proof:
        held = scorer.corpus(Path(means.settings.proof), means.conditions, means.work)
        no_leak(held, known, scorer.index, clips)
    passed = gates(held, old, new, means.alarm_llr)
    passed.append(reviewed_gate(replayed(proving, scorer.width), old, new))
    shadow = replayed(_unlabelled(store, scorer), scorer.width)
    passed.append(shadow_gate(shadow, old, new, means.alarm_llr, means.settings.alert_rate_factor))
    return _decide(store, means, Trial(round, candidate, passed, len(teaching), told), say)


def _heard(
    store: RetrainStore, scorer: CachedWindows, clips: list[LabelledClip]
) -> tuple[list[ScoredRecording], list[ScoredRecording], list[str]]:
    """Windows of the clips to train on and of those for the gates, and the excluded ones in
    words.
    """
    found, problems = [], []
    for clip in clips:
        store.lease.renew()
        windows = _scored(store, scorer, clip.sha256, clip.first)
        if windows is not None and not np.isnan(windows.distance).all():
            found.append((clip, windows))
    if len(found) < len(clips):
        problems.append(f"{len(clips) - len(found)} clips without enough speech")
    vectors = np.array([np.nanmean(windows.embedding, axis=0) for _, windows in found]).reshape(
        -1, scorer.width
    )
    kept = distinct(vectors)
    if len(kept) < len(found):
        problems.append(f"{len(found) - len(kept)} clips that are near-duplicates of others")
    teaching: list[ScoredRecording] = []
    proving: list[ScoredRecording] = []
    for clip, windows in (found[i] for i in kept):
        system = "-" if clip.label == "bonafide" else "unknown"
        told = (
            clip.label,
            system,
            f"{clip.source[:200]} {clip.began_utc:%Y-%m-%d}",
            clip.stream_id,
            float(len(windows.clip)),
        )
        (proving if is_held(clip) else teaching).append((CLEAN, told, windows))
    return teaching, proving, problems


def _scored(
    store: RetrainStore, scorer: CachedWindows, sha256: str, first: int = 0
) -> Windows | None:
    """The windows of a clip from sample `first` on."""
    flac = store.sound(sha256)
    if flac is None:
        return None
    try:
        return scorer.windows(f"{sha256}-{first}", lambda: flac_samples(flac)[first:])
    except AudioError:
        return None


def _copies(
    store: RetrainStore, means: RetrainContext, scorer: CachedWindows, clips: list[LabelledClip]
) -> list[ScoredRecording]:
    """A fake of each real clip to train on: the same words and voice, resynthesised."""
    made = []
    for clip in clips:
        flac = store.sound(clip.sha256) if clip.label == "bonafide" and not is_held(clip) else None
        if flac is None:
            continue
        store.lease.renew()
        rng = np.random.default_rng(int(clip.sha256[:16], 16))
        windows = scorer.windows(f"{clip.sha256}-copy", partial(_copy, means, flac, rng))
        made.append(
            (
                CLEAN,
                ("spoof", "copy-synthesis", "copies", "copies", float(len(windows.clip))),
                windows,
            )
        )
    return made


def _copy(means: RetrainContext, flac: bytes, rng: np.random.Generator) -> np.ndarray:
    return means.copy(flac_samples(flac), rng)


def _unlabelled(store: RetrainStore, scorer: CachedWindows) -> list[ScoredRecording]:
    found: list[ScoredRecording] = []
    for sha256 in store.unlabelled(SHADOW_CLIPS):
        store.lease.renew()
        if (windows := _scored(store, scorer, sha256)) is not None:
            found.append((CLEAN, ("-", "-", "-", sha256, 0.0), windows))
    return found


def no_leak(held: Replay, known: Replay, index: BundleIndex, clips: list[LabelledClip]) -> None:
    """Raise ConfigError if the corpus for the gates shares systems, speakers or streams with the
    training data.
    """
    taught = set(known.group[~known.held].tolist()) | {clip.stream_id for clip in clips}
    taught |= {f"spoof {system}" for system in index.systems()}
    if shared := sorted(set(held.group.tolist()) & taught):
        raise ConfigError(
            f"[retrain] proof: {', '.join(shared[:5])} and the training data are the same: "
            f"{len(shared)} shared; gates need unseen data, so name another "
            "corpus"
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate that has been through its gates."""

    round: str
    """id of the retraining"""
    candidate: Path
    gates: list[Gate]
    clips: int
    """that it learned from"""
    left_out: list[str]
    """why clips were excluded, in words"""


def _decide(store: RetrainStore, means: RetrainContext, trial: Trial, say: Callable) -> bool:
    candidate, passed = trial.candidate, trial.gates
    failed, shadow = [gate for gate in passed if not gate.passed], means.settings.shadow_hours
    if failed:
        action, state = "refuse", "refused"
        outcome = (
            f"{means.champion.name} stays: {candidate.name} failed at "
            f"{'; '.join(gate.name for gate in failed)}"
        )
    elif shadow:
        action = state = SHADOW
        outcome = (
            f"{candidate.name} passed all {len(passed)} gates; before it replaces "
            f"{means.champion.name} it scores {shadow:g} hours of speech in shadow mode "
            "([retrain] shadow_hours)"
        )
    else:
        action, state = "promote", "promoted"
        outcome = f"{candidate.name} replaces {means.champion.name}: all {len(passed)} gates passed"
    report = round_report(
        candidate.name, means.champion.name, outcome, trial.clips, passed, trial.left_out
    )
    write_report(candidate, report)
    version = version_of(read_manifest(candidate))
    store.change(
        trial.round, step=SHADOW if state == SHADOW else "promote", outcome=outcome, report=report
    )
    if state == SHADOW:
        propose_candidate(candidate)
    elif not failed:
        promote(candidate)
    store.decide(
        action,
        candidate.name,
        version,
        means.champion.name,
        outcome,
        [gate_numbers(gate) for gate in passed],
    )
    store.end(trial.round, state, outcome, report)
    prune(candidate.parent, means.settings.keep, {means.champion.name, candidate.name})
    shutil.rmtree(means.work, ignore_errors=True)
    say(report)
    return state == "promoted"


def _shadow(store: RetrainStore, means: RetrainContext) -> dict[str, Any] | None:
    """The retraining whose candidate is in shadow mode, or None."""
    found = [row for row in store.retrainings() if row["state"] == SHADOW]
    for row in found:
        if row["champion"] != means.champion.name:
            _give_up(store, means, row, f"{means.champion.name} was put into use in the meantime")
        elif not (means.champion.parent / row["candidate"]).is_dir():
            _give_up(store, means, row, "its directory is gone")
        else:
            return row
    withdraw_candidate(means.champion.parent)
    return None


def _give_up(store: RetrainStore, means: RetrainContext, row: dict[str, Any], why: str) -> None:
    withdraw_candidate(means.champion.parent)
    store.end(
        row["id"], "refused", f"{row['candidate']} was not put into use: {why}", row["report"]
    )


def _settle(
    store: RetrainStore, means: RetrainContext, row: dict[str, Any], say: Callable[[str], None]
) -> bool | None:
    """End a shadow run that was long enough. Returns whether its candidate is in use now, None if
    it must continue.
    """
    candidate, hours = means.champion.parent / row["candidate"], means.settings.shadow_hours
    version = version_of(read_manifest(candidate))
    heard_s, difference, old, new = store.shadow(version)
    if heard_s < 3600 * hours:
        say(
            f"{candidate.name} has scored {heard_s / 3600:.2f} of {hours:g} hours of speech "
            f"in shadow mode beside {means.champion.name} ([retrain] shadow_hours); running "
            "daemons continue"
        )
        return None
    gate = live_gate(heard_s / 3600, difference, old, new, means.settings.alert_rate_factor)
    outcome = (
        f"{candidate.name} replaces {means.champion.name}: it passed all gates and the shadow run"
        if gate.passed
        else f"{means.champion.name} stays: {candidate.name} failed at the {gate.name}"
    )
    report = shadow_report(row["report"], outcome, gate)
    gates = [
        made["numbers"]
        for made in store.decisions()
        if (made["action"], made["model"]) == (SHADOW, candidate.name)
    ]
    write_report(candidate, report)
    store.change(row["id"], outcome=outcome, report=report)
    if gate.passed:
        promote(candidate)
    withdraw_candidate(candidate.parent)
    action, state = ("promote", "promoted") if gate.passed else ("refuse", "refused")
    store.decide(
        action,
        candidate.name,
        version,
        means.champion.name,
        outcome,
        [*sum(gates, []), gate_numbers(gate)],
    )
    store.end(row["id"], state, outcome, report)
    say(report)
    return gate.passed


def _finish(store: RetrainStore, means: RetrainContext) -> None:
    """Record the promotion of a killed round that had not recorded it."""
    for row in store.retrainings():
        ready = (row["state"], row["step"]) in (("running", "promote"), (SHADOW, SHADOW))
        if ready and row["candidate"] == means.champion.name:
            made = [(decision["action"], decision["model"]) for decision in store.decisions()]
            if ("promote", row["candidate"]) not in made:
                version = version_of(read_manifest(means.champion))
                store.decide("promote", row["candidate"], version, row["champion"], row["outcome"])
            store.end(row["id"], "promoted", row["outcome"], row["report"])


def auto_rollback(store: RetrainStore, means: RetrainContext, say: Callable[[str], None]) -> bool:
    """Roll back the latest promotion if alerts are too frequent since. Returns whether it did."""
    made = store.decisions()
    latest = next((row for row in reversed(made) if row["action"] in ("promote", "rollback")), None)
    if latest is None or latest["action"] != "promote" or latest["model"] != means.champion.name:
        return False
    switched = latest["decided_utc"]
    alerts, hours = store.alert_rate(switched, datetime.now(UTC).replace(tzinfo=None))
    alerts_before, hours_before = store.alert_rate(switched - BEFORE, switched)
    if alerts < FEW_ALERTS or not hours_before or not hours:
        return False
    usual = max(alerts_before, 1) / hours_before
    if alerts / hours <= means.settings.alert_rate_factor * usual:
        return False
    reason = (
        f"{alerts / hours:.2f} alerts per hour of speech since {switched:%Y-%m-%d %H:%M} UTC, "
        f"{usual:.2f} before: more than {means.settings.alert_rate_factor:g} times as many "
        "([retrain] alert_rate_factor)"
    )
    rollback(store, means.champion.parent / latest["before"], means.champion, reason)
    say(f"{latest['model']} was rolled back, {latest['before']} is in use: {reason}")
    return True


def rollback(store: RetrainStore, to: Path, champion: Path, reason: str) -> str:
    """Put an earlier bundle into use again; returns its name and version."""
    version = promote(to)
    store.decide("rollback", to.name, version, champion.name, reason)
    return version
