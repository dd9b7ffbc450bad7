"""Clips with all their data as a directory: clips.jsonl, one line per clip, and flac/SHA256.flac,
its audio.

A line is {"clip", "labels", "alerts"}: rows as schema.sql documents them, times in ISO 8601, and in
each alert its "stream", "trace" and "neighbours".
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Set
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from radd.errors import AudioError, ConfigError
from radd.private_files import make_directory, opener, write_bytes
from storage.archive_files import LONGEST_SOUND_S, read_lines, read_sound
from storage.people import imported
from storage.records import TEXT_CHARACTERS
from storage.review import STATES, Label, Reviews
from storage.tables import alerts, clips, evidence, labels, streams
from storage.upsert import upsert

LINES, SOUNDS = "clips.jsonl", "flac"
LARGEST = 1e300  # safely inside the range of DOUBLE in every database
LATEST = 2**62  # samples
MOST_ALERTS, MOST_LABELS = 1_000, 10_000  # of one clip
MOST_POINTS, MOST_NEIGHBOURS = 100_000, 100  # of one alert; a clip of an hour has 28,125 scores
LONGEST_NAME = 1_000  # of a reference or a system

Row = dict[str, Any]


def export_clips(reviews: Reviews, directory: Path, states: list[str]) -> int:
    """Write the clips whose review has one of these states, except open alerts, to a directory.
    Returns their number.

    Raises ConfigError if the directory already contains an export or cannot be written.
    """
    if (directory / LINES).exists():
        raise ConfigError(f"{directory / LINES} already exists; name another directory")
    whole = (
        sa.select(alerts.c.clip_sha256)
        .distinct()
        .where(alerts.c.review.in_(states), alerts.c.state != "open")
    )
    with reviews.database.transaction() as connection:
        wanted = connection.scalars(whole.order_by(alerts.c.clip_sha256)).all()
    try:
        make_directory(directory)
        make_directory(directory / SOUNDS)
        unfinished = directory / f"{LINES}.new"
        count = 0
        with open(unfinished, "w", encoding="utf-8", opener=opener) as lines:
            for sha256 in wanted:
                with reviews.database.transaction() as connection:
                    said, flac = _read(connection, sha256)
                if said is None:
                    continue
                if flac is not None:
                    write_bytes(_sound(directory, sha256), flac)
                lines.write(json.dumps(said, default=_iso) + "\n")
                count += 1
        unfinished.replace(directory / LINES)
    except OSError as error:
        raise ConfigError(f"cannot write the export to {directory}: {error.strerror}") from None
    return count


def import_clips(
    reviews: Reviews, directory: Path, decode: Callable[[bytes, float], np.ndarray]
) -> dict[str, int]:
    """Add what an export contains and the database lacks, all or nothing. Returns the numbers of
    `clips`, `alerts`, `labels`. `decode` turns FLAC bytes into samples, at most so many
    seconds, or raises AudioError.

    Existing rows are unchanged. Labels are added to the existing ones under names that are marked
    as imported, and never count against labels that were given here. Raises ConfigError, with file
    and line, for invalid content.
    """
    added = {"clips": 0, "alerts": 0, "labels": 0}
    with reviews.database.transaction() as connection:
        for place, said in read_lines(directory / LINES):
            try:
                clip = _clip(said, directory, decode)
                for name, count in _add(reviews, connection, clip, said).items():
                    added[name] += count
            except _Unfit as unfit:
                raise ConfigError(f"{place}: {unfit}; nothing was imported") from None
    return added


class _Unfit(Exception):
    """What is invalid, in words."""


def _read(connection: sa.Connection, sha256: str) -> tuple[Row | None, bytes | None]:
    clip = (
        connection.execute(sa.select(clips).where(clips.c.sha256 == sha256))
        .mappings()
        .one_or_none()
    )
    if clip is None:
        return None, None
    of_clip = (
        sa.select(alerts)
        .where(alerts.c.clip_sha256 == sha256, alerts.c.state != "open")
        .order_by(alerts.c.id)
    )
    found = []
    for alert in connection.execute(of_clip).mappings().all():
        why = (
            connection.execute(sa.select(evidence).where(evidence.c.alert_id == alert["id"]))
            .mappings()
            .one()
        )
        stream = (
            connection.execute(sa.select(streams).where(streams.c.id == alert["stream_id"]))
            .mappings()
            .one()
        )
        texts = {name: json.loads(why[name]) for name in ("trace", "neighbours")}
        found.append({**alert, "stream": dict(stream), **texts})
    said = connection.execute(
        sa.select(labels).where(labels.c.clip_sha256 == sha256).order_by(labels.c.number)
    )
    row = {name: value for name, value in clip.items() if name != "flac"}
    return {
        "clip": row,
        "labels": [dict(label) for label in said.mappings()],
        "alerts": found,
    }, clip["flac"]


def _clip(said: Any, directory: Path, decode: Callable[[bytes, float], np.ndarray]) -> Row:
    """The row of a line's clip, with its audio."""
    if not isinstance(said, dict) or said.keys() != {"clip", "labels", "alerts"}:
        raise _Unfit('expected an object with "clip", "labels" and "alerts"')
    row = _row(clips, said["clip"], {"flac"})
    if not _is_sha256(row["sha256"]) or row["state"] not in ("stored", "evicted"):
        raise _Unfit(
            f"clip {row['sha256'][:80]!r} of state {row['state']!r}: expected a SHA-256, stored "
            "or evicted"
        )
    if row["state"] == "evicted":
        return row | {"flac": None}
    file = _sound(directory, row["sha256"])
    try:
        flac = read_sound(file)
        if hashlib.sha256(flac).hexdigest() != row["sha256"]:
            raise _Unfit(f"{file} has other audio than its name says (SHA-256 mismatch)")
        samples = decode(flac, LONGEST_SOUND_S)
    except OSError as error:
        raise _Unfit(f"cannot read {file}: {error.strerror}") from None
    except AudioError as error:
        raise _Unfit(f"{file}: {error}") from None
    if (row["size_bytes"], row["length_samples"]) != (len(flac), len(samples)):
        raise _Unfit(
            f"{file} has {len(flac)} bytes and {len(samples)} samples, but the line says otherwise"
        )
    return row | {"flac": flac}


