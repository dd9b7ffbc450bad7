"""Enrolment of a site's own line and of its own voices, and what another bundle makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from radd.bundle import (
    REPLAY,
    BundledDetector,
    encoder_of,
    load_known_voices,
    read_manifest,
)
from radd.enrolled import LINE, OWN_VOICE, OperatingPoint, spread_of_fakes
from radd.errors import ConfigError, RaddError
from radd.flac import flac_samples
from radd.registry import version_of
from radd.spread import Spread
from retraining.line_recordings import (
    LineRecording,
    found_in,
    hear,
    heard,
    refuse_poisoned,
    without_copies,
)
from retraining.operating_point import LineScores, applied, lower_edge, point_of
from retraining.own_voice import threshold_of
from retraining.replay_scores import judging, llrs
from storage.enrolments import EnrolledRecording, Enrolments, Measured
from training.replay import CLEAN, Replay

NOMINAL_EDGE_LLR = 0.0  # of a bundle without its scored development set


@dataclass(frozen=True, slots=True)
class EnrolContext:
    """What an enrolment needs besides recordings and database."""

    bundle: Path
    detector: BundledDetector
    """of the bundle alone, without an overlay"""
    alarm_llr: float
    """LLR below which a clip is called fake"""
    keeps_audio: bool
    """whether the enrolled audio is stored, so that another bundle can be measured on it"""


def enrol_line(
    store: Enrolments, means: EnrolContext, folders: tuple[Path, Path | None], who: tuple[str, str]
) -> tuple[str, Mapping[str, Any]]:
    """Enrol the folders of people and of fakes, the second optional; `who` is the admin and the
    reason. Returns the id and a report of what changes.

    Raises ConfigError where too little or doubtful material would move the operating point.
    """
    encoder_of(means.bundle)  # raises for a bundle without an index
    found, told = heard(found_in(folders[0], "people"), "bonafide", means.detector)
    if folders[1] is not None:
        fakes, more = heard(found_in(folders[1], "fakes"), "spoof", means.detector)
        found, told = found + fakes, told + more
    kept, copies = without_copies(found)
    try:
        measured = _measured_line(kept, means)
    except ConfigError as error:
        raise ConfigError("; ".join([str(error), *_left_out(told + copies)])) from None
    measured = _with_left_out(measured, told + copies)
    rows = [one.stored(means.keeps_audio) for one in kept]
    return store.add(LINE, who, rows, measured), measured.report


def enrol_own_voice(
    store: Enrolments, means: EnrolContext, folder: Path, who: tuple[str, str]
) -> tuple[str, Mapping[str, Any]]:
    """Enrol a folder with recordings of the site's own voice; otherwise like enrol_line."""
    encoder_of(means.bundle)  # raises for a bundle without an index
    found, told = heard(found_in(folder, "the own voice"), OWN_VOICE, means.detector)
    kept = list({one.sha256: one for one in found}.values())
    if not kept:
        raise ConfigError("; ".join([f"{folder} holds no speech", *_left_out(told)]))
    measured = _with_left_out(_measured_own(kept, means), told)
    rows = [one.stored(means.keeps_audio) for one in kept]
    return store.add(OWN_VOICE, who, rows, measured), measured.report


def is_measured(row: dict[str, Any], detector: BundledDetector) -> bool:
    """Whether an enrolment that is in effect was measured with a bundle."""
    name = detector.encoder_id if row["kind"] == OWN_VOICE else detector.name
    return not row["in_effect"] or name in {one["bundle"] for one in row["measured"]}


