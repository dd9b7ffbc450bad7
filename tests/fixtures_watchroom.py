"""A database as fifty watched streams leave it: clips to review, decisions and drift."""

import hashlib
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from fixtures_storage import alert, stream_info

from radd.files import load_speech
from radd.flac import flac_bytes
from radd.types import AlertState, Call, Neighbour, Sample
from storage.database import Database
from storage.learning import Learning
from storage.records import alert_record, sample_record, stream_record, utc
from storage.rows import store
from storage.spool.entry import Entry, EntryKind
from stream.capture.sources import DEMO

RATE_HZ, MINUTE_S, AHEAD_S = 16_000, 60, 30
CLIP_S = 5
CALL = "CA0123456789abcdef0123456789abcdef"
TRACKS = {38: "inbound", 39: "outbound"}
"""of the streams that are tracks of this call"""
KINDS = ("alert", "speech", "silence", "ended")
MEASURED = (("EER, confirmed clips, %", 9.1, 6.4), ("EER, development set, %", 8.0, 8.3))
GATES = [
    {"name": name, "champion": was, "candidate": now, "interval": [now - was - 1, now - was + 1],
     "passed": now <= was}
    for name, was, now in MEASURED
]  # fmt: skip


def kind_of(number: int) -> str:
    """Of fifty streams three have an open alert, twenty speech, six are over, the rest silent."""
    if number % 17 == 5:
        return "alert"
    return KINDS[3] if number % 8 == 7 else KINDS[1] if number % 5 < 2 else KINDS[2]


def fill(url: str, streams: int = 50, clips: int = 20) -> list[str]:
    """Fill an empty database; the ids of the clips to review, alerts and samples in turn."""
    database = Database(url)
    database.prepare()
    now, rng = datetime.now(UTC), np.random.default_rng(1)
    speech = load_speech(DEMO)
    with database.transaction() as connection:
        for number in range(streams):
            for entry in _stream(number, kind_of(number), now, rng, speech):
                store(connection, entry)
        made = [_clip(number, now, rng, speech) for number in range(clips)]
        caller = stream_info(source="caller-0.wav", started=now - timedelta(hours=2))
        store(connection, _entry(EntryKind.STREAM, stream_record(caller) | {
            "state": "ended", "ended_utc": utc(now - timedelta(hours=1))}))  # fmt: skip
        for event in made:
            record = sample_record if isinstance(event, Sample) else alert_record
            store(connection, _entry(EntryKind.ALERT, record(event, caller), event.clip))
        days = [{"day": (now - timedelta(days=back)).date().isoformat(), "seconds": 900,
                 "distance": 0.2 + 0.01 * back} for back in range(20)]  # fmt: skip
        store(connection, _entry(EntryKind.ROWS, {"stream_id": caller.id, "drift": days}))
    database.close()
    _history(url)
    return [event.id for event in made]


def _stream(number, kind, now, rng, speech):
    started = now - timedelta(seconds=600 + 10 * number)
    info = stream_info(
        source=f"/calls/site-{number % 4}/line-{number:02}.wav", host=f"node-{number % 3}",
        started=started, device=None,
    )  # fmt: skip
    if track := TRACKS.get(number):
        info = replace(info, source=f"twilio {CALL} {track}", call=Call(CALL, track))
    ended = now - timedelta(seconds=120)
    row = stream_record(info)
    if kind == "ended":
        row |= {"state": "ended", "ended_utc": utc(ended)}
    yield _entry(EntryKind.STREAM, row)
    last = int(((ended if kind == "ended" else now) - started).total_seconds()) + AHEAD_S
    timeline = []
    for second in range(last - 2 * MINUTE_S, last):
        alarmed = kind == "alert" and second > last - AHEAD_S - 20
        llr = float(rng.normal(-5 if alarmed else 3, 1.2))
        verdict = "spoof" if llr < -3 else "bonafide" if llr > 0 else "suspect"
        silent = kind == "silence" or second % 23 < 4
        level = -62.0 if silent else -24.0 + float(rng.normal())
        timeline.append({
            "second": second, "verdict": "no_speech" if silent else verdict,
            "llr": None if silent else llr, "level_dbfs": level, "distance": None,
        })  # fmt: skip
    gaps = [{"start_samples": 100, "end_samples": 5_000, "cause": "overflow"}] * (number % 9 == 3)
    yield _entry(EntryKind.ROWS, {"stream_id": info.id, "timeline": timeline, "gaps": gaps})
    if kind == "alert":
        began = (last - AHEAD_S - 20) * RATE_HZ
        clip = speech[RATE_HZ * (number % 7) :][: CLIP_S * RATE_HZ]
        event = _alert(AlertState.OPEN, clip, number, began)
        yield _entry(EntryKind.ALERT, alert_record(event, info), event.clip)


def _clip(number, now, rng, speech):
    clip = np.roll(speech, -number * RATE_HZ // 2)[: CLIP_S * RATE_HZ]
    event = _alert(AlertState.CLOSE, clip, number, RATE_HZ * (60 + 30 * number))
    if number % 4 != 3:
        return event
    calm = tuple((end, float(rng.normal(2.5, 0.4))) for end, _ in event.trace)
    return Sample(event.id, event.clip_start, 0.12, 2.0, clip, calm, event.neighbours, 0)


def _alert(state, clip, number, began):
    start = began - RATE_HZ
    ends = range(began + RATE_HZ // 2, start + len(clip), 2_048)
    near = (0.91, 0.86, 0.82)
    id = uuid.UUID(int=number + 1 + 999 * (state is AlertState.OPEN))
    return replace(
        alert(state, seed=number), id=str(id), began=began, end=start + len(clip), clip=clip,
        clip_start=start, gaps=0, min_llr=-5.5, peak_p_spoof=0.97 - 0.01 * (number % 9),
        trace=tuple((end, -1.0 - (end % 9) / 2) for end in ends),
        neighbours=tuple(
            Neighbour(f"lj-{number}-{rank}", "bonafide" if rank == 1 else "spoof",
                      "-" if rank == 1 else "tacotron2", similarity)
            for rank, similarity in enumerate(near)
        ),
    )  # fmt: skip


def _entry(kind, record, clip=None):
    flac = b"" if clip is None else flac_bytes(clip)
    return Entry(
        "", kind, record, hashlib.sha256(flac).hexdigest(), len(flac), flac, False, False, 1
    )


def _history(url):
    with Learning(url) as learning:
        id = learning.begin("23 new labels", "default", "r20260101T000000")
        learning.end(id, "refused", "EER, development set, % is worse", "")
        learning.decide("refuse", "r20260101T000000", "0" * 12, "default", "a gate failed", GATES)