def _add(reviews: Reviews, connection: sa.Connection, clip: Row, said: Row) -> dict[str, int]:
    if (
        not isinstance(said["alerts"], list)
        or not said["alerts"]
        or not isinstance(said["labels"], list)
    ):
        raise _Unfit("expected a list of at least one alert and a list of labels")
    if len(said["alerts"]) > MOST_ALERTS or len(said["labels"]) > MOST_LABELS:
        raise _Unfit(f"more than {MOST_ALERTS} alerts or {MOST_LABELS} labels of one clip")
    sha256 = clip["sha256"]
    added = {"clips": not _has(connection, clips, sha256), "alerts": 0, "labels": 0}
    if added["clips"]:
        upsert(connection, clips, [clip])
    for each in said["alerts"]:
        alert, stream, texts = _alert(each, sha256)
        if not _has(connection, streams, stream["id"]):
            upsert(connection, streams, [stream])
        if not _has(connection, alerts, alert["id"]):
            upsert(
                connection, alerts, [alert | {"review": "pending" if clip["flac"] else "expired"}]
            )
            upsert(connection, evidence, [texts])
            added["alerts"] += 1
        elif (
            connection.scalar(sa.select(alerts.c.clip_sha256).where(alerts.c.id == alert["id"]))
            != sha256
        ):
            raise _Unfit(f"alert {alert['id']} is in the database with other audio")
    history = reviews.lock(connection, [sha256])[sha256]
    known = [{name: row[name] for name in row if name != "number"} for row in history]
    told = [row for row in map(_label, said["labels"]) if row not in known]
    marked = [row | {"reviewer": imported(row["reviewer"])} for row in told]
    new = [row for row in marked if row not in known]
    reviews.add(connection, sha256, history, new)
    return added | {"labels": len(new)}


