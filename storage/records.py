"""Events as spool records: JSON, without anything a database cannot store."""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from radd.errors import AudioError
from radd.flac import flac_samples
from radd.types import Alert, AlertState, Call, Gap, Neighbour, Sample, seconds
from storage.spool.entry import Entry

TEXT_CHARACTERS = 10_000  # fits into TEXT of MySQL with four bytes per character
CALL_CHARACTERS = 255  # of a call's id and a track's name
SAMPLE = "sample"  # alert state of rows that are not alerts: speech drawn for review


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """A stream's data once its source is open."""

    id: str
    """UUID"""
    source: str
    """display name of the source"""
    device: str | None
    """the device's own name; None if the source is not a device"""
    native_rate_hz: int
    host: str
    """the machine that runs the daemon"""
    bundle: str
    """name and version of the model bundle"""
    config_hash: str
    """SHA-256 of the effective settings, hexadecimal"""
    started: datetime
    """wall clock with its zone when the source opened, as it is known now; sample 0"""
    slept: tuple[tuple[int, float], ...] = ()
    """after how many samples the machine slept, and for how many seconds"""
    call: Call | None = None
    """None if the source is no call"""


def stream_record(info: StreamInfo) -> dict[str, Any]:
    """A stream's row as a record."""
    return {
        "id": info.id,
        "state": "running",
        "source": storable(info.source),
        "device": None if info.device is None else storable(info.device),
        "native_rate_hz": info.native_rate_hz,
        "host": storable(info.host),
        "bundle": storable(info.bundle),
        "config_hash": info.config_hash,
        "started_utc": utc(info.started),
        **_call_columns(info.call),
    }


def _call_columns(call: Call | None) -> dict[str, Any]:
    if call is None:
        return {}
    details = storable(json.dumps(dict(call.details))) if call.details else None
    return {
        "call_id": storable(call.id)[:CALL_CHARACTERS],
        "track": storable(call.track)[:CALL_CHARACTERS],
        "call_details": details,
    }


def clock_record(info: StreamInfo) -> dict[str, Any]:
    """How wall-clock times of a stream follow from samples, for rows that were stored before this
    was known.
    """
    return {"started_utc": utc(info.started), "slept": list(info.slept)}


def alert_record(alert: Alert, info: StreamInfo) -> dict[str, Any]:
    """An alert with its evidence as a record."""
    ended = alert.state is AlertState.CLOSE
    return _flagged(alert, info, alert.state.value, alert.began, alert.clip_start, ended)


def sample_record(sample: Sample, info: StreamInfo) -> dict[str, Any]:
    """Like `alert_record`, so that both are reviewed the same way."""
    return _flagged(sample, info, SAMPLE, sample.start, sample.start, ended=True)


def _flagged(
    event: Alert | Sample, info: StreamInfo, state: str, began: int, clip_start: int, ended: bool
) -> dict[str, Any]:
    return {
        "alert": {
            "id": event.id,
            "stream_id": info.id,
            "state": state,
            "began_samples": began,
            "end_samples": event.end,
            "began_utc": moment(info, began),
            "ended_utc": moment(info, event.end) if ended else None,
            "peak_p_spoof": measured(event.peak_p_spoof),
            "min_llr": measured(event.min_llr),
            "gaps": event.gaps,
            "bundle": storable(info.bundle),
            "clip_start_samples": clip_start,
        },
        "clip": {"length_samples": len(event.clip), "stored_utc": utc(datetime.now(UTC))},
        "trace": [(end, measured(llr)) for end, llr in event.trace],
        "neighbours": [
            asdict(n) | {"similarity": measured(n.similarity)} for n in event.neighbours
        ],
    }


def gap_record(gap: Gap) -> dict[str, Any]:
    """A gap as a record."""
    return {"start_samples": gap.start, "end_samples": gap.end, "cause": storable(gap.cause)}


# what a record of another version's shape raises where it is read
MISFIT = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


def interrupted_alert(entry: Entry) -> Alert | None:
    """The alert that a daemon left open, as far as it had come; its clip is empty if it was given
    up. None where another version of this program wrote it in a shape that this one cannot read.
    """
    try:
        return _left_open(entry.record, entry.clip)
    except MISFIT:
        return None


def _left_open(said: dict[str, Any], flac: bytes | None) -> Alert:
    row = said["alert"]
    try:
        clip = flac_samples(flac) if flac else np.zeros(0, np.float32)
    except AudioError:
        clip = np.zeros(0, np.float32)
    return Alert(
        id=str(uuid.UUID(row["id"])),
        state=AlertState.INTERRUPTED,
        began=int(row["began_samples"]),
        end=int(row["end_samples"]),
        peak_p_spoof=float(row["peak_p_spoof"]),
        min_llr=float(row["min_llr"]),
        clip=clip,
        clip_start=row["clip_start_samples"],
        trace=tuple((end, llr) for end, llr in said["trace"]),
        neighbours=tuple(Neighbour(**neighbour) for neighbour in said["neighbours"]),
        gaps=row["gaps"],
    )


def moment(info: StreamInfo, samples: int) -> str:
    """The wall-clock time of a sample of the stream, as `utc`."""
    slept_s = sum(for_s for after, for_s in info.slept if samples > after)
    return utc(info.started + timedelta(seconds=seconds(samples) + slept_s))


def utc(when: datetime) -> str:
    """ISO 8601 in UTC without a zone, to the millisecond."""
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


def measured(value: float | None) -> float | None:
    """The value if a database can store it as a number, else None."""
    return None if value is None or not math.isfinite(value) else float(value)


def storable(text: str) -> str:
    """The text in characters that UTF-8 can encode, including file names of unknown encoding; at
    most 10,000 characters.
    """
    return text.encode("utf-8", "backslashreplace").decode()[:TEXT_CHARACTERS]