def measure_again(
    store: Enrolments, means: EnrolContext, say: Callable[[str], None] = lambda line: None
) -> list[str]:
    """Measure what is in effect with the bundle of `means`, where that was not done yet. Returns
    what has to be enrolled again, because its audio is gone, in words.
    """
    missing = []
    for row in store.entries():
        if is_measured(row, means.detector):
            continue
        stored = store.recordings(row["id"])
        gone = [one.name for one in stored if one.flac is None]
        measure = _measured_line if row["kind"] == LINE else _measured_own
        try:
            if gone:
                raise ConfigError(f"the audio of {len(gone)} of {len(stored)} recordings is gone")
            again = [_heard_again(one, means) for one in stored]
            usable = [one for one in again if one.starts and one.llr is not None]
            rows = [one.stored(False) for one in usable]
            store.measure(row["id"], rows, measure(usable, means))
            say(f"{means.detector.name}: measured {row['kind']} {row['id']} again")
        except RaddError as error:
            missing.append(f"{row['kind']} {row['id']} of {row['began_utc']:%Y-%m-%d}: {error}")
    return missing


def _heard_again(one: EnrolledRecording, means: EnrolContext) -> LineRecording:
    assert one.flac is not None
    return hear(flac_samples(one.flac), one.label, (one.name, one.speaker), means.detector)


def _measured_line(recordings: Sequence[LineRecording], means: EnrolContext) -> Measured:
    index = load_known_voices(means.bundle)[1]
    refuse_poisoned(recordings, index)
    line = LineScores(
        np.array([one.llr for one in recordings]),
        np.array([one.label == "bonafide" for one in recordings]),
        [one.speaker for one in recordings],
        [one.passages for one in recordings],
    )
    spread = spread_of_fakes(index)
    point = point_of(line, usual_edge(means.bundle), spread)
    report = report_of(line, point, spread, means.alarm_llr)
    encoder_id = means.detector.encoder_id
    assert encoder_id is not None  # load_known_voices refuses a bundle without one
    return Measured(version_of(read_manifest(means.bundle)), encoder_id, asdict(point), report)


def _measured_own(recordings: Sequence[LineRecording], means: EnrolContext) -> Measured:
    encoder, index, _ = load_known_voices(means.bundle)
    voice, report = threshold_of(recordings, index)
    thresholds = {"begin": voice.begin, "stay": voice.stay}
    return Measured(encoder.id, encoder.id, thresholds, report)


def usual_edge(bundle: Path) -> float:
    """The lower edge of the people in the bundle's own development set, nats."""
    if not (bundle / REPLAY).is_file():
        return NOMINAL_EDGE_LLR
    known = Replay.read(bundle / REPLAY)
    people = known.rows((known.condition == CLEAN) & (known.label[known.clip] == "bonafide"))
    return lower_edge(np.array(list(llrs(people, *judging(bundle)).values())))


def report_of(
    line: LineScores, point: OperatingPoint, spread: Spread, alarm_llr: float
) -> dict[str, Any]:
    """What an operating point changes on the recordings that it was measured on."""
    after = applied(line, point, spread)
    real, fake = line.is_real, ~line.is_real

    def counts(scores: np.ndarray) -> dict[str, int]:
        return {
            "real_called_fake": int((scores[real] < alarm_llr).sum()),
            "real_below_zero": int((scores[real] < 0).sum()),
            "fakes_missed": int((scores[fake] >= alarm_llr).sum()),
            "fakes_above_zero": int((scores[fake] >= 0).sum()),
        }

    speakers = []
    for is_real, who in sorted(set(zip(real.tolist(), line.speaker, strict=True))):
        mine = (real == is_real) & (np.array(line.speaker) == who)
        speakers.append(
            {
                "label": "bonafide" if is_real else "spoof",
                "speaker": who,
                "clips": int(mine.sum()),
                "before_llr": float(line.llr[mine].mean()),
                "after_llr": float(after[mine].mean()),
            }
        )
    return {
        "people": len({one["speaker"] for one in speakers if one["label"] == "bonafide"}),
        "real": int(real.sum()),
        "fakes": int(fake.sum()),
        "before": counts(line.llr),
        "after": counts(after),
        "by_speaker": speakers,
        **asdict(point),
    }


def _with_left_out(measured: Measured, told: Sequence[str]) -> Measured:
    return replace(measured, report={**measured.report, "left_out": list(told)})


def _left_out(told: Sequence[str]) -> list[str]:
    return [f"left out: {', '.join(told[:10])}"] if told else []