def _alert(said: Any, sha256: str) -> tuple[Row, Row, Row]:
    """The rows of an alert, its stream and its evidence."""
    if not isinstance(said, dict) or not {"stream", "trace", "neighbours"} <= said.keys():
        raise _Unfit('expected in each alert "stream", "trace" and "neighbours"')
    alert = _row(
        alerts, {name: said[name] for name in said.keys() - {"stream", "trace", "neighbours"}}
    )
    stream = _row(streams, said["stream"])
    if not (
        _is_uuid(alert["id"]) and _is_uuid(stream["id"]) and alert["stream_id"] == stream["id"]
    ):
        raise _Unfit(
            f"alert {alert['id']!r} of stream {stream['id']!r}: expected two UUIDs, its own stream"
        )
    if alert["clip_sha256"] != sha256 or alert["review"] not in STATES:
        raise _Unfit(f"alert {alert['id']} has another clip or an unknown review")
    if alert["state"] not in ("close", "interrupted", "sample"):
        raise _Unfit(
            f"alert {alert['id']} is {alert['state']!r}: expected close, interrupted or sample"
        )
    if stream["state"] == "running":  # in the exporting database; nobody here will report its end
        stream["state"] = "interrupted"
    if not _is_trace(said["trace"]) or not _are_neighbours(said["neighbours"]):
        raise _Unfit(f"the trace or the neighbours of alert {alert['id']} do not match schema.sql")
    texts = {name: json.dumps(said[name]) for name in ("trace", "neighbours")}
    return alert, stream, {"alert_id": alert["id"], **texts}


def _label(said: Any) -> Row:
    row = _row(labels, said)
    if row["label"] not in list(Label) or not row["reviewer"].strip():
        raise _Unfit(
            f"a label {row['label']!r} by {row['reviewer'][:80]!r}: expected fake, real or "
            "unsure, and a name"
        )
    return {name: row[name] for name in ("label", "reviewer", "reason", "labelled_utc")}


def _row(table: sa.Table, said: Any, without: Set[str] = frozenset()) -> Row:
    """The row of a table described by an object, with parsed times; exactly the table's columns,
    each of its type.
    """
    names = [column.name for column in table.columns if column.name not in without]
    if not isinstance(said, dict) or said.keys() != set(names):
        raise _Unfit(f"expected a row of {table.name} with exactly {', '.join(names)}")
    return {name: _value(table.c[name], said[name]) for name in names}


def _value(column: sa.Column, value: Any) -> Any:
    fits = False
    match column.type:
        case _ if value is None:
            fits = bool(column.nullable)
        case sa.DateTime():
            value = _moment(value)
            fits = value is not None
        case sa.BigInteger() | sa.Integer():
            bits = 63 if isinstance(column.type, sa.BigInteger) else 31
            fits = type(value) is int and -(2**bits) <= value < 2**bits
        case sa.Double():
            fits = _is_number(value)
        case sa.String(length=length):
            fits = (
                type(value) is str and len(value) <= (length or TEXT_CHARACTERS) and _is_utf8(value)
            )
    if not fits:
        raise _Unfit(
            f"{column.table.name} {column.name} is {repr(value)[:80]}: expected {column.type}"
        )
    return value


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is None else None


def _has(connection: sa.Connection, table: sa.Table, key: str) -> bool:
    (column,) = table.primary_key.columns
    return connection.scalar(sa.select(column).where(column == key)) is not None


def _is_number(value: Any) -> bool:
    """Whether a database can store it as a number, or it is None because nothing was measured."""
    return value is None or (type(value) in (int, float) and -LARGEST < value < LARGEST)


def _is_trace(value: Any) -> bool:
    return _is_list(value, MOST_POINTS) and all(
        isinstance(point, list)
        and len(point) == 2
        and type(point[0]) is int
        and abs(point[0]) < LATEST
        and _is_number(point[1])
        for point in value
    )


def _are_neighbours(value: Any) -> bool:
    return _is_list(value, MOST_NEIGHBOURS) and all(
        isinstance(one, dict)
        and one.keys() == {"id", "label", "system", "similarity"}
        and all(_is_name(one[name]) for name in ("id", "label", "system"))
        and _is_number(one["similarity"])
        for one in value
    )


def _is_list(value: Any, most: int) -> bool:
    return isinstance(value, list) and len(value) <= most


def _is_name(value: Any) -> bool:
    return type(value) is str and len(value) <= LONGEST_NAME and _is_utf8(value)


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and not set(text) - set("0123456789abcdef")


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _sound(directory: Path, sha256: str) -> Path:
    return directory / SOUNDS / f"{sha256}.flac"


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
